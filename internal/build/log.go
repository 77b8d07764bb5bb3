package build

import (
	"bufio"
	"os"
	"regexp"
	"strings"

	"bzmage/internal/fault"
)

// The first lines of a make log that say why it failed. A strong line is the
// cause, a weak one its consequence, told only when there is no strong one.
var (
	reStrong = regexp.MustCompile(`(: (fatal )?error: |undefined reference to|: Error: |multiple definition of|^ERROR: modpost|No rule to make target|^\S*:\d+: \*\*\* |syntax error)`)
	reWeak   = regexp.MustCompile(`(\*\*\* \[|: error: ld returned|\bError \d+$|final link failed)`)

	// Lines that mean that this machine failed, not the kernel.
	reMachine = regexp.MustCompile(`(No space left on device|virtual memory exhausted|Cannot allocate memory|fatal error: Killed signal|terminated program|: not found$|: Command not found|Killed$|Input/output error)`)
)

// maxCauses is how many lines of a log are shown.
const maxCauses = 12

// causes reads a make log: the lines that say why it failed, and whose fault
// that is.
func causes(path string) (lines []string, kind fault.Kind) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.Build
	}
	defer f.Close()
	kind = fault.Build
	var strong, weak []string
	scan := bufio.NewScanner(f)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		line := strings.TrimRight(scan.Text(), " \r")
		if reMachine.MatchString(line) {
			kind = fault.Machine
			strong = append(strong, line)
			continue
		}
		if reWeak.MatchString(line) {
			weak = append(weak, line)
		} else if reStrong.MatchString(line) {
			strong = append(strong, line)
		}
	}
	if len(strong) == 0 {
		strong = weak
	}
	return strong[:min(len(strong), maxCauses)], kind
}
