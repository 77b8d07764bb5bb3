package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"bzmage/internal/fault"
	"bzmage/internal/plain"
	"bzmage/internal/run"
)

// git runs git in the top folder of one checkout.
type git struct {
	root string // absolute, without symbolic links
	env  []string
}

// settings of a person's or a repository's that would change what git says.
// They are given as git-config(1) has it, GIT_CONFIG_COUNT.
func settings() [][2]string {
	return [][2]string{
		{"core.excludesFile", "/dev/null"},   // a person's own list of what is ignored
		{"core.attributesFile", "/dev/null"}, // and of what is converted
		{"core.fsmonitor", "false"},          // a program of the repository's
		{"core.hooksPath", "/dev/null"},
		{"core.quotePath", "false"},
		{"color.ui", "never"},
	}
}

// open finds the repository of the folder root, which must be its top.
//
// The environment is bzmage's own: GIT_DIR and its like lead nowhere, the
// system's and the person's configs are not read, replaced objects are not
// looked at, and nothing is written. Only safe.directory is taken from those
// configs: it says that a person trusts a checkout that belongs to somebody
// else, as it does where a CI runner's container runs as root.
func open(ctx context.Context, root string) (*git, error) {
	top, err := filepath.Abs(root)
	if err == nil {
		top, err = filepath.EvalSymlinks(top)
	}
	if err != nil {
		return nil, fault.New(fault.Usage, "run mage in the top folder of a checkout", "open the checkout: %w", err)
	}
	trusted, err := safe(ctx)
	if err != nil {
		return nil, err
	}
	set := settings()
	for _, dir := range trusted {
		set = append(set, [2]string{"safe.directory", dir})
	}
	env := []string{"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CEILING_DIRECTORIES=" + filepath.Dir(top), "SUDO_UID",
		"GIT_OPTIONAL_LOCKS=0", "GIT_NO_REPLACE_OBJECTS=1", "GIT_NO_LAZY_FETCH=1", "GIT_TERMINAL_PROMPT=0", "GIT_LITERAL_PATHSPECS=1",
		"GIT_CONFIG_COUNT=" + strconv.Itoa(len(set))}
	for i, kv := range set {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, kv[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, kv[1]))
	}
	g := &git{root: top, env: run.Env(env...)}
	inside, err := g.line(ctx, "rev-parse", "--is-inside-work-tree")
	if err != nil {
		return nil, err
	}
	if inside != "true" {
		return nil, fault.New(fault.Usage, "run mage in the top folder of a checkout", "%s is a repository of git without a checkout", root)
	}
	return g, nil
}

// safe returns the values of safe.directory in the system's and the person's
// configs. git reads them there only.
func safe(ctx context.Context) ([]string, error) {
	var out limited
	err := run.Run(ctx, run.Cmd{Argv: []string{"git", "config", "--null", "--get-all", "safe.directory"}, Dir: "/",
		Env: run.Env("XDG_CONFIG_HOME", "GIT_CONFIG_*"), Stdout: out.limit(1 << 20)})
	var exit *run.ExitError
	if errors.As(err, &exit) && exit.Code == 1 {
		return nil, nil // there is none
	}
	if err != nil {
		return nil, explain(err, "/")
	}
	return fields(out.String()), nil
}

// output returns what git prints, of which no more than limit bytes are kept,
// and whether that is all.
func (g *git) output(ctx context.Context, limit int, stdin io.Reader, args ...string) (string, bool, error) {
	var out limited
	err := run.Run(ctx, run.Cmd{Argv: append([]string{"git", "--no-pager"}, args...), Dir: g.root, Env: g.env, Stdin: stdin, Stdout: out.limit(limit)})
	if err != nil {
		return "", false, explain(err, g.root)
	}
	return out.String(), !out.cut, nil
}

// line returns what git prints, without the last newline.
func (g *git) line(ctx context.Context, args ...string) (string, error) {
	out, whole, err := g.output(ctx, maxOutput, nil, args...)
	if err == nil && !whole {
		err = fmt.Errorf("git %s prints more than %d MiB", args[0], maxOutput>>20)
	}
	return strings.TrimSuffix(out, "\n"), err
}

// maybe returns what git prints, or "" where it ends with code 1: there is
// nothing to print.
func (g *git) maybe(ctx context.Context, args ...string) (string, error) {
	out, err := g.line(ctx, args...)
	var exit *run.ExitError
	if errors.As(err, &exit) && exit.Code == 1 {
		return "", nil
	}
	return out, err
}

// explain says whose fault an error of git's is, and what to do about it.
func explain(err error, root string) error {
	var exit *run.ExitError
	if !errors.As(err, &exit) {
		hint := ""
		if errors.Is(err, exec.ErrNotFound) {
			hint = "install git"
		}
		return fault.New(fault.Machine, hint, "ask git: %w", err)
	}
	said := strings.Join(exit.Tail, "\n")
	switch {
	case strings.Contains(said, "dubious ownership") || strings.Contains(said, "unsafe repository"):
		return fault.New(fault.Usage, "git config --global --add safe.directory "+run.Quote(root),
			"the checkout %s belongs to another user, and git reads it only if you say that you trust it: %w", root, err)
	case strings.Contains(said, "not a git repository"):
		return fault.New(fault.Usage, "run mage in the top folder of a git clone; an unpacked archive does not know its commit",
			"%s is not the top folder of a git checkout: %w", root, err)
	}
	return fault.New(fault.Usage, "git fsck tells whether the checkout is whole", "ask git: %w", err)
}

// limited keeps the beginning of what is written.
type limited struct {
	bytes.Buffer
	room int
	cut  bool
}

func (l *limited) limit(n int) io.Writer {
	l.room = n
	return writerFunc(l.keep)
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func (l *limited) keep(p []byte) (int, error) {
	n := min(len(p), l.room-l.Len())
	l.cut = l.cut || n < len(p)
	l.Buffer.Write(p[:n])
	return len(p), nil
}

// fields splits what git prints with -z. What follows the last NUL was cut.
func fields(s string) []string {
	list := strings.Split(s, "\x00")
	return list[:len(list)-1]
}

// word returns s fit for a message.
func word(s string) string { return strconv.Quote(plain.Line(s, 200)) }
