// Package guest is what process 1 of the guest does: it mounts what the
// checks need, runs them, streams their events to the host, and stops the
// machine. In go the parameters on the kernel's command line
// ([event.Params]); out comes a stream of records on the virtio-serial port
// named [event.Port].
//
// The checks run in a process of their own, the same binary once more, piped
// through Go's own test2json:
//
//	checks -> process 1 -> test2json -> process 1 -> port
//
// so that a check that panics, is killed, floods its output or leaves a
// process behind ends with a record of it and not with the kernel's "Attempted
// to kill init". Whatever happens, the machine stops: an error of this package
// goes to the console and into the last record.
//
// This package starts programs by itself and not with bzmage's runner: as
// process 1 it has to reap every process there is, and a second waiter would
// be in the way (see children).
package guest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"bzmage/internal/event"
)

// Env is set in the environment of the checks when they run in the guest.
const Env = "BZMAGE_GUEST"

// Where things are in the initramfs.
const (
	InitPath     = "/init"
	ProcrandPath = "/bin/procrand"
	Test2JSON    = "/bin/test2json"
	ShellPath    = "/bin/sh" // there for VERIFY_SHELL only
	WorkDir      = "/verify" // where the checks run, as `go test` runs them in their folder
)

// Main is the main function of process 1. It never returns.
func Main() {
	g := newGuest(linux{}, os.Stderr)
	signal.Notify(make(chan os.Signal, 1), deadly()...)
	if withCgo {
		g.say("this /init was built with cgo and may need a C library; build it with CGO_ENABLED=0")
	} else {
		g.live()
	}
	g.say("stop the machine: %v", g.kernel.Restart())
	// Not reached, unless the kernel cannot restart: its own end of process 1
	// is a panic, which stops the machine as well.
	os.Exit(1)
}

// deadly returns the signals that end a Go program which does not handle them,
// and would end process 1, as the kernel protects it only from those it has no
// handler for. Ignoring them would be inherited by the programs it starts.
func deadly() []os.Signal {
	return []os.Signal{
		syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGILL, syscall.SIGTRAP, syscall.SIGABRT, syscall.SIGBUS,
		syscall.SIGFPE, syscall.SIGSEGV, syscall.SIGSYS, syscall.SIGSTKFLT, syscall.SIGTERM,
	}
}

// kernel is what the guest asks of the kernel and a test on a host cannot.
type kernel interface {
	Mount(m mount) error
	Hello() (event.Hello, error)            // all but the command line
	OpenPort(path string) (*os.File, error) // for writing
	Uptime() time.Duration                  // since the kernel began
	Restart() error                         // writes everything back; returns only with an error
	ScanLeaks(path string) error            // by kmemleak's file
	LoadModule(path string) error
}

// guest is the state of process 1. The fields but kernel and children are
// what tests set otherwise.
type guest struct {
	kernel   kernel
	children *children
	console  io.Writer
	root     string // put before paths in /proc, /sys and /dev

	checks    []string // programs, with their first arguments
	converter []string
	demo      []string
	workDir   string

	tick     time.Duration // between two heartbeats
	grace    time.Duration // for what should end at once
	portWait time.Duration // for the port to get its name
	leakAge  time.Duration // from the end of the checks to when kmemleak speaks of what they left
}

func newGuest(k kernel, console io.Writer) *guest {
	return &guest{
		kernel: k, console: console, children: newChildren(),
		checks:    []string{InitPath, "-test.v=test2json", "-test.paniconexit0"},
		converter: []string{Test2JSON, "-t", "-p", event.Package},
		demo:      []string{ProcrandPath, "1"},
		workDir:   WorkDir,
		tick:      time.Second, grace: 10 * time.Second, portWait: 10 * time.Second,
		leakAge: kmemleakAge,
	}
}

// say prints a line on the console.
func (g *guest) say(format string, args ...any) {
	fmt.Fprintf(g.console, "bzmage: "+format+"\n", args...)
}

// live is the guest's life, from the first mount to the last record.
func (g *guest) live() {
	var done event.Done
	params, out, err := g.prepare()
	if err == nil {
		stop := g.beat(out)
		done.Exit, err = g.work(params, out)
		stop()
	}
	if err != nil {
		done.Error = err.Error()
		done.Exit = max(done.Exit, 1)
		g.say("%v", err)
	}
	done.Uptime = g.kernel.Uptime().Seconds()
	if err := out.send(event.Record{Type: event.TypeDone, ID: params.ID, Done: &done}); err != nil {
		g.say("%v", err)
	}
	g.say("done, exit code %d", done.Exit)
	if params.Shell {
		g.say("the shell: %v", g.shell())
	}
}

// prepare mounts, reads the parameters and says hello. The output it returns
// can be used even if there is an error.
func (g *guest) prepare() (event.Params, *output, error) {
	out := &output{}
	if err := g.mountAll(mounts()); err != nil {
		return event.Params{}, out, err
	}
	text, err := os.ReadFile(g.root + "/proc/cmdline")
	if err != nil {
		return event.Params{}, out, err
	}
	params, paramErr := event.ParseCmdline(string(text))
	hello, helloErr := g.kernel.Hello()
	hello.Cmdline = strings.TrimSpace(string(text))

	port, portErr := g.openPort(event.Port, g.portWait)
	if params.Mode == event.ModeDemo && errors.Is(portErr, errNoPort) {
		portErr = nil // nobody needs to listen to a demo
	}
	if port == nil {
		return params, out, errors.Join(paramErr, helloErr, portErr)
	}
	out.w = event.NewWriter(port)
	sendErr := out.send(event.Record{Type: event.TypeHello, ID: params.ID, Hello: &hello})
	return params, out, errors.Join(paramErr, helloErr, portErr, sendErr)
}

// work does what the mode asks for. A bug in here must not take the machine
// down without a record.
func (g *guest) work(p event.Params, out *output) (exit int, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in process 1: %v", r)
		}
	}()
	if p.Mode == event.ModeDemo {
		return g.runDemo()
	}
	if p.Timeout == 0 {
		p.Timeout = event.DefaultTimeout
	}
	// A guest that is slow with its checks is slow with all else.
	g.grace = max(g.grace, p.Timeout/80)
	// If even a write to the port never returns, this still stops the machine.
	last := time.AfterFunc(time.Duration(max(1, p.Count))*p.Timeout+6*g.grace, func() {
		g.say("the checks are stuck")
		g.say("stop the machine: %v", g.kernel.Restart())
	})
	defer last.Stop()
	if err := g.loadModules(); err != nil {
		return 1, err
	}
	if p.Mode == event.ModeCoverage {
		exit, err = g.runMeasured(p, out)
	} else {
		exit, err = g.rounds(p, out)
	}
	if errors.Is(err, errStuck) {
		return exit, err // they still hold what they use
	}
	// The checks may have used up their time; a scan is slow where they are.
	last.Reset(max(6*g.grace, p.Timeout/8))
	leaks, leakErr := g.kmemleak(out)
	return max(exit, leaks), errors.Join(err, leakErr)
}

// beat sends a tick at each interval until the function it returns is called.
func (g *guest) beat(out *output) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(g.tick)
		defer t.Stop()
		for {
			select {
			case <-end:
				return
			case <-t.C:
				// An error stays with the writer and is seen at the end.
				_ = out.send(event.Record{Type: event.TypeTick})
				g.children.reap() // should a signal have been missed
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}

// runDemo prints the rand values of process 1 until the host has seen enough
// and ends the machine.
func (g *guest) runDemo() (int, error) {
	to := os.Stderr // the console
	if port, err := g.openPort(event.DemoPort, g.portWait); err == nil {
		defer port.Close()
		to = port
	} else if !errors.Is(err, errNoPort) {
		return 0, err
	}
	pid, ended, err := g.children.start(g.demo, process{dir: "/", stdout: to, stderr: os.Stderr})
	if err != nil {
		return 0, err
	}
	exit, err := outcome(g.demo[0], <-ended)
	return exit, errors.Join(err, fmt.Errorf("the demo, process %d, ended with exit code %d", pid, exit))
}

// output is where records go, which is nowhere as long as there is no port.
type output struct{ w *event.Writer }

func (o *output) send(r event.Record) error {
	if o.w == nil {
		return nil
	}
	return o.w.Send(r)
}

// outcome turns the status of a program that ended into an exit code, as a
// shell does it; a signal is an error, too.
func outcome(name string, ws syscall.WaitStatus) (int, error) {
	if !ws.Signaled() {
		return ws.ExitStatus(), nil
	}
	sig := ws.Signal()
	return 128 + int(sig), errors.New(filepath.Base(name) + " was killed by signal " + strconv.Itoa(int(sig)) + " (" + sig.String() + ")")
}
