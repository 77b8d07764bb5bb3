// Package boot starts a built target in QEMU, runs the checks inside it, and
// concludes a verdict.
//
// In go an image, an initramfs and the names of the checks that must run; out
// comes a [Verdict], which says what was proved about those exact files. The
// guest's records come over a port of their own, the console is read apart
// for crashes, and nothing is believed on an exit code alone.
package boot

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"bzmage/internal/console"
	"bzmage/internal/event"
	"bzmage/internal/fault"
	"bzmage/internal/qemu"
	"bzmage/internal/run"
)

// Limits bound a boot. They differ by accelerator, as emulation is slow.
type Limits struct {
	Silence time.Duration // neither console nor records say anything
	Total   time.Duration // from QEMU's start to its end
	Panic   time.Duration // from a fatal crash to QEMU's end
	Spare   time.Duration // of Total: the boot, and the guest's own patience with the checks
}

// DefaultLimits returns the limits for an accelerator. The guest sends a tick
// each second, so silence means that it does not run any more.
func DefaultLimits(accel string) Limits {
	if accel == qemu.KVM {
		return Limits{Silence: 8 * time.Second, Total: 5 * time.Minute, Panic: time.Second, Spare: 2 * time.Minute}
	}
	return Limits{Silence: 15 * time.Second, Total: 15 * time.Minute, Panic: 2 * time.Second, Spare: 2 * time.Minute}
}

// Scale returns the limits of a guest that may take factor times longer. A
// tick still comes each second, but only where the kernel does not hold the
// CPUs that long.
func (l Limits) Scale(factor float64) Limits {
	by := func(d time.Duration) time.Duration { return time.Duration(float64(d) * factor) }
	return Limits{Silence: by(l.Silence), Total: by(l.Total), Panic: by(l.Panic), Spare: by(l.Spare)}
}

// checks is how long the checks may take, so that the guest itself can say
// which one hangs before the host ends it; 0 leaves it to the guest.
func (l Limits) checks() time.Duration {
	return max(0, l.Total-l.Spare)
}

// Params is one boot.
type Params struct {
	Machine  qemu.Machine // Ports are set here
	Release  string       // uname -r the guest must say
	Expected []string     // checks that must run
	Run      string       // of these only what this selects; see [event.ParseSelection]
	Count    int          // how often they run; 0: once
	Limits   Limits
	Console  string // file for the console
	Shell    *Shell // after the checks; nil: none
	Progress func(text string)
	Coverage bool // the guest runs each check by itself, and measures
}

// Outcome is what happened, before it is judged.
type Outcome struct {
	Events  event.Result
	Crashes []console.Crash
	Tail    []string // last lines of the console
	Ended   error    // why QEMU ended other than by itself with 0; nil if it did
	Hung    string   // the silence or limit that ended it, or empty
	Hello   time.Duration
	Total   time.Duration
	Stderr  string // what QEMU itself complained of
	Started time.Time
	Times   Timeline

	CPUs []CPU // where they were when the guest hung
}

// These end a boot from inside.
var (
	errSilent  = errors.New("silence")
	errTooLong = errors.New("time limit")
	errFlood   = errors.New("flood")
	errCrashed = errors.New("fatal crash")
)

// Run boots the machine and returns what happened. The error is only about
// what keeps a boot from being tried; a kernel that crashes is an outcome.
func Run(ctx context.Context, p Params) (Outcome, error) {
	id, err := newID()
	if err != nil {
		return Outcome{}, err
	}
	scaled := p
	scaled.Limits.Total *= time.Duration(max(1, p.Count))
	g, err := newGuest(scaled, id)
	if err != nil {
		return Outcome{}, err
	}
	defer g.close()
	if g.monitor, err = newMonitor(); err != nil {
		return Outcome{}, err
	}
	defer g.monitor.close()
	p.Machine.Ports, p.Machine.Monitor = []string{event.Port}, true
	words := p.words(id)
	if p.Coverage {
		words.Mode = event.ModeCoverage
		g.state.WantCoverage()
	}
	text, err := words.Words()
	if err != nil {
		return Outcome{}, fault.New(fault.Usage, "correct the line's localversion in configs/kernels.toml", "boot: %w", err)
	}
	p.Machine.Append = append(text, p.Machine.Append...)
	argv, err := p.Machine.Argv()
	if err != nil {
		return Outcome{}, fault.New(fault.Internal, "", "boot: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(p.Console), 0o755); err != nil {
		return Outcome{}, fault.New(fault.Machine, "make "+filepath.Dir(p.Console)+" writable", "keep the console: %w", err)
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var watch, read sync.WaitGroup
	watch.Go(func() { g.watch(inner, cancel) })
	read.Go(g.readEvents)
	stdin, err := g.join(inner, &watch, cancel)
	if err != nil {
		return Outcome{}, err
	}
	err = run.Run(inner, run.Cmd{
		Argv: argv, Env: run.Env(), Stdin: stdin, Log: p.Console, Stdout: g, Stderr: &g.stderr,
		ExtraFiles: []*os.File{g.theirs, g.monitor.theirs}, Grace: time.Second,
	})
	why := context.Cause(inner)
	cancel(nil)
	watch.Wait()
	g.theirs.Close() // the last end but ours: now reading ends
	read.Wait()
	if ctx.Err() != nil {
		return Outcome{}, fmt.Errorf("boot stopped: %w", context.Cause(ctx))
	}
	if g.judged != nil {
		return *g.judged, nil
	}
	return g.outcome(err, why), nil
}

// guest is the host's end of one boot.
type guest struct {
	p      Params
	start  time.Time
	ours   net.Conn
	theirs *os.File
	stderr words
	clock  clock

	heard  atomic.Int64 // time of the last sign of life, ns since start
	spoken atomic.Int64 // bytes of the console
	told   atomic.Int64 // bytes of the records

	mu    sync.Mutex
	con   *console.Reader
	state *event.State
	hello time.Duration
	fatal time.Time

	ended   chan struct{} // closed with the done
	shell   atomic.Bool   // the console is a person's
	judged  *Outcome      // what there was to judge before the shell
	monitor *monitor      // nil: QEMU cannot be asked
	cpus    []CPU
}

func newGuest(p Params, id string) (*guest, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fault.New(fault.Machine, "", "make a socket for the guest: %w", err)
	}
	ours := os.NewFile(uintptr(fds[0]), "guest")
	defer ours.Close() // FileConn has its own copy
	theirs := os.NewFile(uintptr(fds[1]), "host")
	conn, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return nil, fault.New(fault.Machine, "", "make a socket for the guest: %w", err)
	}
	now := time.Now()
	g := &guest{
		p: p, start: now, clock: clock{start: now}, ours: conn, theirs: theirs, ended: make(chan struct{}),
		con: console.NewReader(), state: p.state(id),
	}
	g.stderr.count = &g.spoken
	return g, nil
}

func (g *guest) close() {
	g.ours.Close()
	g.theirs.Close()
}

// Write takes the console's bytes.
func (g *guest) Write(b []byte) (int, error) {
	g.alive()
	if g.shell.Load() {
		return len(b), g.p.Shell.show(b)
	}
	g.spoken.Add(int64(len(b)))
	g.clock.console(b)
	g.mu.Lock()
	defer g.mu.Unlock()
	n, err := g.con.Write(b)
	if g.con.Fatal() && g.fatal.IsZero() {
		g.fatal = time.Now()
	}
	return n, err
}

func (g *guest) alive() { g.heard.Store(int64(time.Since(g.start))) }

// readEvents folds the guest's records until the port is closed.
func (g *guest) readEvents() {
	ended, over := 0, false
	for r := event.NewReader(io.TeeReader(g.ours, signOfLife{g})); ; {
		rec, err := r.Next()
		var bad *event.LineError
		if err != nil && !errors.As(err, &bad) {
			return
		}
		g.mu.Lock()
		if bad != nil {
			g.state.Violate("%v", bad)
		} else {
			g.state.Add(rec)
			g.clock.record(rec)
		}
		if g.state.Ended() && !over {
			over = true
			close(g.ended)
		}
		if g.hello == 0 && g.state.Greeted() {
			g.hello = time.Since(g.start)
		}
		g.mu.Unlock()
		if bad == nil && checkEnded(rec) {
			ended++
		}
		if g.p.Progress != nil {
			g.p.Progress(fmt.Sprintf("%d of %d checks", min(ended, len(g.p.Expected)), len(g.p.Expected)))
		}
	}
}

// checkEnded says whether a record is the end of a whole check.
func checkEnded(rec event.Record) bool {
	if rec.Type != event.TypeTest {
		return false
	}
	e, err := event.ParseTest(rec.Test)
	if err != nil || e.Test == "" || strings.Contains(e.Test, "/") {
		return false
	}
	return e.Action == event.Pass || e.Action == event.Fail || e.Action == event.Skip
}

type signOfLife struct{ g *guest }

func (s signOfLife) Write(b []byte) (int, error) {
	s.g.alive()
	s.g.told.Add(int64(len(b)))
	return len(b), nil
}

// watch ends the boot when the guest is silent, takes too long, or has
// crashed and does not stop.
func (g *guest) watch(ctx context.Context, end context.CancelCauseFunc) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	l := g.p.Limits
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Since(g.start)
		g.mu.Lock()
		fatal := g.fatal
		g.mu.Unlock()
		switch {
		case g.shell.Load():
			return // nobody hurries a person
		case !fatal.IsZero() && time.Since(fatal) > l.Panic:
			end(errCrashed)
		case now-time.Duration(g.heard.Load()) > l.Silence:
			g.askCPUs()
			end(fmt.Errorf("%w: nothing from the guest for %v", errSilent, l.Silence))
		case g.spoken.Load() > maxConsole:
			end(fmt.Errorf("%w: the console printed more than %d MB", errFlood, maxConsole>>20))
		case g.told.Load() > maxRecords:
			end(fmt.Errorf("%w: the guest sent more than %d MB of records", errFlood, maxRecords>>20))
		case now > l.Total:
			g.askCPUs()
			end(fmt.Errorf("%w: not done after %v", errTooLong, l.Total))
		}
	}
}

func (g *guest) outcome(err, why error) Outcome {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.con.Close()
	o := Outcome{
		Events: g.state.Result(), Crashes: g.con.Crashes(), Tail: g.con.Tail(),
		Hello: g.hello, Total: time.Since(g.start), Stderr: g.stderr.String(),
		Started: g.start, Times: g.clock.end(),
	}
	switch {
	case errors.Is(why, errSilent), errors.Is(why, errTooLong), errors.Is(why, errFlood):
		o.Hung, o.CPUs = why.Error(), g.cpus
	case errors.Is(why, errCrashed):
	default:
		o.Ended = err
	}
	return o
}

// newID returns what makes this boot's records tell themselves apart from
// those of any other.
func newID() (string, error) {
	b := make([]byte, 8)
	if _, err := rand.Read(b); err != nil {
		return "", err
	}
	return hex.EncodeToString(b), nil
}
