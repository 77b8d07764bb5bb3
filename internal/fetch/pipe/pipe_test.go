package pipe

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"bzmage/internal/run"
)

func sh(script string) run.Cmd {
	return run.Cmd{Argv: []string{"sh", "-c", script}, Env: run.Env()}
}

func TestRead(t *testing.T) {
	var got string
	err := Read(t.Context(), sh("echo one; echo two"), func(r io.Reader) error {
		b, err := io.ReadAll(r)
		got = string(b)
		return err
	})
	if err != nil || got != "one\ntwo\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

// More than any pipe holds is left unread, and the command still ends well.
func TestReadLeavesTheRest(t *testing.T) {
	err := Read(t.Context(), sh("head -c 8000000 /dev/zero; echo end >&2"), func(r io.Reader) error {
		_, err := r.Read(make([]byte, 10))
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestCommandFails(t *testing.T) {
	err := Read(t.Context(), sh("echo half; printf '\\001\\002'; echo first >&2; echo 'the reason' >&2; exit 3"), func(r io.Reader) error {
		_, _ = io.Copy(io.Discard, r)
		return io.ErrUnexpectedEOF
	})
	var e *Error
	var exit *run.ExitError
	if !errors.As(err, &e) || err.Error() != "sh: the reason" || !errors.As(err, &exit) || exit.Code != 3 {
		t.Errorf("got %v", err)
	}
}

// A reader that gives up stops a command that would never end.
func TestReaderFails(t *testing.T) {
	refused := errors.New("refused")
	start := time.Now()
	err := Read(t.Context(), sh("exec cat /dev/zero"), func(r io.Reader) error {
		_, _ = io.CopyN(io.Discard, r, 5<<20)
		return refused
	})
	if !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := Read(ctx, sh("echo; exec sleep 1000"), func(r io.Reader) error {
		cancel()
		_, err := io.Copy(io.Discard, r)
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestNotFound(t *testing.T) {
	err := Read(t.Context(), run.Cmd{Argv: []string{"no-such-program"}}, func(r io.Reader) error {
		return errors.Join(errors.New("nothing"), func() error { _, err := io.ReadAll(r); return err }())
	})
	var start *run.StartError
	if !errors.As(err, &start) || strings.Contains(err.Error(), "nothing") {
		t.Errorf("got %v", err)
	}
}
