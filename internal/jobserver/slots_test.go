package jobserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bzmage/internal/run"
)

// asMake, set in the environment of this test binary, makes it a client that
// knows of the slots what MAKEFLAGS says, as make 4.4 does: it takes all there
// are, says how many, and gives them back when it was told to.
const asMake = "BZMAGE_TEST_AS_MAKE"

func TestMain(m *testing.M) {
	if os.Getenv(asMake) != "" {
		os.Exit(client(os.Getenv("MAKEFLAGS"), os.Getenv(asMake) == "give"))
	}
	os.Exit(m.Run())
}

func client(flags string, give bool) int {
	_, name, ok := strings.Cut(flags, "--jobserver-auth=fifo:")
	r, err := unix.Open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	w, err2 := unix.Open(name, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if !ok || err != nil || err2 != nil {
		fmt.Println(flags, err, err2)
		return 1
	}
	b := make([]byte, 100)
	n, err := unix.Read(r, b)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Print(n)
	if give {
		_, err = unix.Write(w, b[:n])
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// A make of 4.4 or later finds the pipe by its name, without a descriptor.
func TestByName(t *testing.T) {
	s := newServer(t, 4)
	flags, files := s.Join("GNU Make 4.4")
	if len(files) > 0 {
		t.Fatal("descriptors are passed on")
	}
	err := s.With(t.Context(), func(ctx context.Context) error {
		n, err := run.Output(ctx, run.Cmd{Argv: []string{os.Args[0]}, Env: run.Env(asMake+"=give", "MAKEFLAGS="+flags)})
		if err != nil || n != "3" {
			t.Errorf("a client took %s slots: %v, want 3", n, err)
		}
		return nil
	})
	if n := free(t, s); err != nil || n != 4 {
		t.Errorf("%d slots are free, want 4; %v", n, err)
	}
}

func TestJoin(t *testing.T) {
	s := newServer(t, 2)
	for version, byName := range map[string]bool{
		"GNU Make 4.2.1": false, "GNU Make 4.3": false, "GNU Make 4.4": true, "GNU Make 4.4.1": true,
		"GNU Make 4.10": true, "GNU Make 5.0": true, "": false, "bmake 20240101": false,
	} {
		flags, files := s.Join(version)
		if got := strings.Contains(flags, "=fifo:/proc/"); got != byName || byName != (len(files) == 0) {
			t.Errorf("%q: %s with %d files", version, flags, len(files))
		}
	}
}

// What a client held that was killed comes back when the last slot of this
// process does; until then a slot in use is not taken for a lost one.
func TestLostSlotsComeBack(t *testing.T) {
	s := newServer(t, 4)
	flags, _ := s.Join("GNU Make 4.4")
	take := run.Cmd{Argv: []string{os.Args[0]}, Env: run.Env(asMake+"=keep", "MAKEFLAGS="+flags)}
	err := s.With(t.Context(), func(ctx context.Context) error {
		err := s.With(t.Context(), func(ctx context.Context) error {
			n, err := run.Output(ctx, take)
			if n != "2" {
				t.Errorf("the client took %s slots, want 2", n)
			}
			return err
		})
		if n := free(t, s); n != 1 {
			t.Errorf("%d slots are free while one is in use and two are lost, want 1", n)
		}
		return err
	})
	if n := free(t, s); err != nil || n != 4 {
		t.Errorf("%d slots are free, want 4; %v", n, err)
	}
}

// A make that is killed with all it started does not stop its neighbour, nor
// one that waits for a slot; a compiler that is killed costs no slot. In the
// end all are free.
func TestKilledMakes(t *testing.T) {
	needMake(t)
	const rules = `
all: 1 2 3 4 5 6
1 2 3 4 5 6:
	@test -n "$(DIE)" && kill -9 $$$$ || sleep 0.05
dies: last
	@kill -9 $$PPID
last: 1 2 3
hangs:
	@kill -9 $$PPID; sleep 100
`
	for _, jobs := range []int{1, 2, 8} {
		s := newServer(t, jobs)
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "Makefile"), []byte(rules), 0o644); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for name, args := range map[string][]string{
			"good": {"all"}, "dies": {"dies", "hangs"}, "compiler": {"-k", "all", "DIE=1"}, "late": {"all"},
		} {
			wg.Go(func() {
				if err := runMake(t, s, dir, name, args...); (err == nil) != (args[0] == "all") {
					t.Errorf("%d jobs: %s: %v", jobs, name, err)
				}
			})
		}
		wg.Wait()
		if n := free(t, s); n != jobs {
			t.Errorf("%d of %d slots are free at the end", n, jobs)
		}
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	s := newServer(t, 1)
	err := s.With(t.Context(), func(context.Context) error {
		var wg sync.WaitGroup
		for range 3 { // one reads, the others wait for their turn
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
				defer cancel()
				err := s.With(ctx, func(context.Context) error { return errors.New("ran without a slot") })
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want the deadline", err)
				}
			})
		}
		wg.Wait()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// The slot is free again for the next one.
	if err := s.With(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
}

// Whoever has a slot does not wait for another, so one is enough for all.
func TestOneSlotIsEnough(t *testing.T) {
	s := newServer(t, 1)
	ran := 0
	err := s.With(t.Context(), func(ctx context.Context) error {
		err := s.With(ctx, func(context.Context) error { ran++; return nil })
		done := s.Beside(ctx, func(ctx context.Context) error {
			return s.With(ctx, func(context.Context) error { ran++; return nil })
		})
		if ran != 2 {
			t.Error("what found no free slot was not run at once")
		}
		return errors.Join(err, done())
	})
	if err != nil || free(t, s) != 1 {
		t.Errorf("%d slots are free: %v", free(t, s), err)
	}
	var none *Server
	sum := none.With(t.Context(), func(ctx context.Context) error {
		return none.Beside(ctx, func(context.Context) error { return errors.New("mine") })()
	})
	if sum == nil || sum.Error() != "mine" || none.Jobs() != 1 {
		t.Errorf("without slots: %v", sum)
	}
}

// What runs beside its caller has a slot of its own, and gives it back.
func TestBeside(t *testing.T) {
	s := newServer(t, 2)
	err := s.With(t.Context(), func(ctx context.Context) error {
		both := make(chan struct{})
		done := s.Beside(ctx, func(ctx context.Context) error {
			<-both // only who runs beside gets here while the caller goes on
			return s.With(ctx, func(context.Context) error { return errors.New("mine") })
		})
		if n := free(t, s); n != 0 {
			t.Errorf("%d slots are free, want none", n)
		}
		close(both)
		return done()
	})
	if n := free(t, s); n != 2 || err == nil || err.Error() != "mine" {
		t.Errorf("%d slots are free, %v", n, err)
	}
}

// Never do more work than there are slots, whatever is given up meanwhile.
func TestNeverMoreThanAsked(t *testing.T) {
	const jobs = 3
	s := newServer(t, jobs)
	var now, most atomic.Int32
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i%7)*time.Millisecond)
			defer cancel()
			_ = s.With(ctx, func(context.Context) error {
				n := now.Add(1)
				for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
				}
				time.Sleep(time.Millisecond)
				now.Add(-1)
				return nil
			})
		})
	}
	wg.Wait()
	if most.Load() > jobs || free(t, s) != jobs {
		t.Errorf("%d ran at once, and %d slots are free at the end", most.Load(), free(t, s))
	}
}
