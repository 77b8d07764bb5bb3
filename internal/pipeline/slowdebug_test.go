package pipeline

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bzmage/internal/boot"
	"bzmage/internal/event"
)

// TestSlowDebugFlavour plants bugs of the kinds that the debug flavour is for
// into a copy of the series, and sees each of them found, and none in the
// clean kernel.
func TestSlowDebugFlavour(t *testing.T) {
	p, line := slowProject(t, "FLAVOUR=debug")
	plantBugs(t, p, line)
	debug := p.File.Flavours["debug"]
	for _, tt := range []struct{ name, verdict, kind, text string }{
		{name: "clean", verdict: boot.Pass},
		{name: "use after free", verdict: boot.Crashed, kind: "kasan", text: "use-after-free"},
		{name: "leak", verdict: boot.CheckFailed, text: " of 64 bytes by rand_do_break"},
		{name: "locks in both orders", verdict: boot.Crashed, kind: "lockdep", text: "circular locking"},
		{name: "sleep under a spinlock", verdict: boot.Crashed, kind: "atomic", text: "sleeping function called"},
		{name: "an entry twice in a list", verdict: boot.Crashed, kind: "list", text: "list_add double add"},
		{name: "behind the end", verdict: boot.Crashed, kind: "kasan", text: "out-of-bounds"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			flavour := debug
			flavour.Guest.Append += fmt.Sprintf(" rand_break=%d", bugs()[tt.name])
			p.File.Flavours["debug"] = flavour
			p.Settings.Checks.Run = "" // all of them take minutes
			if tt.verdict != boot.Pass {
				p.Settings.Checks.Run = "^TestRandFormat$"
			}
			r, err := verify(t, p)
			if (err == nil) != (tt.verdict == boot.Pass) || len(r.Verdicts) == 0 {
				t.Errorf("%d verdicts, %v", len(r.Verdicts), err)
			}
			for _, v := range r.Verdicts {
				wantFound(t, v, tt.verdict, tt.kind, tt.text)
			}
		})
	}
}

// wantFound checks that the verdict is about the planted bug, and names the
// function it is in.
func wantFound(t *testing.T, v boot.Verdict, verdict, kind, text string) {
	t.Helper()
	if v.Verdict != verdict {
		t.Fatalf("%s: %s: %s; want %s\n%s", v.Target(), v.Verdict, v.Reason, verdict, strings.Join(v.Tail, "\n"))
	}
	found := verdict == boot.Pass
	for _, c := range v.Crashes {
		all := c.Title + strings.Join(c.Lines, "\n")
		found = found || c.Kind == kind && strings.Contains(all, text) && strings.Contains(all, "rand_do_break")
	}
	for _, c := range v.Checks {
		if kind == "" && c.Name == event.Kmemleak && c.Status == event.Fail && strings.Contains(c.Output, text) {
			found = true
		}
		if c.Status == event.Fail {
			t.Logf("%s: %s", c.Name, c.Output)
		}
	}
	if !found {
		t.Errorf("%s: no %s with %q in %+v", v.Target(), kind, text, v.Crashes)
	}
}

// bugs are the values of rand_break= that testdata/rand_break.c knows.
func bugs() map[string]int {
	return map[string]int{"use after free": 1, "leak": 2, "locks in both orders": 3,
		"sleep under a spinlock": 4, "an entry twice in a list": 5, "behind the end": 6}
}

// plantBugs adds a patch to the series that puts testdata/rand_break.c in
// front of rand_show, and a call of it into that.
func plantBugs(t *testing.T, p Project, line string) {
	t.Helper()
	old := inTree(t, p, procFile)
	code, err := os.ReadFile("testdata/rand_break.c")
	if err != nil {
		t.Fatal(err)
	}
	const show, call = "static int rand_show(", "\trand_count(p, ns, m);\n"
	text := strings.Replace(old, show, string(code)+show, 1)
	text = strings.Replace(text, call, call+"\trand_do_break();\n", 1)
	if !strings.Contains(text, "\trand_do_break();") {
		t.Fatalf("no place to plant bugs in: %s", procFile)
	}
	dir := filepath.Join(p.Root, "patches", line)
	writeBreak(t, dir, readSeries(t, dir), diffOf(t, procFile, old, text))
}
