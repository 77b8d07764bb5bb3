package boot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"bzmage/internal/console"
	"bzmage/internal/event"
	"bzmage/internal/fault"
	"bzmage/internal/plain"
	"bzmage/internal/qemu"
	"bzmage/internal/run"
)

// DemoParams is a boot without checks.
type DemoParams struct {
	Machine qemu.Machine // Ports are set here
	Limits  Limits       // but for Total
	Console string       // file for the console
	Out     io.Writer    // gets what the guest prints
}

// errDemoEnd ends the demo when nobody reads what it prints.
var errDemoEnd = errors.New("output closed")

// Demo boots the machine in its demo mode and copies what its program prints
// to p.Out until ctx ends, which is a success. Control characters from the
// guest are taken out.
func Demo(ctx context.Context, p DemoParams) error {
	p.Limits.Total = 365 * 24 * time.Hour // until somebody ends it
	events, err := newGuest(Params{Limits: p.Limits}, "demo")
	if err != nil {
		return err
	}
	defer events.close()
	output, err := newGuest(Params{}, "demo")
	if err != nil {
		return err
	}
	defer output.close()
	p.Machine.Ports = []string{event.Port, event.DemoPort}
	words, err := event.Params{ID: "demo", Mode: event.ModeDemo}.Words()
	if err != nil {
		return fault.New(fault.Internal, "", "demo: %w", err)
	}
	p.Machine.Append = append(append(words, "quiet"), p.Machine.Append...)
	argv, err := p.Machine.Argv()
	if err != nil {
		return fault.New(fault.Internal, "", "demo: %w", err)
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	wg.Go(events.readEvents)
	wg.Go(func() { events.watch(inner, cancel) })
	wg.Go(func() {
		if err := copyClean(p.Out, output.ours); err != nil {
			cancel(err)
		}
	})
	err = run.Run(inner, run.Cmd{
		Argv: argv, Env: run.Env(), Log: p.Console, Stdout: events, Stderr: &events.stderr,
		ExtraFiles: []*os.File{events.theirs, output.theirs}, Grace: time.Second,
	})
	why := context.Cause(inner)
	cancel(nil)
	events.theirs.Close()
	output.theirs.Close()
	wg.Wait()
	if ctx.Err() != nil || errors.Is(why, errDemoEnd) {
		return nil
	}
	o := events.outcome(err, why)
	if o.Hung != "" {
		return fault.New(fault.Hung, "the whole console: less "+p.Console, "the demo hangs: %s", o.Hung)
	}
	if len(o.Crashes) > 0 {
		return fault.New(fault.Crashed, "the whole console: less "+p.Console, "the demo's kernel crashed: %s", console.Summary(o.Crashes))
	}
	return fault.New(fault.EarlyExit, "the whole console: less "+p.Console, "the demo's machine stopped: %s", brief(firstLine(o.Stderr, fmt.Sprint(err))))
}

// copyClean copies text a piece at a time. It returns errDemoEnd when out does
// not take it any more, and nil when the guest says no more.
func copyClean(out io.Writer, in io.Reader) error {
	buf := make([]byte, 4096)
	for {
		n, err := in.Read(buf)
		if n > 0 {
			if _, err := io.WriteString(out, plain.Text(string(buf[:n]))); err != nil {
				return errDemoEnd
			}
		}
		if err != nil {
			return nil
		}
	}
}
