package key

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSum(t *testing.T) {
	base := Inputs{"a": "1", "b": "2"}
	for name, tt := range map[string]struct {
		stage string
		in    Inputs
		same  bool
	}{
		"the same":            {"s 1", Inputs{"b": "2", "a": "1"}, true},
		"an empty one more":   {"s 1", Inputs{"a": "1", "b": "2", "c": ""}, true},
		"another value":       {"s 1", Inputs{"a": "1", "b": "3"}, false},
		"one less":            {"s 1", Inputs{"a": "1"}, false},
		"one more":            {"s 1", Inputs{"a": "1", "b": "2", "c": "3"}, false},
		"another stage":       {"s 2", base, false},
		"names and values":    {"s 1", Inputs{"a": "1\"\n\"b\"=\"2"}, false},
		"values change place": {"s 1", Inputs{"a": "2", "b": "1"}, false},
	} {
		if same := tt.in.Sum(tt.stage) == base.Sum("s 1"); same != tt.same {
			t.Errorf("%s: the same key %v, want %v", name, same, tt.same)
		}
		if changes := tt.in.Since(base); (len(changes) == 0) != tt.same && tt.stage == "s 1" {
			t.Errorf("%s: %v, and the key is the same: %v", name, changes, tt.same)
		}
	}
}

func TestChanges(t *testing.T) {
	hash := "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	got := Inputs{"gone": "", "kept": "k", "new": "n", "other": hash, "open": Open}.
		Since(Inputs{"gone": "g", "kept": "k", "other": "x", "open": "o"})
	var words []string
	for _, c := range got {
		words = append(words, c.String())
	}
	want := []string{"gone: g -> gone", "new: new, n", "open: made anew first", "other: x -> 01234567"}
	if d := cmp.Diff(want, words); d != "" {
		t.Error(d)
	}
	for _, tt := range []struct {
		changes []Change
		want    bool
	}{{nil, false}, {got, false}, {[]Change{{"a", "b", Open}}, true}, {[]Change{{"a", "b", Open}, {"c", "d", ""}}, false}, {First(), false}} {
		if got := Undecided(tt.changes); got != tt.want {
			t.Errorf("%v: %v", tt.changes, got)
		}
	}
}

func TestFiles(t *testing.T) {
	there := map[string]string{"same": "1", "altered": "3"}
	hash := func(name string) (string, error) {
		if sum, ok := there[name]; ok {
			return sum, nil
		}
		return "", errors.New("not there")
	}
	got := Files(map[string]string{"same": "1", "altered": "2", "deleted": "4"}, hash)
	if d := cmp.Diff([]Change{{"altered", "2", "3"}, {"deleted", "4", ""}}, got); d != "" {
		t.Error(d)
	}
}

const (
	sumOne = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed" // of "one"
	sumTwo = "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3" // of "two"
)

func write(t *testing.T, path, text string, age time.Duration) {
	t.Helper()
	when := time.Now().Add(-age)
	if err := errors.Join(os.WriteFile(path, []byte(text), 0o644), os.Chtimes(path, when, when)); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, h *Hashes, path, sum string) {
	t.Helper()
	if got, err := h.Sum(path); err != nil || got != sum {
		t.Errorf("sum %s %v, want %s", got, err, sum)
	}
}

// settle waits until a file's ctime, which nobody can set, is a tick ago.
func settle(t *testing.T, path string) {
	t.Helper()
	for {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		e, err := stat(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		if e.CTime < time.Now().Add(-2*tick).UnixNano() {
			return
		}
		time.Sleep(tick)
	}
}

// What is remembered is used, by this run and the next, and not longer than
// the file is the same.
func TestHashes(t *testing.T) {
	dir := t.TempDir()
	file, memory := filepath.Join(dir, "file"), filepath.Join(dir, "sub", "hashes.json")
	write(t, file, "one", time.Hour)
	settle(t, file)
	h := NewHashes(memory)
	want(t, h, file, sumOne)
	if err := h.Save(); err != nil {
		t.Fatal(err)
	}
	// A lie in the memory is believed, which shows that it is asked at all...
	next := NewHashes(memory)
	next.load()
	e, ok := next.known[file]
	if !ok {
		t.Fatal("nothing was remembered")
	}
	e.SHA256 = sumTwo
	next.known[file] = e
	want(t, next, file, sumTwo)
	// ...but not by who distrusts it.
	next.Distrust()
	want(t, next, file, sumOne)
	want(t, nil, file, sumOne)

	// A file with another content, of the same size and with the times set
	// back, is another file.
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, "two", 0)
	if err := os.Chtimes(file, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	want(t, NewHashes(memory), file, sumTwo)
	if err := os.WriteFile(memory, []byte("{damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	want(t, NewHashes(memory), file, sumTwo)
	if _, err := h.Sum(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// A file that was changed just now is not remembered: its times may not show
// the next change.
func TestHashesOfAFileJustWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	h := NewHashes(file + ".json")
	ahead := time.Now().Add(time.Hour) // the time of a change yet to come, for sure
	write(t, file, "one", 0)
	if err := os.Chtimes(file, ahead, ahead); err != nil {
		t.Fatal(err)
	}
	want(t, h, file, sumOne)
	if len(h.known) != 0 {
		t.Errorf("remembered %v", h.known)
	}
}
