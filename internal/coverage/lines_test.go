package coverage

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/patch"
	"bzmage/internal/run"
	"bzmage/internal/series"
)

// needs skips a test where a tool is missing; where CI=true it fails.
func needs(t testing.TB, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing", tool)
		}
		t.Skipf("%s is missing", tool)
	}
}

type tree map[string]string

// changes returns the series that makes each state of the one before it.
func changes(t testing.TB, states ...tree) []series.Change {
	t.Helper()
	needs(t, "git")
	var all []series.Change
	for i := range len(states) - 1 {
		before, after := touched(states[i], states[i+1])
		d, err := series.Render(t.Context(), before, after, series.Mail{Strip: 1})
		if err != nil {
			t.Fatal(err)
		}
		mail := series.Mail{Text: append([]byte("Subject: change\n---\n"), d.Text...), Strip: 1}
		all = append(all, series.Change{Name: fmt.Sprintf("%04d-change.patch", i+1), Mail: mail, Before: before, After: after})
	}
	return all
}

// touched returns the files that differ, before and after.
func touched(a, b tree) (before, after map[string]patch.File) {
	before, after = map[string]patch.File{}, map[string]patch.File{}
	for name, text := range a {
		if now, ok := b[name]; !ok || now != text {
			before[name] = patch.File{Data: []byte(text), Mode: 0o644}
		}
	}
	for name, text := range b {
		if old, ok := a[name]; !ok || old != text {
			after[name] = patch.File{Data: []byte(text), Mode: 0o644}
		}
	}
	return before, after
}

func rows(words string) string { return strings.ReplaceAll(words, " ", "\n") + "\n" }

// said shows added lines in short.
func said(all []AddedLine) []string {
	var out []string
	for _, a := range all {
		out = append(out, fmt.Sprintf("%d %s:%d %s", a.Patch+1, a.File, a.Line, a.Text))
	}
	return out
}

func TestLines(t *testing.T) {
	base := rows("a b c d e f g h i j k l m")
	tests := []struct {
		name   string
		states []tree
		want   []string
	}{
		{"one patch", []tree{{"f.c": base}, {"f.c": rows("a b c d NEW e f g h i j k l m")}}, []string{"1 f.c:5 NEW"}},
		{"moved by a later one", []tree{{"f.c": base}, {"f.c": rows("a b c d e f g h i j k L m")}, {"f.c": rows("1 2 a b c d e f g h i j k L m")}},
			[]string{"2 f.c:1 1", "2 f.c:2 2", "1 f.c:14 L"}},
		{"changed by a later one", []tree{{"f.c": base}, {"f.c": rows("a b X Y Z c d e f g h i j k l m")}, {"f.c": rows("a b X y Z c d e f g h i j k l m")}},
			[]string{"1 f.c:3 X", "2 f.c:4 y", "1 f.c:5 Z"}},
		{"removed by a later one", []tree{{"f.c": base}, {"f.c": rows("a b X c d e f g h i j k l m")}, {"f.c": base}}, nil},
		{"a new file", []tree{{}, {"n.c": rows("a b")}, {"n.c": rows("a c b")}}, []string{"1 n.c:1 a", "2 n.c:2 c", "1 n.c:3 b"}},
		{"a renamed file", []tree{{"o.c": base}, {"o.c": rows("a b X c d e f g h i j k l m")}, {"n.c": rows("a b X c d e f g Y h i j k l m")}},
			[]string{"1 n.c:3 X", "2 n.c:9 Y"}},
		{"a removed file", []tree{{}, {"n.c": base}, {}}, nil},
		{"a header, and what is no C", []tree{{"f.h": base, "f.S": base, "Makefile": base},
			{"f.h": rows("X a b c d e f g h i j k l m"), "f.S": "X\n", "Makefile": "X\n"}}, []string{"1 f.h:1 X"}},
		{"no newline at the end", []tree{{"f.c": "a\nb"}, {"f.c": "a\nb\nc"}}, []string{"1 f.c:2 b", "1 f.c:3 c"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list := changes(t, tt.states...)
			got, err := Lines(list)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, said(got)); d != "" {
				t.Error(d)
			}
			for _, a := range got {
				if row := strings.Split(string(list[a.Patch].Mail.Text), "\n")[a.At-1]; row != "+"+a.Text {
					t.Errorf("line %d of the patch is %q, want %q", a.At, row, a.Text)
				}
			}
		})
	}
}

// git blame says the same of who made each line, whatever the changes are.
func TestLinesAreThoseOfBlame(t *testing.T) {
	needs(t, "git")
	r := rand.New(rand.NewPCG(4, 2026))
	for range 4 {
		dir := t.TempDir()
		git := func(args ...string) string {
			out, err := run.Output(t.Context(), run.Cmd{Argv: append([]string{"git"}, args...), Dir: dir,
				Env: run.Env("HOME="+dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com",
					"GIT_COMMITTER_NAME=C", "GIT_COMMITTER_EMAIL=c@example.com")})
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		git("init", "-q")
		var lines []string
		for i := range 40 {
			lines = append(lines, fmt.Sprint("line ", i))
		}
		var states []tree
		var commits []string
		for n := range 6 {
			states = append(states, tree{"f.c": strings.Join(lines, "\n") + "\n"})
			if err := os.WriteFile(filepath.Join(dir, "f.c"), []byte(states[n]["f.c"]), 0o644); err != nil {
				t.Fatal(err)
			}
			git("add", "f.c")
			git("commit", "-qm", "x")
			commits = append(commits, git("rev-parse", "HEAD"))
			for k := range 1 + r.IntN(6) {
				at := r.IntN(len(lines))
				fresh := fmt.Sprintf("state %d.%d", n+1, k)
				switch r.IntN(3) {
				case 0:
					lines[at] = fresh
				case 1:
					lines = append(lines[:at:at], append([]string{fresh}, lines[at:]...)...)
				case 2:
					lines = append(lines[:at:at], lines[at+1:]...)
				}
			}
		}
		var want []string
		for i, row := range strings.Split(git("blame", "-s", "-l", "--no-abbrev", "--root", "f.c"), "\n") {
			_, code, _ := strings.Cut(row, ") ")
			for n, c := range commits {
				if n > 0 && strings.HasPrefix(row, c) {
					want = append(want, fmt.Sprintf("%d f.c:%d %s", n, i+1, code))
				}
			}
		}
		got, err := Lines(changes(t, states...))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, said(got)); d != "" || len(want) == 0 {
			t.Fatalf("%d lines: %s", len(want), d)
		}
	}
}
