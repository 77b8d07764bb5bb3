package farm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"bzmage/internal/run"
)

// probe is compiled on each node and here. Its bytes show the compiler's
// version (.comment), its optimizer, and that a name stays what it is.
const probe = `struct list { struct list *next; long value; };
static int calls;
long sum(struct list *l, long (*f)(long))
{
	long n = 0;
	for (; l; l = l->next)
		n += l->value > 7 ? f(l->value / 10) : l->value << 3;
	calls++;
	return n;
}
const char *where(void) { return __FILE__; }
int count(void) { return calls; }
`

// patience is how long a node may take for the probe; of icecream, which
// takes a compiler in before it compiles, more.
const (
	patience     = 15 * time.Second
	morePatience = 90 * time.Second
)

// Check has a node of distcc compile a probe by each compiler, and compares
// the object with the one made here. The error says what is wrong with the
// node. dir is a folder of ours.
func Check(ctx context.Context, node string, compilers []Compiler, dir string) error {
	one := Farm{Kind: Distcc, Nodes: []string{node}}
	return compare(ctx, patience, compilers, dir, func(ctx context.Context, c Compiler, dir string) error {
		log := filepath.Join(dir, c.Name+".log")
		env := append(one.Env(dir, log), "DISTCC_FALLBACK=0", "DISTCC_SKIP_LOCAL_RETRY=1")
		if err := object(ctx, dir, "far.o", c, env, one.Client(), c.Far()); err != nil {
			return fmt.Errorf("it does not compile with %s: %w", c.Far(), reason(log, err))
		}
		return nil
	})
}

// CheckMember does the same with a machine that icecream's scheduler knows,
// by its address; without one, with the machine the scheduler chooses, which
// may be this one. The compilers come from [Pack].
func (f Farm) CheckMember(ctx context.Context, addr string, compilers []Compiler, dir string) error {
	return compare(ctx, morePatience, compilers, dir, func(ctx context.Context, c Compiler, dir string) error {
		log := filepath.Join(dir, c.Name+".log")
		env := append(f.Env(dir, log), "ICECC_VERSION="+c.Sent)
		if addr != "" {
			env = append(env, "ICECC_PREFERRED_HOST="+addr)
		}
		if err := object(ctx, dir, "far.o", c, env, f.Client(), c.Far()); err != nil {
			return fmt.Errorf("it does not compile with %s: %w", c.Far(), err)
		}
		stats, err := f.ReadLog(log)
		switch {
		case err != nil:
			return err
		case stats.Local > 0:
			return fmt.Errorf("the probe for %s was compiled here after all: %w", c.Name, reason(log, errors.New("icecc does not say why")))
		case addr != "" && stats.Nodes[addr] == 0:
			return errors.New("the probe did not come there: either this machine's iceccd does not know that scheduler, or the node takes no jobs of others")
		}
		return nil
	})
}

// compare has the probe compiled here, and by send into far.o of a folder.
func compare(ctx context.Context, limit time.Duration, compilers []Compiler, dir string, send func(context.Context, Compiler, string) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer for %s", limit))
	defer cancel()
	dir, err := os.MkdirTemp(dir, "probe-")
	if err != nil {
		return fmt.Errorf("probe a node: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "probe.c"), []byte(probe), 0o644); err != nil {
		return fmt.Errorf("probe a node: %w", err)
	}
	for _, c := range compilers {
		if err := object(ctx, dir, "near.o", c, nil, c.Path); err != nil {
			return fmt.Errorf("%s does not compile the probe on this machine: %w", c.Name, err)
		}
		if err := send(ctx, c, dir); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
		near, err := os.ReadFile(filepath.Join(dir, "near.o"))
		far, err2 := os.ReadFile(filepath.Join(dir, "far.o"))
		if err := errors.Join(err, err2); err != nil {
			return fmt.Errorf("probe a node: %w", err)
		}
		if !bytes.Equal(near, far) {
			return fmt.Errorf("its %s is another one: the same file comes to other bytes there", c.Far())
		}
	}
	return nil
}

// object compiles the probe, by argv and the compiler's options.
func object(ctx context.Context, dir, name string, c Compiler, env []string, argv ...string) error {
	env = append([]string{"CCACHE_DISABLE=1", "PATH=" + filepath.Dir(c.Path) + ":" + os.Getenv("PATH")}, env...)
	return run.Run(ctx, run.Cmd{Argv: append(argv, "-O2", "-c", "probe.c", "-o", name), Dir: dir, Env: run.Env(env...)})
}

// reReason is what the clients say of a failure.
var reReason = regexp.MustCompile(`ERROR: (.*)|ICECC\[\d+\] [0-9-]{10} [0-9:]{8}: (?:got exception (.*)|local build forced by remote exception: (.*)|(no local daemon found)|(can't read environment .*))`)

// reason returns what the client's log says of a failure, else err.
func reason(log string, err error) error {
	text, readErr := os.ReadFile(log)
	if readErr != nil {
		return err
	}
	if m := reReason.FindSubmatch(text); m != nil {
		return errors.New(string(bytes.TrimSpace(bytes.Join(m[1:], nil))))
	}
	return err
}
