// Package ui is what a person or a pipeline sees: messages through logrus,
// one live line on a terminal, and a JSON copy of all messages in a file.
//
// The rules: results go to standard output, everything else to standard
// error. On a terminal messages are short and coloured, and the live line is
// redrawn in place. Elsewhere each message is a plain line, and progress is
// such a line every few seconds. The file gets every message, those of level
// debug too, and no progress.
package ui

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/term"

	"bzmage/internal/fault"
	"bzmage/internal/plain"
)

// calm is the pace of progress lines where there is no terminal; redraw the
// pace on one.
const (
	calm   = 10 * time.Second
	redraw = 100 * time.Millisecond
)

// UI is the output of one run.
type UI struct {
	Log *logrus.Logger

	mu    sync.Mutex
	out   io.Writer
	tty   bool
	width func() int
	pace  time.Duration
	live  map[string]string // name of the work: what it does now
	drawn bool
	last  map[string]time.Time
	file  *os.File
}

// Options say how to write.
type Options struct {
	Out     *os.File // standard error
	CI      bool     // plain lines even on a terminal
	NoColor bool
	File    string // the JSON copy; empty: none
}

// New returns the output of a run. Close it at the end.
func New(o Options) (*UI, error) {
	tty := !o.CI && term.IsTerminal(int(o.Out.Fd())) && os.Getenv("TERM") != "dumb"
	u := &UI{out: o.Out, tty: tty, pace: calm, live: map[string]string{}, last: map[string]time.Time{}}
	if tty {
		u.pace = redraw
	}
	u.width = func() int {
		if w, _, err := term.GetSize(int(o.Out.Fd())); err == nil && w > 0 {
			return w
		}
		return 80
	}
	u.Log = logrus.New()
	u.Log.SetOutput(u)
	u.Log.SetLevel(logrus.DebugLevel)
	u.Log.SetFormatter(&lineFormatter{color: tty && !o.NoColor})
	if o.File == "" {
		return u, nil
	}
	if err := os.MkdirAll(filepath.Dir(o.File), 0o755); err != nil {
		return nil, fault.New(fault.Machine, "make the folder writable", "keep a log: %w", err)
	}
	f, err := os.OpenFile(o.File, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fault.New(fault.Machine, "make the file writable", "keep a log: %w", err)
	}
	u.file = f
	u.Log.AddHook(&fileHook{f})
	return u, nil
}

// Close takes the live line away and closes the file.
func (u *UI) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.erase()
	clear(u.live)
	if u.file == nil {
		return nil
	}
	return u.file.Close()
}

// Write is where logrus writes: above the live line.
func (u *UI) Write(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.erase()
	n, err := u.out.Write(p)
	u.draw()
	return n, err
}

// Progress shows what the work called name does now; an empty text ends it.
// It may be called as often as one likes.
func (u *UI) Progress(name, text string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if text == "" {
		delete(u.live, name)
		delete(u.last, name)
		u.erase()
		u.draw()
		return
	}
	first := u.live[name] == ""
	u.live[name] = text
	if first && !u.tty {
		u.last[name] = time.Now() // say nothing of what ends at once
		return
	}
	key := name
	if u.tty {
		key = "" // one line, one pace
	}
	if time.Since(u.last[key]) < u.pace {
		return
	}
	u.last[key] = time.Now()
	if u.tty {
		u.erase()
		u.draw()
		return
	}
	fmt.Fprintf(u.out, "... %s: %s\n", name, text)
}

func (u *UI) erase() {
	if u.drawn {
		fmt.Fprint(u.out, "\r\x1b[K")
		u.drawn = false
	}
}

func (u *UI) draw() {
	if !u.tty || len(u.live) == 0 {
		return
	}
	var parts []string
	for name, text := range u.live {
		parts = append(parts, name+": "+text)
	}
	slices.Sort(parts)
	line := []rune(strings.Join(parts, " | "))
	if w := u.width() - 1; len(line) > w {
		line = line[:w]
	}
	fmt.Fprint(u.out, string(line))
	u.drawn = true
}

// lineFormatter writes "info" messages bare and others with their level, and
// fields behind them.
type lineFormatter struct{ color bool }

// Format implements [logrus.Formatter].
func (f *lineFormatter) Format(e *logrus.Entry) ([]byte, error) {
	if e.Level == logrus.DebugLevel {
		return nil, nil // for the file
	}
	var b strings.Builder
	if e.Level != logrus.InfoLevel {
		level := e.Level.String()
		if code := map[logrus.Level]string{logrus.ErrorLevel: "31;1", logrus.WarnLevel: "33"}[e.Level]; f.color && code != "" {
			level = "\x1b[" + code + "m" + level + "\x1b[0m"
		}
		b.WriteString(level + ": ")
	}
	b.WriteString(plain.Text(e.Message))
	names := make([]string, 0, len(e.Data))
	for n := range e.Data {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		fmt.Fprintf(&b, " %s=%s", n, plain.Text(fmt.Sprint(e.Data[n])))
	}
	b.WriteByte('\n')
	return []byte(b.String()), nil
}

// fileHook copies each message to the file as one JSON object a line.
type fileHook struct{ f *os.File }

// Levels implements [logrus.Hook].
func (h *fileHook) Levels() []logrus.Level { return logrus.AllLevels }

// Fire implements [logrus.Hook].
func (h *fileHook) Fire(e *logrus.Entry) error {
	line, err := (&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano}).Format(e)
	if err != nil {
		return err
	}
	_, err = h.f.Write(line)
	return err
}

// Terminal says whether a person watches the run.
func (u *UI) Terminal() bool { return u.tty }
