package checkpatch

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/fault"
	"bzmage/internal/run"
	"bzmage/internal/testkernel"
	"bzmage/internal/unpack"
)

// missing skips a test without a tool or a package, except in the pipeline.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing", what)
	}
	t.Skipf("%s is missing", what)
}

func write1(t *testing.T, path, text string) {
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
	write1(t, filepath.Join(tree.Src(), "scripts/const_structs.checkpatch"), "file_operations\n")
	return tree
}

func seriesOf(t *testing.T, patches map[string]string) string {
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
	want := []string{"perl", "/r/src/scripts/checkpatch.pl", "--root=/r/src", "--terse", "--show-types", "--strict",
		"--color=never", "--no-summary", "--", "/s/a.patch"}
	if d := cmp.Diff(want, argv(unpack.Tree{Root: "/r"}, "/s/a.patch")); d != "" {
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
		"clean":                 {`exit 0;`, nil, fault.Internal, ""},
		"finding":               {finding + `exit 1;`, []Finding{{"a.patch", 3, "WARNING", "TYPO_SPELLING", "'teh' may be misspelled"}}, fault.Checkpatch, "a.patch:3: WARNING:TYPO_SPELLING: 'teh' may be misspelled"},
		"1 in silence":          {`exit 1;`, nil, fault.Machine, "named no finding"},
		"2":                     {`exit 2;`, nil, fault.Machine, "exit code 2"},
		"2 with a finding":      {finding + `exit 2;`, nil, fault.Machine, "exit code 2"},
		"255":                   {`die "oops\n";`, nil, fault.Machine, "exit code"},
		"killed":                {`kill 9, $$; sleep 9;`, nil, fault.Machine, "SIGKILL"},
		"0 with a finding":      {finding + `exit 0;`, nil, fault.Machine, "exited with 0, but named 1 finding"},
		"0 with text":           {`print "all is well\n"; exit 0;`, nil, fault.Machine, `cannot read its line "all is well"`},
		"text beside a finding": {finding + `print "\e[2Jx\n"; exit 1;`, nil, fault.Machine, `cannot read its line "\\x1b[2Jx"`},
		"another file":          {`print "b.patch:3: ERROR:X: y\n"; exit 1;`, nil, fault.Machine, "cannot read its line"},
		"complaint":             {`print STDERR "No typos will be found - file 'spelling.txt': gone\n"; exit 0;`, nil, fault.Machine, "it complained: No typos"},
		"complaint and finding": {finding + `warn "odd\n"; exit 1;`, nil, fault.Machine, "it complained: odd"},
		"too much":              {`print "x" x 1000000 for 1..17; exit 1;`, nil, fault.Machine, "more than 16 MiB"},
		"home and folder": {`my @here = glob("{.,$ENV{HOME}}/{*,.c*}"); exit 2 if @here || "$ENV{HOME}/" !~ m{/bzmage-checkpatch-};` +
			`print STDERR "locale" if $ENV{LC_ALL} ne "C"; exit 0;`, nil, fault.Internal, ""},
	} {
		t.Run(name, func(t *testing.T) {
			logs := filepath.Join(t.TempDir(), "logs")
			write1(t, filepath.Join(logs, "checkpatch.json"), "[]") // of a run before
			findings, err := Run(t.Context(), Params{Tree: fake(t, tc.perl), Series: seriesOf(t, map[string]string{"a.patch": "x\n"}), LogDir: logs})
			if tc.kind == fault.Internal {
				if err != nil {
					t.Fatal(err)
				}
			} else if fault.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error of kind %v, want %v that says %q: %v", fault.KindOf(err), tc.kind, tc.says, err)
			}
			if d := cmp.Diff(tc.want, findings); d != "" && !(len(tc.want) == 0 && len(findings) == 0) {
				t.Errorf("findings (-want +got):\n%s", d)
			}
			if _, err := os.Stat(filepath.Join(logs, "checkpatch-a.patch.log")); err != nil {
				t.Error(err)
			}
			wantReport(t, logs, findings, tc.kind == fault.Machine)
		})
	}
}

func wantReport(t *testing.T, logs string, want []Finding, broken bool) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(logs, "checkpatch.json"))
	if broken {
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a report stands beside a failure: %q, %v", text, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var got []Finding
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
		"patch":          {func(t *testing.T, p Params) { remove(t, filepath.Join(p.Series, "a.patch")) }, fault.Usage, "a.patch"},
		"patch is empty": {func(t *testing.T, p Params) { write1(t, filepath.Join(p.Series, "a.patch"), "") }, fault.Checkpatch, "the file is empty"},
		"series":         {func(t *testing.T, p Params) { remove(t, filepath.Join(p.Series, "series")) }, fault.Usage, "series"},
	} {
		t.Run(name, func(t *testing.T) {
			p := Params{Tree: fake(t, "exit 0;"), Series: seriesOf(t, map[string]string{"a.patch": "x\n"}), LogDir: t.TempDir()}
			tc.change(t, p)
			_, err := Run(t.Context(), p)
			if err == nil || fault.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error of kind %v, want %v that says %q: %v", fault.KindOf(err), tc.kind, tc.says, err)
			}
			wantReport(t, p.LogDir, nil, true)
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// Findings come in the order of the series, whichever process ends first, and
// an empty series is clean.
func TestOrderAndJobs(t *testing.T) {
	tree := fake(t, `my $n = () = $ARGV[-1] =~ /a/g; print "$ARGV[-1]:1: CHECK:A_B: x: \"y\"\n$ARGV[-1]:2: ERROR:C: z\n"; exit 1;`)
	patches := map[string]string{}
	var want []string
	for _, n := range []string{"a.patch", "b.patch", "c.patch", "sub/d.patch"} {
		patches[n] = "x\n"
		want = append(want, n+`:1: CHECK:A_B: x: "y"`, n+":2: ERROR:C: z")
	}
	for _, jobs := range []int{0, 1, 3, 50} {
		logs := t.TempDir()
		findings, err := Run(t.Context(), Params{Tree: tree, Series: seriesOf(t, patches), Jobs: jobs, LogDir: logs})
		if fault.KindOf(err) != fault.Checkpatch || !strings.HasSuffix(err.Error(), "8 things:\n"+strings.Join(want, "\n")) {
			t.Errorf("%d jobs: %v", jobs, err)
		}
		if len(findings) != 8 {
			t.Errorf("%d jobs: %d findings", jobs, len(findings))
		}
		if _, err := os.Stat(filepath.Join(logs, "checkpatch-sub%2Fd.patch.log")); err != nil {
			t.Error(err)
		}
	}
	logs := t.TempDir()
	findings, err := Run(t.Context(), Params{Tree: tree, Series: seriesOf(t, nil), LogDir: logs})
	if err != nil || findings == nil || len(findings) != 0 {
		t.Errorf("empty series: %v, %v", findings, err)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	tree := fake(t, `sleep 60;`)
	series := seriesOf(t, map[string]string{"a.patch": "x\n", "b.patch": "x\n"})
	done := make(chan error)
	go func() {
		_, err := Run(ctx, Params{Tree: tree, Series: series, Jobs: 1, LogDir: t.TempDir()})
		done <- err
	}()
	cancel()
	if err := <-done; fault.KindOf(err) != fault.Interrupted {
		t.Errorf("error %v", err)
	}
}

// realTree returns a tree with the checkpatch of a real kernel.
func realTree(t *testing.T) unpack.Tree {
	t.Helper()
	for _, tool := range []string{"perl", "tar", "xz"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, tool)
		}
	}
	ball := testkernel.Archive(t).Path
	tree := unpack.Tree{Root: t.TempDir()}
	if err := os.Mkdir(tree.Src(), 0o755); err != nil {
		t.Fatal(err)
	}
	args := []string{"tar", "-C", tree.Src(), "--strip-components=1", "--wildcards", "--occurrence=1", "-xf", ball}
	for _, name := range []string{"scripts/checkpatch.pl", "scripts/spelling.txt", "scripts/const_structs.checkpatch"} {
		args = append(args, "linux-*/"+name)
	}
	if err := run.Run(t.Context(), run.Cmd{Argv: args, Env: run.Env()}); err != nil {
		t.Fatal(err)
	}
	// It looks for these to know that it is in a kernel tree.
	for _, name := range strings.Fields("COPYING CREDITS Kbuild MAINTAINERS Makefile README") {
		write1(t, filepath.Join(tree.Src(), name), "x\n")
	}
	for _, name := range strings.Fields("Documentation arch include drivers fs init ipc kernel lib") {
		write1(t, filepath.Join(tree.Src(), name, "Makefile"), "x\n")
	}
	return tree
}

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

func TestRealScript(t *testing.T) {
	tree := realTree(t)
	bad := strings.Replace(strings.Replace(good, "x = 1;", "x = 1; ", 1), "Signed-off-by: A Person <a@example.com>\n", "", 1)
	bad = strings.Replace(bad, "never set", "never recieved", 1)
	findings, err := Run(t.Context(), Params{Tree: tree, Series: seriesOf(t, map[string]string{"good.patch": good}), LogDir: t.TempDir()})
	if err != nil || len(findings) != 0 {
		t.Errorf("a good patch: %v", err)
	}
	findings, err = Run(t.Context(), Params{Tree: tree, Jobs: 2, LogDir: t.TempDir(),
		Series: seriesOf(t, map[string]string{"bad.patch": bad, "good.patch": good, "text.patch": "no diff\n"})})
	if fault.KindOf(err) != fault.Checkpatch {
		t.Fatalf("error %v", err)
	}
	var got []string
	for _, f := range findings {
		got = append(got, f.Patch+" "+f.Level+" "+f.Type)
	}
	for _, want := range []string{"bad.patch ERROR TRAILING_WHITESPACE", "bad.patch ERROR MISSING_SIGN_OFF",
		"bad.patch WARNING TYPO_SPELLING", "text.patch ERROR NOT_UNIFIED_DIFF"} {
		if !slices.Contains(got, want) {
			t.Errorf("no finding %q in %q", want, got)
		}
	}
	if i := slices.IndexFunc(findings, func(f Finding) bool { return f.Type == "TRAILING_WHITESPACE" }); i >= 0 {
		if line := strings.Split(bad, "\n")[findings[i].Line-1]; line != "+\tx = 1; " {
			t.Errorf("line %d of the patch is %q", findings[i].Line, line)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "/p:1: ERROR:A: b\n", "/p:1: WARNING:A_B: c: \"d\"\n/p:22: CHECK:E: f", "x\n", "/p:1: ERROR:a: b\n", "/p:9999999999: ERROR:A: b\n", "\xff\n\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, out string) {
		findings, err := parse("p", "/p", out)
		if err != nil {
			return
		}
		if n := strings.Count(strings.TrimSuffix(out, "\n"), "\n"); out != "" && len(findings) != n+1 {
			t.Errorf("%d findings in %q", len(findings), out)
		}
		for _, x := range findings {
			if strings.ContainsFunc(x.Message, func(r rune) bool { return r < ' ' }) || x.Line < 0 || x.Type == "" {
				t.Errorf("finding %+v", x)
			}
		}
	})
}
