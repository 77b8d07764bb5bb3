package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bzmage/internal/fault"
)

func TestNeed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	if err := Need(dir, 1); err != nil {
		t.Error(err)
	}
	err := Need(dir, 1<<60)
	if fault.KindOf(err) != fault.Machine || !strings.Contains(fault.HintOf(err), "df -h") {
		t.Errorf("got %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Need(filepath.Join(file, "below"), 1); err == nil {
		t.Error("a folder below a file has room")
	}
}

// /dev/full is a device that is always full.
func TestClassify(t *testing.T) {
	full := os.WriteFile("/dev/full", []byte("x"), 0o644)
	if err := Classify(fmt.Errorf("write it: %w", full), "/x"); fault.KindOf(err) != fault.Machine || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
	other := errors.New("other")
	if got := Classify(other, "/x"); got != other {
		t.Errorf("got %v", got)
	}
	if Classify(nil, "/x") != nil {
		t.Error("no error is one")
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 KiB", 1: "1 KiB", 2 << 20: "2 MiB", 3 << 29: "1.5 GiB"} {
		if got := Size(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
