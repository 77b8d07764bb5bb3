package ui

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func calmUI(t *testing.T, file string) (*UI, *bytes.Buffer) {
	t.Helper()
	u, err := New(Options{Out: os.Stderr, CI: true, File: file})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	u.out = &b
	return u, &b
}

func TestPlainLinesAndJSON(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log", "x.jsonl")
	u, b := calmUI(t, file)
	u.Log.Info("built")
	u.Log.WithField("patch", "0001\x1b[2J").Warn("offset")
	u.Log.Error("no \x07good")
	u.Log.Debug("for the file")
	u.Progress("x86_64", "12 objects")
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
	if want := "built\nwarning: offset patch=0001\nerror: no good\n"; b.String() != want {
		t.Errorf("got %q, want %q", b, want)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines: %s", len(lines), text)
	}
	var e struct{ Level, Msg, Patch, Time string }
	if err := json.Unmarshal([]byte(lines[1]), &e); err != nil || e.Level != "warning" || e.Msg != "offset" || e.Patch == "" {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := time.Parse(time.RFC3339Nano, e.Time); err != nil {
		t.Error(err)
	}
}

func TestCalmProgress(t *testing.T) {
	u, b := calmUI(t, "")
	u.pace = 0
	u.Progress("arm64", "1 object") // the first is kept back: it may be over at once
	if b.Len() != 0 {
		t.Errorf("got %q", b)
	}
	u.Progress("arm64", "2 objects")
	u.Progress("arm64", "")
	u.pace = time.Hour
	u.Progress("arm64", "3 objects")
	u.Progress("arm64", "4 objects")
	if want := "... arm64: 2 objects\n"; b.String() != want {
		t.Errorf("got %q, want %q", b, want)
	}
}

func TestLiveLine(t *testing.T) {
	u, b := calmUI(t, "")
	u.tty, u.pace, u.width = true, 0, func() int { return 40 }
	u.Progress("b", "two")
	u.Progress("a", "one")
	u.Log.Info("a message")
	u.Progress("a", strings.Repeat("x", 100))
	u.Progress("a", "")
	u.Progress("b", "")
	want := "b: two" + // drawn
		"\r\x1b[Ka: one | b: two" + // redrawn with both
		"\r\x1b[Ka message\na: one | b: two" + // a message stands above it
		"\r\x1b[Ka: " + strings.Repeat("x", 36) + // never wider than the terminal
		"\r\x1b[Kb: two" +
		"\r\x1b[K"
	if b.String() != want {
		t.Errorf("got\n%q, want\n%q", b, want)
	}
}

func TestUnwritableLog(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{Out: os.Stderr, File: filepath.Join(dir, "f", "log.jsonl")}); err == nil {
		t.Error("no error")
	}
}
