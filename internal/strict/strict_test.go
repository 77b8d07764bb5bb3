package strict

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bzmage/internal/fault"
)

type shape struct {
	Name string `toml:"name"`
}

func parse(text string) (shape, error) {
	var s shape
	extra, err := Decode(text, &s)
	return s, errors.Join(append(extra, err)...)
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		text, want string
	}{
		"good.toml":    {"name = \"x\"\n", ""},
		"unknown.toml": {"name = \"x\"\ncolour = 1\n[deep]\nkey = 2\n", "unknown key colour\nunknown key deep\nunknown key deep.key"},
		"broken.toml":  {"# a comment\nname = x\n", "at its line 2: "},
		"type.toml":    {"name = 3\n", "name"},
		"escape.toml":  {"\"\\u001b[31m\" = 1\n", "unknown key"},
		"large.toml":   {strings.Repeat("#\n", most/2+1), "not a regular file of at most 1024 KiB"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(tt.text), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := Load(path, parse)
		if tt.want == "" {
			if err != nil || got.Name != "x" {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) || fault.KindOf(err) != fault.Usage || got != (shape{}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: an escape code came through: %q", name, err)
		}
	}
	if got, err := Load(filepath.Join(dir, "none.toml"), parse); err != nil || got != (shape{}) {
		t.Errorf("without a file: %+v, %v", got, err)
	}
	if _, err := Load(dir, parse); fault.KindOf(err) != fault.Usage {
		t.Errorf("a folder: %v", err)
	}
}
