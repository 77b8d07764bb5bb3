package run

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// StartError says that a command could not be started, or that its output
// could not be kept.
type StartError struct {
	Argv []string
	Err  error
}

func (e *StartError) Error() string { return fmt.Sprintf("start %s: %v", e.Argv[0], e.Err) }

// Unwrap returns the cause, such as [exec.ErrNotFound].
func (e *StartError) Unwrap() error { return e.Err }

// ExitError says that a command ended with a code other than 0, or by a signal.
type ExitError struct {
	Argv     []string
	Code     int         // exit code, -1 when ended by a signal
	Signal   unix.Signal // the signal that ended it, or 0
	Duration time.Duration
	Log      string   // the log file, or empty
	Tail     []string // the last lines it printed
}

func (e *ExitError) Error() string {
	how := fmt.Sprintf("exit code %d", e.Code)
	if e.Signal != 0 {
		how = "killed by " + unix.SignalName(e.Signal)
	}
	return withTail(fmt.Sprintf("%s: %s", e.Argv[0], how), e.Tail)
}

// SilenceError says that a command was ended because it printed nothing.
type SilenceError struct {
	Argv    []string
	Silence time.Duration
	Log     string
	Tail    []string
}

func (e *SilenceError) Error() string {
	return withTail(fmt.Sprintf("%s: printed nothing for %v", e.Argv[0], e.Silence), e.Tail)
}

// Failed says whether err is the command's own failure: it ran and ended
// badly, or fell silent. Any other error is this machine's: the command could
// not be started, or its output could not be kept.
func Failed(err error) bool {
	var start *StartError
	var exit *ExitError
	var silence *SilenceError
	if errors.As(err, &start) || errors.Is(err, unix.ENOSPC) {
		return false
	}
	return errors.As(err, &exit) || errors.As(err, &silence)
}

// withTail adds the last line that says something to a message.
func withTail(msg string, tail []string) string {
	for i := len(tail) - 1; i >= 0; i-- {
		if s := strings.TrimSpace(tail[i]); s != "" {
			return msg + ": " + s
		}
	}
	return msg
}
