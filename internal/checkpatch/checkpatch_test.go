package checkpatch

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"bzmage/internal/fault"
	"bzmage/internal/jobserver"
	"bzmage/internal/unpack"
)

// missing skips a test without a tool or a package, except in the pipeline.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing", what)
	}
	t.Skipf("%s is missing", what)
}

func write1(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// fake returns a tree whose checkpatch.pl is the given Perl.
func fake(t *testing.T, perl string) unpack.Tree {
	t.Helper()
	if _, err := exec.LookPath("perl"); err != nil {
		missing(t, "perl")
	}
	tree := unpack.Tree{Root: t.TempDir()}
	write1(t, script(tree), perl)
	write1(t, filepath.Join(tree.Src(), "scripts/spelling.txt"), "teh||the\n")
	write1(t, filepath.Join(tree.Src(), "Makefile"), "x\n")
	write1(t, filepath.Join(tree.Src(), ".checkpatch.conf"), "--ignore ALL\n")
	write1(t, filepath.Join(tree.Src(), ".git/HEAD"), "x\n")
	write1(t, filepath.Join(tree.Src(), "scripts/const_structs.checkpatch"), "file_operations\n")
	return tree
}

func seriesOf(t testing.TB, patches map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	var names []string
	for name, text := range patches {
		write1(t, filepath.Join(dir, name), text)
		names = append(names, name)
	}
	slices.Sort(names)
	write1(t, filepath.Join(dir, "series"), strings.Join(names, "\n"))
	return dir
}

func TestArgv(t *testing.T) {
	want := []string{"perl", "linux/scripts/checkpatch.pl", "--root=linux", "--terse", "--show-types", "--strict",
		"--color=never", "--no-summary", "--", "/s/a.patch"}
	if d := cmp.Diff(want, argv("/s/a.patch")); d != "" {
		t.Errorf("argv (-want +got):\n%s", d)
	}
}

// $ARGV[-1] is the patch. A script that works says what it is told to.
func TestOutcomes(t *testing.T) {
	const finding = `print "$ARGV[-1]:3: WARNING:TYPO_SPELLING: 'teh' may be misspelled\n";`
	for name, tc := range map[string]struct {
		perl string
		want []Finding
		kind fault.Kind // Internal: no error
		says string
	}{
		"clean": {`exit 0;`, nil, fault.Internal, ""},
		"finding": {finding + `exit 1;`, []Finding{{Patch: "a.patch", Line: 3, Level: "WARNING", Type: "TYPO_SPELLING", Message: "'teh' may be misspelled",
			Text: "Date: Sun, 22 Nov 2026 12:00:00 +0000"}}, fault.Checkpatch, "a.patch:3: WARNING:TYPO_SPELLING: 'teh' may be misspelled"},
		"1 in silence":          {`exit 1;`, nil, fault.Machine, "named no finding"},
		"2":                     {`exit 2;`, nil, fault.Machine, "exit code 2"},
		"2 with a finding":      {finding + `exit 2;`, nil, fault.Machine, "exit code 2"},
		"255":                   {`die "oops\n";`, nil, fault.Machine, "exit code"},
		"killed":                {`kill 9, $$; sleep 9;`, nil, fault.Machine, "SIGKILL"},
		"0 with a finding":      {finding + `exit 0;`, nil, fault.Machine, "exited with 0, but named 1 finding"},
		"0 with text":           {`print "all is well\n"; exit 0;`, nil, fault.Machine, `cannot read its line "all is well"`},
		"text beside a finding": {finding + `print "\e[2Jx\n"; exit 1;`, nil, fault.Machine, `cannot read its line "\\x1b[2Jx"`},
		"no such line":          {`print "$ARGV[-1]:300: ERROR:X: y\n"; exit 1;`, nil, fault.Machine, "line 300 of 25"},
		"another file":          {`print "b.patch:3: ERROR:X: y\n"; exit 1;`, nil, fault.Machine, "cannot read its line"},
		"complaint":             {`print STDERR "No typos will be found - file 'spelling.txt': gone\n"; exit 0;`, nil, fault.Machine, "it complained: No typos"},
		"complaint and finding": {finding + `warn "odd\n"; exit 1;`, nil, fault.Machine, "it complained: odd"},
		"too much":              {`print "x" x 1000000 for 1..17; exit 1;`, nil, fault.Machine, "more than 16 MiB"},
		"home and folder": {`my @here = glob("$ENV{HOME}/{*,.[a-z]*} .[a-z]*"); exit 2 if @here || "$ENV{HOME}/" !~ m{/bzmage-checkpatch-};` +
			`exit 3 unless -f "scripts/spelling.txt" && -e "Makefile" && !-e ".checkpatch.conf" && -d "linux/scripts"; ` +
			`print STDERR "locale" if $ENV{LC_ALL} ne "C"; exit 0;`, nil, fault.Internal, ""},
	} {
		t.Run(name, func(t *testing.T) {
			logs, reports := filepath.Join(t.TempDir(), "logs"), filepath.Join(t.TempDir(), "reports")
			for _, f := range formats() {
				write1(t, filepath.Join(reports, f.name), "old") // of a run before
			}
			res, err := Run(t.Context(), Params{Tree: fake(t, tc.perl), Series: seriesOf(t, map[string]string{"a.patch": good}),
				Folder: "patches/x", LogDir: logs, Reports: reports})
			if tc.kind == fault.Internal {
				if err != nil {
					t.Fatal(err)
				}
			} else if fault.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error of kind %v, want %v that says %q: %v", fault.KindOf(err), tc.kind, tc.says, err)
			}
			if d := cmp.Diff(tc.want, res.Findings, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(Finding{}, "Fingerprint")); d != "" {
				t.Errorf("findings (-want +got):\n%s", d)
			}
			if _, err := os.Stat(filepath.Join(logs, "checkpatch-a.patch.log")); err != nil {
				t.Error(err)
			}
			wantReports(t, reports, res, tc.kind == fault.Machine)
		})
	}
}

// wantReports wants checkpatch.json to hold the result, and all other reports
// to be there; or, where the script is broken, none.
func wantReports(t *testing.T, dir string, want Result, broken bool) {
	t.Helper()
	for _, f := range formats() {
		_, err := os.Stat(filepath.Join(dir, f.name))
		if there := !broken && (f.name != acceptName || len(want.New()) > 0); (err == nil) != there {
			t.Errorf("%s: want it there: %v; %v", f.name, there, err)
		}
	}
	if broken {
		return
	}
	text, err := os.ReadFile(filepath.Join(dir, "checkpatch.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got Result
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("report (-want +got):\n%s", d)
	}
}

func TestMissingParts(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(t *testing.T, p Params)
		kind   fault.Kind
		says   string
	}{
		"script":   {func(t *testing.T, p Params) { remove(t, script(p.Tree)) }, fault.Machine, "checkpatch.pl"},
		"spelling": {func(t *testing.T, p Params) { remove(t, filepath.Join(p.Tree.Src(), "scripts/spelling.txt")) }, fault.Machine, "spelling.txt"},
		"structs": {func(t *testing.T, p Params) {
			remove(t, filepath.Join(p.Tree.Src(), "scripts/const_structs.checkpatch"))
		}, fault.Machine, "const_structs"},
		"structs are empty": {func(t *testing.T, p Params) {
			write1(t, filepath.Join(p.Tree.Src(), "scripts/const_structs.checkpatch"), "")
		}, fault.Machine, "const_structs"},
		"patch": {func(t *testing.T, p Params) { remove(t, filepath.Join(p.Series, "a.patch")) }, fault.Usage, "a.patch"},
		"a name for a shell": {func(t *testing.T, p Params) {
			write1(t, filepath.Join(p.Series, "a.patch"), strings.ReplaceAll(good, "kernel/x.c", "x;touch${IFS}y;"))
		}, fault.Checkpatch, `line 13: checkpatch would hand the name "b/x;touch${IFS}y;" to a shell`},
		"patch is empty": {func(t *testing.T, p Params) { write1(t, filepath.Join(p.Series, "a.patch"), "") }, fault.Checkpatch, "the file is empty"},
		"series":         {func(t *testing.T, p Params) { remove(t, filepath.Join(p.Series, "series")) }, fault.Usage, "series"},
	} {
		t.Run(name, func(t *testing.T) {
			p := Params{Tree: fake(t, "exit 0;"), Series: seriesOf(t, map[string]string{"a.patch": good}), LogDir: t.TempDir(), Reports: t.TempDir()}
			tc.change(t, p)
			_, err := Run(t.Context(), p)
			if err == nil || fault.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error of kind %v, want %v that says %q: %v", fault.KindOf(err), tc.kind, tc.says, err)
			}
			wantReports(t, p.Reports, Result{}, true)
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// slots returns job slots; of 0 nil.
func slots(t testing.TB, n int) *jobserver.Server {
	t.Helper()
	if n == 0 {
		return nil
	}
	s, err := jobserver.New(n)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Findings come in the order of the series, whichever process ends first, and
// an empty series is clean.
func TestOrderAndJobs(t *testing.T) {
	tree := fake(t, `print "$ARGV[-1]:1: CHECK:A_B: x: \"y\"\n$ARGV[-1]:2: ERROR:C: z\n"; exit 1;`)
	patches := map[string]string{}
	var want []string
	for _, n := range []string{"a.patch", "b.patch", "c.patch", "sub/d.patch"} {
		patches[n] = good
		want = append(want, n+`:1: CHECK:A_B: x: "y"`, n+":2: ERROR:C: z")
	}
	series := seriesOf(t, patches)
	var first map[string]string
	for _, jobs := range []int{0, 1, 3, 50} {
		p := Params{Tree: tree, Series: series, Jobs: slots(t, jobs), LogDir: t.TempDir(), Reports: t.TempDir()}
		res, err := Run(t.Context(), p)
		if fault.KindOf(err) != fault.Checkpatch || !strings.HasSuffix(err.Error(), want[0]+" (and 7 more)") ||
			!strings.Contains(fault.HintOf(err), acceptName) {
			t.Errorf("%d jobs: %v, hint %s", jobs, err, fault.HintOf(err))
		}
		var got []string
		for _, f := range res.Findings {
			got = append(got, f.String())
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%d jobs: (-want +got):\n%s", jobs, d)
		}
		if _, err := os.Stat(filepath.Join(p.LogDir, "checkpatch-sub%2Fd.patch.log")); err != nil {
			t.Error(err)
		}
		texts := map[string]string{}
		for _, f := range formats() {
			text, err := os.ReadFile(filepath.Join(p.Reports, f.name))
			if err != nil {
				t.Error(err)
			}
			texts[f.name] = string(text)
		}
		if first == nil {
			first = texts
		}
		if d := cmp.Diff(first, texts); d != "" {
			t.Errorf("%d jobs: other bytes:\n%s", jobs, d)
		}
	}
	res, err := Run(t.Context(), Params{Tree: tree, Series: seriesOf(t, nil), LogDir: t.TempDir()})
	if err != nil || res.Findings == nil || len(res.Findings) != 0 {
		t.Errorf("empty series: %v, %v", res, err)
	}
}

// A part of the series is looked at as a part of the whole.
func TestChosenPatches(t *testing.T) {
	series := seriesOf(t, map[string]string{
		"0001-a.patch": strings.Replace(good, "[PATCH]", "[PATCH 1/3]", 1),
		"0002-b.patch": strings.Replace(good, "[PATCH]", "[PATCH 2/3]", 1),
		"0003-c.patch": strings.Replace(good, "[PATCH]", "[PATCH 3/3]", 1),
	})
	write1(t, filepath.Join(series, baselineName), "[[accept]]\npatch = '0001-a.patch'\ntype = 'A'\nreason = 'r'\n")
	tree := fake(t, `exit 1 if $ARGV[-1] !~ /b.patch/; exit 0;`)
	res, err := Run(t.Context(), Params{Tree: tree, Series: series, Patches: []string{"0002-b.patch"}, LogDir: t.TempDir()})
	if err != nil || len(res.Findings) != 0 || len(res.Stale) != 0 || !slices.Equal(res.Patches, []string{"0002-b.patch"}) {
		t.Errorf("%+v, %v", res, err)
	}
	_, err = Run(t.Context(), Params{Tree: tree, Series: series, Patches: []string{"d.patch"}, LogDir: t.TempDir()})
	if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "d.patch") {
		t.Errorf("a patch that is not in the series: %v", err)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	tree := fake(t, `sleep 60;`)
	series := seriesOf(t, map[string]string{"a.patch": good, "b.patch": good})
	done := make(chan error)
	go func() {
		_, err := Run(ctx, Params{Tree: tree, Series: series, Jobs: slots(t, 1), LogDir: t.TempDir()})
		done <- err
	}()
	cancel()
	if err := <-done; fault.KindOf(err) != fault.Interrupted {
		t.Errorf("error %v", err)
	}
}

// good is a patch nobody objects to.
const good = `From 1111111111111111111111111111111111111111 Mon Sep 17 00:00:00 2001
From: A Person <a@example.com>
Date: Sun, 22 Nov 2026 12:00:00 +0000
Subject: [PATCH] kernel: set x for the test

The value of x was never set, so set it to one.

Signed-off-by: A Person <a@example.com>
---
 kernel/x.c | 1 +
 1 file changed, 1 insertion(+)

diff --git a/kernel/x.c b/kernel/x.c
index 1111111..2222222 100644
--- a/kernel/x.c
+++ b/kernel/x.c
@@ -1,4 +1,5 @@
 // SPDX-License-Identifier: GPL-2.0
 void f(void)
 {
+	x = 1;
 }
-- 
2.39.5

`

func readFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "/p:1: ERROR:A: b\n", "/p:1: WARNING:A_B: c: \"d\"\n/p:22: CHECK:E: f", "x\n", "/p:1: ERROR:a: b\n", "/p:9999999999: ERROR:A: b\n", "\xff\n\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, out string) {
		findings, err := parse("p", "/p", 100, out)
		if err != nil {
			return
		}
		if n := strings.Count(strings.TrimSuffix(out, "\n"), "\n"); out != "" && len(findings) != n+1 {
			t.Errorf("%d findings in %q", len(findings), out)
		}
		for _, x := range findings {
			if strings.ContainsFunc(x.Message, func(r rune) bool { return r < ' ' }) || x.Line < 1 || x.Line > 100 || x.Type == "" {
				t.Errorf("finding %+v", x)
			}
		}
	})
}
