// Package target is what magefile.go calls: one function a target. It sets up
// the run (settings, messages, signals), does the work, and turns an error
// into words, a hint and an exit code.
package target

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/magefile/mage/mg"
	"golang.org/x/sys/unix"

	"bzmage/internal/checkpatch"
	"bzmage/internal/fault"
	"bzmage/internal/pipeline"
	"bzmage/internal/report"
	"bzmage/internal/ui"
)

// run opens the project in the working folder and calls f with the checkout
// locked. Its error has the exit code for mage.
func run(ctx context.Context, f func(context.Context, pipeline.Project) error) error {
	return open(ctx, func(ctx context.Context, p pipeline.Project) error {
		release, err := p.Lock(ctx)
		if err != nil {
			return err
		}
		defer release()
		return f(ctx, p)
	})
}

// open is run without the lock, for targets that do not touch the build folder.
func open(ctx context.Context, f func(context.Context, pipeline.Project) error) error {
	return openWith(ctx, filepath.Join("build", "log", "bzmage.jsonl"), f)
}

// openWith is open with another log, below the checkout; empty: none.
func openWith(ctx context.Context, log string, f func(context.Context, pipeline.Project) error) error {
	ctx, stop := untilStopped(ctx)
	defer stop()
	p, err := pipeline.Open(".", os.Getenv)
	if log != "" && p.Root != "" {
		log = filepath.Join(p.Root, log)
	} else {
		log = ""
	}
	out, uiErr := ui.New(ui.Options{
		Out: os.Stderr, CI: p.Settings.CI, NoColor: p.Settings.NoColor, File: log,
	})
	if uiErr != nil {
		return exit(nil, uiErr)
	}
	defer out.Close()
	if err != nil {
		return exit(out, err)
	}
	p.UI = out
	return exit(out, f(ctx, p))
}

// untilStopped returns a context that ends with SIGINT, SIGTERM, or with the
// mage that started this program: mage itself passes only Ctrl-C on, and a
// pipeline that stops it would leave the work running.
func untilStopped(ctx context.Context) (context.Context, func()) {
	ctx, stop := signal.NotifyContext(ctx, unix.SIGINT, unix.SIGTERM)
	ctx, cancel := context.WithCancel(ctx)
	if parent, ok := startedByMage(); ok {
		go func() {
			defer unix.Close(parent)
			for {
				n, err := unix.Poll([]unix.PollFd{{Fd: int32(parent), Events: unix.POLLIN}}, 1000)
				if ctx.Err() != nil {
					return
				}
				if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
					cancel()
					return
				}
			}
		}()
	}
	return ctx, func() {
		cancel()
		stop()
	}
}

// startedByMage returns a descriptor of the parent process that becomes
// readable when it ends (pidfd_open(2)), if the parent is mage.
func startedByMage() (pidfd int, ok bool) {
	ppid := os.Getppid()
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", ppid))
	if err != nil || strings.TrimSpace(string(comm)) != "mage" {
		return -1, false
	}
	fd, err := unix.PidfdOpen(ppid, 0)
	return fd, err == nil
}

// exit says what went wrong and returns the error for mage, which carries the
// exit code and must be returned as it is.
func exit(out *ui.UI, err error) error {
	if err == nil {
		return nil
	}
	kind := fault.KindOf(err)
	text := ""
	for _, r := range fault.Kinds() {
		if r.Kind == kind {
			text = r.Text
		}
	}
	if out == nil {
		return mg.Fatal(kind.Code(), err)
	}
	if kind != fault.Interrupted {
		out.Log.Error(err)
		if hint := fault.HintOf(err); hint != "" {
			out.Log.Info("hint: " + hint)
		}
	}
	return mg.Fatalf(kind.Code(), "exit code %d, %s: %s", kind.Code(), kind, text)
}

// Setup installs what is missing.
func Setup(ctx context.Context) error {
	return run(ctx, func(ctx context.Context, p pipeline.Project) error { return p.Setup(ctx) })
}

// Doctor says whether verify could run here.
func Doctor(ctx context.Context) error {
	return open(ctx, func(ctx context.Context, p pipeline.Project) error { return p.Doctor(ctx, os.Stdout) })
}

// Fetch gets the kernel source and unpacks it.
func Fetch(ctx context.Context) error {
	return run(ctx, func(ctx context.Context, p pipeline.Project) error { return second(p.Fetch(ctx)) })
}

// Patch applies the series.
func Patch(ctx context.Context) error {
	return run(ctx, func(ctx context.Context, p pipeline.Project) error { return second(p.Patch(ctx)) })
}

// Checkpatch looks at the series and prints the table of findings.
func Checkpatch(ctx context.Context) error {
	return run(ctx, func(ctx context.Context, p pipeline.Project) error {
		_, r, err := p.Checkpatch(ctx)
		return errors.Join(err, checkpatch.Table(os.Stdout, r))
	})
}

// Config makes the .config files.
func Config(ctx context.Context) error {
	return run(ctx, func(ctx context.Context, p pipeline.Project) error { return second(p.Config(ctx)) })
}

// Build compiles the kernels.
func Build(ctx context.Context) error {
	return run(ctx, func(ctx context.Context, p pipeline.Project) error { return second(p.Build(ctx)) })
}

// Verify boots the kernels and prints the table of verdicts; with force it
// boots what has a verdict, too.
func Verify(ctx context.Context, force *bool) error {
	return run(ctx, func(ctx context.Context, p pipeline.Project) error {
		p.Terminal = os.Stdin
		p.Force = force != nil && *force
		r, err := p.Verify(ctx)
		if len(r.Verdicts) > 0 {
			err = errors.Join(err, report.Table(os.Stdout, r.Verdicts), report.Coverage(os.Stdout, r.Verdicts))
		}
		return err
	})
}

// Demo streams procrand from a guest.
func Demo(ctx context.Context) error {
	return run(ctx, func(ctx context.Context, p pipeline.Project) error { return p.Demo(ctx, os.Stdout) })
}

// Test runs all tests, those on real kernels included.
func Test(ctx context.Context) error {
	return open(ctx, func(ctx context.Context, p pipeline.Project) error { return p.Test(ctx) })
}

// TestSlow runs the tests that CI has no time for.
func TestSlow(ctx context.Context) error {
	return open(ctx, func(ctx context.Context, p pipeline.Project) error { return p.TestSlow(ctx) })
}

// Lint looks at the Go code.
func Lint(ctx context.Context) error {
	return open(ctx, func(ctx context.Context, p pipeline.Project) error { return p.Lint(ctx) })
}

// Clean removes the build folder.
func Clean(ctx context.Context) error {
	return run(ctx, func(ctx context.Context, p pipeline.Project) error { return p.Clean(ctx) })
}

func second[T any](_ T, err error) error { return err }
