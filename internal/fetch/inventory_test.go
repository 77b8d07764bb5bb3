package fetch

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"bzmage/internal/kernels"
)

// stocked returns a cache with a file of every sort.
func stocked(t *testing.T) (*fetcher, kernels.File) {
	t.Helper()
	body := payload(1000)
	f, _ := testFetcher(t, body, map[string]kernels.Source{"cache": {Kind: "cache"}, "hub": {Kind: "github", Repository: "o/r"}}, "cache", "hub")
	for _, b := range [][]byte{body, []byte("tag"), []byte("new package"), []byte("old package"), []byte("foreign package"), []byte("nobody's")} {
		seed(t, f, hexOf(b), b)
	}
	errs := []error{
		f.store.remember(tagIndex, "github.com/o/r@v5.4.302", record{hexOf([]byte("tag")), "tag"}),
		f.store.remember(packageIndex, "linux-source-5.4=5.4.10-1", record{hexOf([]byte("new package")), "linux-source-5.4=5.4.10-1"}),
		f.store.remember(packageIndex, "linux-source-5.4=5.4.9-1", record{hexOf([]byte("old package")), "linux-source-5.4=5.4.9-1"}),
		f.store.remember(packageIndex, "linux-source-6.6=6.6.9-1", record{hexOf([]byte("foreign package")), "linux-source-6.6=6.6.9-1"}),
		f.store.keepEvidence(f.store.evidence(hexOf([]byte("nobody's")), signatureName), []byte("x")),
	}
	old := time.Now().Add(-25 * time.Hour)
	for name, at := range map[string]time.Time{"fresh": time.Now(), "stale": old, "stale.json": old, "locked": old} {
		path := filepath.Join(f.Cache, "partial", name)
		errs = append(errs, f.store.mkdir(filepath.Dir(path)), os.WriteFile(path, []byte("12345"), 0o644), os.Chtimes(path, at, at))
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return f, kernels.File{Lines: []kernels.Line{f.Line}, Sources: f.Sources}
}

func TestPrune(t *testing.T) {
	f, file := stocked(t)
	lock := flock.New(filepath.Join(f.Cache, "partial", "locked.lock"))
	if err := lock.Lock(); err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	kept := map[string]string{}
	all, err := Inventory(f.Cache, file)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if i.Keep != "" {
			kept[i.Path] = i.Keep
		}
	}
	if len(all) != 9 || len(kept) != 4 {
		t.Errorf("%d items, kept %q", len(all), kept)
	}
	removed, err := Prune(f.Cache, file)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range removed {
		names = append(names, string(i.SHA256)+i.Origin)
	}
	slices.Sort(names)
	want := []string{
		hexOf([]byte("foreign package")) + "linux-source-6.6=6.6.9-1", hexOf([]byte("nobody's")) + "unknown",
		hexOf([]byte("old package")) + "linux-source-5.4=5.4.9-1", "unfinished",
	}
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("removed %q, want %q", names, want)
	}
	for path := range kept {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	for name, want := range map[string]bool{"partial/fresh": true, "partial/locked": true, "partial/stale": false, "partial/stale.json": false, "proof/" + hexOf([]byte("nobody's")): false} {
		if _, err := os.Stat(filepath.Join(f.Cache, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if a, err := f.fetch(t.Context()); err != nil || !a.Has(Pinned) {
		t.Errorf("got %+v, %v", a, err)
	}
	if again, err := Prune(f.Cache, file); err != nil || len(again) != 0 {
		t.Errorf("a second prune removed %+v, %v", again, err)
	}
}

func TestCheck(t *testing.T) {
	f, file := stocked(t)
	body := payload(1000)
	path, err := f.store.find(hexOf(body))
	if err != nil {
		t.Fatal(err)
	}
	if good, aside, err := Check(t.Context(), f.Cache, nil); good != 6 || len(aside) != 0 || err != nil {
		t.Fatal(good, aside, err)
	}
	if err := os.WriteFile(path, body[1:], 0o644); err != nil {
		t.Fatal(err)
	}
	good, aside, err := Check(t.Context(), f.Cache, nil)
	if good != 5 || len(aside) != 1 || err != nil {
		t.Fatal(good, aside, err)
	}
	if b, err := os.ReadFile(aside[0]); err != nil || len(b) != 999 {
		t.Errorf("it is not set aside: %v", err)
	}
	f.Line.Sources = []string{"cache"}
	if _, err := f.fetch(t.Context()); err == nil {
		t.Error("the damaged file is delivered")
	}
	removed, err := Prune(f.Cache, file)
	if err != nil || !slices.ContainsFunc(removed, func(i Item) bool { return i.Path == aside[0] }) {
		t.Errorf("a prune leaves it: %+v, %v", removed, err)
	}
}

// A cache that is not there yet holds nothing.
func TestInventoryOfNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	if items, err := Inventory(dir, kernels.File{}); err != nil || len(items) != 0 {
		t.Error(items, err)
	}
	if good, aside, err := Check(t.Context(), dir, nil); err != nil || good+len(aside) != 0 {
		t.Error(good, aside, err)
	}
	if removed, err := Prune(dir, kernels.File{}); err != nil || len(removed) != 0 {
		t.Error(removed, err)
	}
}

// The time of use is that of the last fetch, not of the download.
func TestUsed(t *testing.T) {
	f, file := stocked(t)
	old := time.Now().Add(-100 * time.Hour)
	folder := f.store.folder(f.Line.SHA256)
	if err := os.Chtimes(folder, old, old); err != nil {
		t.Fatal(err)
	}
	if _, err := f.fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	items, err := Inventory(f.Cache, file)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range items {
		if strings.Contains(i.Path, f.Line.SHA256) && time.Since(i.Used) > time.Hour {
			t.Errorf("used %v", i.Used)
		}
	}
}
