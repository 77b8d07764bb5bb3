package control

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/boot"
	"bzmage/internal/event"
	"bzmage/internal/fault"
)

// verdict returns one of NAME=status.
func verdict(arch, what string, checks ...string) boot.Verdict {
	v := boot.Verdict{Line: "6.1", Arch: arch, Verdict: what, Reason: "why"}
	for _, c := range checks {
		name, status, _ := strings.Cut(c, "=")
		v.Checks = append(v.Checks, event.Check{Name: name, Status: status})
	}
	return v
}

func TestCompare(t *testing.T) {
	const A, B = "x86_64", "arm64"
	one := func(checks ...string) []boot.Verdict { return []boot.Verdict{verdict(A, boot.CheckFailed, checks...)} }
	tests := []struct {
		name          string
		known         []string
		with, without []boot.Verdict
		want          string // all that is wrong
		depend        []string
	}{
		{"as it should be", []string{"TestB"}, one("TestA=pass", "TestB=pass"), one("TestA=fail", "TestB=pass"), "", []string{"TestA"}},
		{"it proves nothing", nil, one("TestA=pass"), one("TestA=pass"), "TestA passes without the series on x86_64: it proves nothing about it", nil},
		{"on one arch only", nil, []boot.Verdict{verdict(A, boot.Pass, "TestA=pass"), verdict(B, boot.Pass, "TestA=pass")},
			[]boot.Verdict{verdict(A, boot.CheckFailed, "TestA=fail"), verdict(B, boot.CheckFailed, "TestA=pass")},
			"TestA passes without the series on arm64: it proves nothing about it", nil},
		{"independent, and fails", []string{"TestA"}, one("TestA=pass"), one("TestA=fail"), "TestA does not pass without the series, though it is said to be independent of it", []string{"TestA"}},
		{"independent, and is not there", []string{"TestX"}, one("TestA=pass"), one("TestA=fail"), "there is no check TestX, which is said to be independent of the series", []string{"TestA"}},
		{"skipped without the series", nil, one("TestA=pass"), one("TestA=skip"), "TestA neither passes nor fails without the series on x86_64", nil},
		{"skipped in both", nil, one("TestA=skip", "TestB=pass"), one("TestA=skip", "TestB=fail"), "", []string{"TestB"}},
		{"did not end", nil, one("TestA=pass"), one("TestA="), "TestA neither passes nor fails without the series on x86_64", nil},
		{"crashed", nil, one("TestA=pass"), []boot.Verdict{verdict(A, boot.Crashed, "TestA=fail")},
			"the kernel for x86_64 without the series says nothing about the checks: crashed: why", []string{"TestA"}},
		{"parts are not counted", nil, one("TestA=pass", "TestA/b=pass"), one("TestA=fail", "TestA/b=pass"), "", []string{"TestA"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := Compare(Rules{Independent: tt.known}, []string{"TestA", "TestB", "TestC"}, tt.with, tt.without)
			r.Line = "6.1"
			err := r.Err()
			if (err != nil) != (tt.want != "") {
				t.Fatalf("error %v, want %q", err, tt.want)
			}
			if err != nil && (err.Error() != "the negative control of line 6.1: "+tt.want || fault.KindOf(err) != fault.CheckFailed) {
				t.Errorf("error %v", err)
			}
			var depend []string
			for _, c := range r.Checks {
				if c.Depends {
					depend = append(depend, c.Name)
				}
			}
			if d := cmp.Diff(tt.depend, depend); d != "" {
				t.Errorf("depend on the series: %s", d)
			}
			text, err := r.JSON()
			if err != nil {
				t.Fatal(err)
			}
			var back Report
			if err := json.Unmarshal(text, &back); err != nil || cmp.Diff(r, back) != "" {
				t.Errorf("%v: %s", err, cmp.Diff(r, back))
			}
		})
	}
}

// The hint is the whole list, to be copied.
func TestTableAndHint(t *testing.T) {
	with := []boot.Verdict{verdict("x86_64", boot.Pass, "TestA=pass", "TestB=pass", "TestC=pass"), verdict("arm64", boot.Pass, "TestA=pass", "TestB=pass", "TestC=pass")}
	without := []boot.Verdict{verdict("x86_64", boot.CheckFailed, "TestA=fail", "TestB=pass", "TestC=pass"), verdict("arm64", boot.CheckFailed, "TestA=fail", "TestB=pass", "TestC=")}
	r := Compare(Rules{Independent: []string{"TestB"}}, []string{"TestA", "TestB", "TestC"}, with, without)
	r.Line = "6.1"
	if hint := fault.HintOf(r.Err()); !strings.HasSuffix(hint, `below [every] or [line."6.1"]: independent = ["TestB"]`) {
		t.Errorf("hint %q", hint)
	}
	var b bytes.Buffer
	if err := r.Table(&b); err != nil {
		t.Fatal(err)
	}
	want := `CHECK  WITH THE SERIES  WITHOUT
TestA  pass             fail                                 depends on the series
TestB  pass             pass                                 independent of the series
TestC  pass             did not end on arm64, pass on x86_64  WRONG: passes without the series on x86_64: it proves nothing about it
1 of 3 checks depend on the series
`
	if d := cmp.Diff(strings.Join(strings.Fields(want), " "), strings.Join(strings.Fields(b.String()), " ")); d != "" {
		t.Error(d)
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checks.toml")
	if f, err := Load(path); err != nil || len(f.Of("6.1", "debug").Independent) != 0 {
		t.Errorf("no file: %+v, %v", f, err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("[every]\nindependent = [\"TestA\"]\n[line.\"6.1\"]\nindependent = [\"TestB\"]\nskipped = [\"TestC\"]\n[flavour.debug]\nskipped = [\"TestD\"]\n")
	f, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want := Rules{Independent: []string{"TestA", "TestB"}, Skipped: []string{"TestC", "TestD"}}
	if d := cmp.Diff(want, f.Of("6.1", "debug")); d != "" {
		t.Error(d)
	}
	if got := f.Of("5.4", "release"); len(got.Independent) != 1 || len(got.Skipped) != 0 {
		t.Errorf("another line: %+v", got)
	}
	for _, bad := range []string{"[every]\nindependant = []\n", "[every\n"} {
		write(bad)
		if _, err := Load(path); fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
