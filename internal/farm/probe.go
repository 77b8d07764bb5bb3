package farm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// patience is how long a node may take for the probe.
const patience = 15 * time.Second

// Check has a node of distcc compile a probe by each compiler, and compares
// the object with the one made here. The error says what is wrong with the
// node. dir is a folder of ours.
func Check(ctx context.Context, node string, compilers []Compiler, dir string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no answer for %s", patience))
	defer cancel()
	dir, err := os.MkdirTemp(dir, "probe-")
	if err != nil {
		return fmt.Errorf("probe a node: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "probe.c"), []byte(probe), 0o644); err != nil {
		return fmt.Errorf("probe a node: %w", err)
	}
	one := Farm{Kind: Distcc, Nodes: []string{node}}
	for _, c := range compilers {
		log := filepath.Join(dir, c.Name+".log")
		env := append(one.Env(dir, log), "DISTCC_FALLBACK=0", "DISTCC_SKIP_LOCAL_RETRY=1", "CCACHE_DISABLE=1",
			"PATH="+filepath.Dir(c.Path)+":"+os.Getenv("PATH"))
		if err := object(ctx, dir, "near.o", env, c.Path); err != nil {
			return fmt.Errorf("%s does not compile the probe on this machine: %w", c.Name, err)
		}
		if err := object(ctx, dir, "far.o", env, one.Client(), c.Far()); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("it does not compile with %s: %w", c.Far(), reason(log, err))
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

func object(ctx context.Context, dir, name string, env []string, argv ...string) error {
	return run.Run(ctx, run.Cmd{Argv: append(argv, "-O2", "-c", "probe.c", "-o", name), Dir: dir, Env: run.Env(env...)})
}

// reason returns what distcc's log says of a failure, else err.
func reason(log string, err error) error {
	text, readErr := os.ReadFile(log)
	if readErr != nil {
		return err
	}
	for line := range bytes.Lines(text) {
		if _, why, found := bytes.Cut(line, []byte("ERROR: ")); found {
			return errors.New(string(bytes.TrimSpace(why)))
		}
	}
	return err
}
