package pipeline

import (
	"context"
	"os"
	"strings"
	"time"

	"bzmage/internal/fault"
	"bzmage/internal/run"
	"bzmage/internal/tools"
)

const (
	// aptLists is where apt keeps what it knows of its sources.
	aptLists = "/var/lib/apt/lists"
	// aptFresh is how old that may be: a source that moved on has dropped
	// the files that older lists name.
	aptFresh = 24 * time.Hour
	// aptSilence is how long apt may print nothing, which it does while it
	// waits for another one or for the network.
	aptSilence = 10 * time.Minute
)

// Setup installs what is missing: with apt as root or through sudo, else it
// prints the command to type, which is an error as long as it is needed. It
// also brings old lists of packages up to date, as kernel sources may come
// from them.
func (p Project) Setup(ctx context.Context) error {
	found, err := p.look(ctx)
	if err != nil {
		return err
	}
	missing, manager := problems(found), tools.Manager()
	prefix, root := asRoot(ctx)
	stale := !p.Settings.Offline && manager == tools.APT && root && olderThan(aptLists, aptFresh)
	if len(missing) == 0 && !stale {
		p.UI.Log.Info("setup: nothing is missing")
		return nil
	}
	for _, m := range missing {
		p.UI.Log.Infof("setup: %s", m)
	}
	install := tools.InstallLine(manager, tools.Packages(found, manager))
	switch {
	case p.Settings.Offline:
		return fault.New(fault.Machine, "unset OFFLINE", "some packages are missing, and OFFLINE is set")
	case manager == "":
		return fault.New(fault.Machine, "install them by hand; `go tool mage doctor` says what each is for", "no package manager that is known here")
	case manager != tools.APT || !root:
		return fault.New(fault.Machine, "sudo "+strings.Join(install, " "), "some packages are missing, and bzmage cannot install them itself here")
	}
	commands := [][]string{{tools.APT, "update"}}
	if len(missing) > 0 {
		commands = append(commands, install)
	}
	for _, argv := range commands {
		err := p.apt(ctx, prefix, argv)
		if err != nil && ctx.Err() == nil && len(missing) == 0 {
			p.UI.Log.Warnf("the lists of packages are old and stay so: %v", err)
			return nil
		}
		if err != nil {
			return err
		}
	}
	if found, err = p.look(ctx); err != nil {
		return err
	}
	if still := problems(found); len(still) > 0 {
		return fault.New(fault.Machine, "go tool mage doctor", "still missing after the installation: %s", strings.Join(still, "; "))
	}
	p.UI.Log.Info("setup: all is there now")
	return nil
}

func (p Project) apt(ctx context.Context, prefix, argv []string) error {
	log, err := p.log("setup", strings.Join(argv[:2], "-"))
	if err != nil {
		return err
	}
	argv = append(append([]string(nil), prefix...), argv...)
	p.UI.Log.Infof("setup: %s", strings.Join(argv, " "))
	err = run.Run(ctx, run.Cmd{Argv: argv, Env: run.Env("DEBIAN_FRONTEND=noninteractive"), Log: log, Silence: aptSilence})
	if err != nil {
		return fault.New(fault.Machine, "look at "+log+"; it was: "+strings.Join(argv, " "), "install packages: %w", err)
	}
	return nil
}

func olderThan(path string, age time.Duration) bool {
	info, err := os.Stat(path)
	return err != nil || time.Since(info.ModTime()) > age
}

// asRoot returns what to put before a command that needs root, and whether
// that works without asking a person.
func asRoot(ctx context.Context) ([]string, bool) {
	if os.Geteuid() == 0 {
		return nil, true
	}
	err := run.Run(ctx, run.Cmd{Argv: []string{"sudo", "-n", "true"}, Env: run.Env()})
	return []string{"sudo", "-n"}, err == nil
}
