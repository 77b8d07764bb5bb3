package guest

import (
	"fmt"
	"os"
	"strings"
)

// shell runs a shell on the console until it ends. The console has to be
// opened by its own name: /dev/console never is a controlling terminal, without
// which Ctrl-C does nothing (drivers/tty/tty_io.c, tty_open_by_driver).
func (g *guest) shell() error {
	text, err := os.ReadFile(g.root + "/sys/class/tty/console/active")
	if err != nil {
		return fmt.Errorf("find the console: %w", err)
	}
	names := strings.Fields(string(text))
	if len(names) == 0 {
		return fmt.Errorf("find the console: there is none")
	}
	tty, err := os.OpenFile(g.root+"/dev/"+names[len(names)-1], os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer tty.Close()
	env := []string{"PATH=/bin", "TMPDIR=/tmp", "HOME=/", Env + "=1"}
	_, ended, err := g.children.start([]string{ShellPath}, process{dir: g.workDir, env: env, stdin: tty, stdout: tty, stderr: tty, tty: true})
	if err != nil {
		return err
	}
	exit, err := outcome(ShellPath, <-ended)
	if err == nil {
		err = fmt.Errorf("ended with exit code %d", exit)
	}
	return err
}
