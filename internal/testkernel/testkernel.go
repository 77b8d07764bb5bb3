// Package testkernel gets a real kernel for the tests of other packages: line
// 6.1 of this checkout, as the distribution has it. In goes nothing; out comes
// an archive in the user's cache, which all tests and builds share.
package testkernel

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"bzmage/internal/fetch"
	"bzmage/internal/kernels"
)

// Name is the line that tests can count on.
const Name = "6.1"

// Line returns that line, with the distribution as its only source besides
// the cache, and all sources.
func Line(t testing.TB) (kernels.Line, map[string]kernels.Source) {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	file, err := kernels.Load(filepath.Join(filepath.Dir(here), "..", "..", "configs", "kernels.toml"))
	if err != nil {
		t.Fatal(err)
	}
	line, ok := file.Line(Name)
	if !ok {
		t.Fatalf("no line %s", Name)
	}
	line.Sources = []string{"cache", "distribution"}
	return line, file.Sources
}

// Archive returns the archive of that line. Where it cannot be had the test
// is skipped, or fails if CI=true.
func Archive(t testing.TB) fetch.Archive {
	t.Helper()
	line, sources := Line(t)
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	a, err := fetch.Fetch(t.Context(), fetch.Params{Line: line, Sources: sources, Cache: filepath.Join(cache, "bzmage")})
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip(err)
	}
	return a
}
