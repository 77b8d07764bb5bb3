package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	hello = `{"type":"hello","id":"1d","hello":{"proto":1,"release":"6.1.192","cpus":2}}`
	done  = `{"type":"done","id":"1d","done":{"exit":0,"uptime":2}}`
)

// ev returns the line of a test event.
func ev(action, test, output string) string {
	b, err := json.Marshal(record(action, test, output))
	if err != nil {
		panic(err)
	}
	return string(b)
}

func record(action, test, output string) Record {
	e := TestEvent{Action: action, Package: Package, Test: test, Output: output}
	if action == Pass || action == Fail {
		s := 0.25
		e.Elapsed = &s
	}
	r, err := NewTest(e)
	if err != nil {
		panic(err)
	}
	return r
}

func fold(t *testing.T, expected []string, lines ...string) Result {
	t.Helper()
	s := NewState("1d", expected)
	if err := s.Fold(strings.NewReader(strings.Join(lines, "\n") + "\n")); err != nil {
		t.Fatal(err)
	}
	return s.Result()
}

func TestResultOfAPass(t *testing.T) {
	got := fold(t, []string{"TestA", "TestB"}, hello,
		ev("start", "", ""), ev("run", "TestA", ""), ev("output", "TestA", "=== RUN\n"), `{"type":"tick"}`,
		ev("run", "TestA/part", ""), ev(Pass, "TestA/part", ""), ev("pause", "TestA", ""), ev("cont", "TestA", ""), ev(Pass, "TestA", ""),
		ev("run", "TestB", ""), ev("output", "TestB", "why\n"), ev("output", "TestB", "\x1b[2J\r\n"), ev(Skip, "TestB", ""),
		ev("output", "", "PASS\n"), ev("of a later Go", "TestB", ""), ev(Pass, "", ""), done)
	want := Result{
		Hello: &Hello{Proto: 1, Release: "6.1.192", CPUs: 2},
		Checks: []Check{
			{Name: "TestA", Status: Pass, Elapsed: 0.25, Output: "=== RUN\n"},
			{Name: "TestA/part", Status: Pass, Elapsed: 0.25},
			{Name: "TestB", Status: Skip, Output: "why\n\n"},
		},
		Output: "PASS\n",
		Done:   &Done{Uptime: 2},
		Ticks:  1,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if p := got.Problems(); p != nil {
		t.Errorf("problems %q, want none", p)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var back Result
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(got, back); d != "" {
		t.Errorf("JSON round trip: %s", d)
	}
}

// Each of these streams must not pass, and must say why.
func TestProblems(t *testing.T) {
	expected := []string{"TestA"}
	passA := ev(Pass, "TestA", "")
	tests := []struct {
		name  string
		lines []string
		want  []string
	}{
		{"nothing", []string{}, []string{"line 1 of the events: no whole JSON object", "there is no hello", "there is no done", "check TestA did not end"}},
		{"no hello", []string{passA, done}, []string{"a test before the hello", "a done before the hello", "there is no hello"}},
		{"no done", []string{hello, passA}, []string{"there is no done"}},
		{"second hello", []string{hello, hello, passA, done}, []string{"a second hello"}},
		{"second done", []string{hello, passA, done, done}, []string{"a done after the done"}},
		{"after the done", []string{hello, done, passA, `{"type":"tick"}`},
			[]string{"a test after the done", "a tick after the done", "check TestA did not end"}},
		{"id of another boot", []string{strings.Replace(hello, "1d", "2e", 1), passA, strings.Replace(done, `"1d"`, `""`, 1)},
			[]string{`the hello has the id "2e" of another boot, not "1d"`, `the done has the id "" of another boot, not "1d"`}},
		{"another protocol", []string{strings.Replace(hello, `"proto":1`, `"proto":9`, 1), passA, done}, []string{"the guest speaks protocol 9, not 1"}},
		{"missing", []string{hello, ev("run", "TestA", ""), done}, []string{"check TestA did not end"}},
		{"unexpected", []string{hello, passA, ev("run", "TestB", ""), ev(Pass, "TestB/part", ""), ev(Pass, "TestB", ""), done},
			[]string{"check TestB was not expected", "check TestB/part was not expected"}},
		{"ended twice", []string{hello, ev(Fail, "TestA", ""), passA, done},
			[]string{"check TestA ended twice: fail and pass", "the done says exit code 0, but check TestA failed", "check TestA failed"}},
		{"failed", []string{hello, ev(Fail, "TestA", ""), strings.Replace(done, `"exit":0`, `"exit":1`, 1)},
			[]string{"the checks ended with exit code 1", "check TestA failed"}},
		{"failed part", []string{hello, ev("run", "TestA", ""), ev(Fail, "TestA/x", ""), passA, strings.Replace(done, `"exit":0`, `"exit":1`, 1)},
			[]string{"the checks ended with exit code 1", "check TestA/x failed"}},
		{"exit code alone", []string{hello, passA, strings.Replace(done, `"exit":0`, `"exit":2`, 1)}, []string{"the checks ended with exit code 2"}},
		{"error of the guest", []string{hello, passA, strings.Replace(done, `"exit":0`, `"exit":0,"error":"mount /proc"`, 1)}, []string{"the guest says: mount /proc"}},
		{"a part before its check", []string{hello, ev("run", "TestA/x", ""), ev(Pass, "TestA/x", ""), passA, done},
			[]string{"part TestA/x of a check that did not begin", "part TestA/x of a check that did not begin"}},
		{"a part after its check", []string{hello, passA, ev("run", "TestA/x", ""), done}, []string{"part TestA/x of a check that had ended"}},
		{"another package", []string{hello, strings.Replace(passA, Package, "fmt", 1), done}, []string{`a test event of package "fmt"`}},
		{"bad name", []string{hello, passA, ev(Pass, "Test\x1b", ""), done}, []string{"\"Test\\x1b\" is not the name of a check"}},
		{"a name with a newline", []string{hello, passA, ev("run", "TestA\nok 1", ""), done}, []string{`"TestA\nok 1" is not the name of a check`}},
		{"a name that turns text", []string{hello, ev("run", "TestA", ""), ev("run", "TestA/\u202exe", ""), passA, done}, []string{`"TestA/\u202exe" is not the name of a check`}},
		{"garbage", []string{hello, "garbage", passA, done}, []string{"line 2 of the events: invalid character 'g' looking for beginning of value"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, fold(t, expected, tt.lines...).Problems()); d != "" {
				t.Error(d)
			}
		})
	}
}

// Where checks run more than once, parts belong to the run they are in, also
// behind one that failed.
func TestPartsOfRepeatedChecks(t *testing.T) {
	s := NewState("1d", []string{"TestA"})
	s.Repeat(2)
	s.Add(Record{Type: TypeHello, ID: "1d", Hello: &Hello{Proto: Proto}})
	for range 2 {
		for _, e := range [][2]string{{"run", "TestA"}, {"run", "TestA/x"}, {Fail, "TestA/x"}, {Fail, "TestA"}} {
			s.Add(record(e[0], e[1], ""))
		}
	}
	if v := s.Result().Violations; v != nil {
		t.Errorf("violations %q", v)
	}
	s.Add(record("run", "TestA/x", ""))
	if d := cmp.Diff([]string{"part TestA/x of a check that had ended"}, s.Result().Violations); d != "" {
		t.Error(d)
	}
}

func TestStateIsBounded(t *testing.T) {
	s := NewState("1d", nil)
	flood := strings.Repeat("ä\x01", 50_000) // \x01 goes when cleaned
	s.Add(Record{Type: TypeHello, ID: "1d", Hello: &Hello{Proto: Proto}})
	for i := range 225 {
		s.Add(record("output", fmt.Sprint("Test", i%75), flood))
	}
	for i := range keepChecks + 500 {
		s.Add(record(Pass, fmt.Sprint("TestN", i), ""))
		s.Violate("violation %d", i)
	}
	res, total := s.Result(), 0
	for _, c := range res.Checks {
		total += len(c.Output)
		if len(c.Output) > keepOutput || strings.Contains(c.Output, "\x01") || strings.ToValidUTF8(c.Output, "") != c.Output {
			t.Fatalf("output of %s: %d bytes, or not clean", c.Name, len(c.Output))
		}
	}
	if total > keepTotal || len(res.Checks) != keepChecks || len(res.Violations) != keepViolations+1 {
		t.Errorf("kept %d bytes, %d checks, %d violations", total, len(res.Checks), len(res.Violations))
	}
	if !res.Checks[74].Cut {
		t.Error("nothing says that the output was cut")
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(hello + "\n" + ev("run", "TestA", "") + "\n" + ev("output", "TestA", "x\n") + "\n" + ev(Fail, "TestA", "") + "\n" + done + "\n"))
	f.Add([]byte("{\"type\":\"tick\"}\n\n\xff\n{"))
	f.Add([]byte(`{"type":"test","test":{"Action":"pass","Test":"TestA","Elapsed":-1e300}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		s, rd := NewState("1d", []string{"TestA"}), NewReader(bytes.NewReader(in))
		for n := 1; ; n++ {
			rec, err := rd.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				if bad, ok := err.(*LineError); !ok || bad.Line != n {
					t.Fatalf("line %d: %v", n, err)
				}
				continue
			}
			s.Add(rec)
			roundTrip(t, rec)
		}
		if err := NewState("", nil).Fold(bytes.NewReader(in)); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(s.Result())
		if err != nil {
			t.Fatal(err)
		}
		if res := s.Result(); len(res.Problems()) == 0 && (res.Done == nil || res.Checks[0].Status == "") {
			t.Fatalf("passes: %s", text)
		}
	})
}

// roundTrip sends rec and reads it back.
func roundTrip(t *testing.T, rec Record) {
	t.Helper()
	var b bytes.Buffer
	if err := NewWriter(&b).Send(rec); err != nil {
		if strings.Contains(err.Error(), "longer than") { // escapes may lengthen it
			return
		}
		t.Fatal(err)
	}
	back, err := NewReader(&b).Next()
	if err != nil {
		t.Fatalf("%+v: %v", rec, err)
	}
	a, _ := ParseTest(rec.Test)
	c, _ := ParseTest(back.Test)
	rec.Test, back.Test = nil, nil
	if d := cmp.Diff(rec, back) + cmp.Diff(a, c); d != "" {
		t.Fatal(d)
	}
}
