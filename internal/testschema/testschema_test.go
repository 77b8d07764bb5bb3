package testschema

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"bzmage/internal/boot"
	"bzmage/internal/console"
	"bzmage/internal/coverage"
	"bzmage/internal/event"
	"bzmage/internal/report"
	"bzmage/internal/symbol"
)

// full returns a report with every field filled in.
func full() report.Report {
	sha := strings.Repeat("ab", 32)
	pass := boot.Verdict{
		Line: "6.1", Arch: "arm64", Flavour: "release", Release: "6.1.192-x", Toolchain: "llvm", BuildID: "0a0b",
		Started: time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC), Verdict: boot.Pass,
		SHA256:  map[string]string{"image": sha, "initramfs": sha, "config": sha, "series": sha, "verifier": sha},
		Machine: map[string]string{"accel": "tcg", "cpu": "max", "qemu": "7.2", "why": "x"}, Key: sha,
		Checks: []event.Check{{Name: "TestA", Status: event.Pass, Elapsed: 1.5, Output: "x", Cut: true}, {Name: "TestA/b", Status: event.Skip}},
		Guest:  &event.Hello{Proto: 1, Release: "6.1.192-x", Version: "#1", Machine: "aarch64", CPUs: 2, BuildID: "0a0b", Cmdline: "quiet"},
		Times: boot.Timeline{Firmware: 0.1, Kernel: 0.2, Init: 0.3, Hello: 0.4, FirstCheck: 0.5, Done: 0.6, End: 0.7,
			KernelInit: 0.1, KernelDone: 0.4},
		BootSeconds: 0.4, TotalSeconds: 0.7, Console: "c.log", Build: map[string]string{"time": "kept"},
	}
	bad := pass
	bad.Verdict, bad.Reason, bad.Fault = boot.Crashed, "oops", "crashed"
	bad.Missing, bad.Broken, bad.Tail, bad.Output = []string{"TestB"}, []string{"v"}, []string{"t"}, "o"
	bad.Crashes = []console.Crash{{Kind: "panic", Title: "panic: x", Key: "0123456789abcdef", From: 7, To: 9, Lines: []string{"l"}, Fatal: true}}
	return report.Report{
		Line: "6.1", Release: "6.1.192", Choice: "KERNEL", Source: map[string]string{"kind": "x"},
		Skipped:  []report.Skip{{Check: "TestA/b", Reason: "r", Targets: []string{"6.1 arm64 release llvm"}, Everywhere: true}},
		Verdicts: []boot.Verdict{pass, bad, {Line: "6.1", Arch: "x86_64", Flavour: "release", Verdict: boot.NoVerdict, Reason: "not built", Fault: "build"}},
	}
}

func TestWhatIsWrittenIsValid(t *testing.T) {
	dir := t.TempDir()
	if err := report.Write(dir, full()); err != nil {
		t.Fatal(err)
	}
	if err := File(filepath.Join(dir, "verdict.json")); err != nil {
		t.Error(err)
	}
	if err := report.Write(dir, report.Report{Line: "6.1"}); err != nil {
		t.Fatal(err)
	}
	if err := File(filepath.Join(dir, "verdict.json")); err != nil {
		t.Error(err)
	}
}

// Each of these is one step away from a valid report, and is not valid.
func TestSchemaRefuses(t *testing.T) {
	type m = map[string]any
	first := func(r m) m { return r["verdicts"].([]any)[0].(m) }
	check := func(r m) m { return first(r)["checks"].([]any)[0].(m) }
	tests := []struct {
		name, want string
		spoil      func(r m)
	}{
		{"no version", "version", func(r m) { delete(r, "version") }},
		{"another version", "version", func(r m) { r["version"] = 2 }},
		{"a field that nobody knows", "colour", func(r m) { r["colour"] = "red" }},
		{"a field of a verdict that nobody knows", "colour", func(r m) { first(r)["colour"] = "red" }},
		{"a verdict that is none", "verdict", func(r m) { first(r)["verdict"] = "fine" }},
		{"an arch that is none", "arch", func(r m) { first(r)["arch"] = "vax" }},
		{"half a hash", "sha256/image", func(r m) { first(r)["sha256"].(m)["image"] = "abab" }},
		{"a pass without its initramfs", "initramfs", func(r m) { delete(first(r)["sha256"].(m), "initramfs") }},
		{"a pass without an accelerator", "accel", func(r m) { delete(first(r)["machine"].(m), "accel") }},
		{"a pass without a done", "done", func(r m) { delete(first(r)["timeline"].(m), "done") }},
		{"a pass without checks", "checks", func(r m) { first(r)["checks"] = []any{} }},
		{"a pass with a failure", "status", func(r m) { check(r)["status"] = "fail" }},
		{"a pass of skips", "checks", func(r m) { check(r)["status"] = "skip" }},
		{"a pass with a check that did not end", "status", func(r m) { delete(check(r), "status") }},
		{"a pass with a violation", "violations", func(r m) { first(r)["violations"] = []any{"x"} }},
		{"a pass without a guest", "guest", func(r m) { delete(first(r), "guest") }},
		{"a failure without a reason", "reason", func(r m) { delete(r["verdicts"].([]any)[1].(m), "reason") }},
		{"a name of two lines", "name", func(r m) { check(r)["name"] = "TestA\nok 1" }},
		{"a time before the start", "hello", func(r m) { first(r)["timeline"].(m)["hello"] = -1 }},
		{"a start that is no time", "started", func(r m) { first(r)["started"] = "yesterday" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := full()
			in.Schema, in.Version = report.SchemaName, report.Version
			text, err := json.Marshal(in)
			if err != nil {
				t.Fatal(err)
			}
			var r m
			if err := json.Unmarshal(text, &r); err != nil {
				t.Fatal(err)
			}
			tt.spoil(r)
			if text, err = json.Marshal(r); err != nil {
				t.Fatal(err)
			}
			if err := Text(text); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one about %s", err, tt.want)
			}
		})
	}
}

// The schema names every field there is, and none that is not.
func TestSchemaNamesEveryField(t *testing.T) {
	var doc struct {
		Properties map[string]any `json:"properties"`
		Defs       map[string]struct {
			Properties map[string]any `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(report.Schema, &doc); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]any{
		"": report.Report{}, "verdict": boot.Verdict{}, "check": event.Check{}, "crash": console.Crash{},
		"guest": event.Hello{}, "timeline": boot.Timeline{}, "skip": report.Skip{}, "trace": boot.Trace{}, "frame": symbol.Frame{},
		"coverage": coverage.Report{}, "covered": coverage.Patch{}, "line": coverage.Line{},
	} {
		props := doc.Defs[name].Properties
		if name == "" {
			props = doc.Properties
		}
		var fields []string
		typ := reflect.TypeOf(v)
		for i := range typ.NumField() {
			if tag, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ","); tag != "-" && tag != "" {
				fields = append(fields, tag)
			}
		}
		for _, f := range fields {
			if _, ok := props[f]; !ok {
				t.Errorf("%v: the schema has no %s", typ, f)
			}
		}
		for p := range props {
			if !slices.Contains(fields, p) {
				t.Errorf("%v: the schema's %s is no field", typ, p)
			}
		}
	}
}
