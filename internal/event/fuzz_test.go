package event

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"bzmage/internal/plain"
)

// FuzzState plays guests that send whole records, in any order and number,
// with any texts in them. Whatever they say, the result is bounded and clean,
// and passes only if the guest said all that it has to, in order.
func FuzzState(f *testing.F) {
	f.Add([]byte("hrpod"), "TestA", "out\n", "1d")
	f.Add([]byte("hrpRPod"), "part", "\x1b[2J\u202e", "1d")
	f.Add([]byte("hhrfpdd"), "../../etc\n", strings.Repeat("x", 3000), "2e")
	f.Add([]byte("thrtpsdt"), "a/b", "", "")
	f.Fuzz(func(t *testing.T, ops []byte, name, text, id string) {
		s := NewState("1d", []string{"TestA", "TestB"})
		var sent []Record
		for _, op := range ops[:min(len(ops), 200)] {
			sent = append(sent, fuzzRecord(op, name, text, id))
			s.Add(sent[len(sent)-1])
		}
		res := s.Result()
		mustBeClean(t, res)
		if len(res.Problems()) == 0 {
			mustHavePassed(t, sent, res)
		}
	})
}

// fuzzRecord returns the record that a byte stands for.
func fuzzRecord(op byte, name, text, id string) Record {
	actions := map[byte]string{'r': "run", 'p': Pass, 'f': Fail, 's': Skip, 'o': "output"}
	switch op {
	case 'h':
		return Record{Type: TypeHello, ID: id, Hello: &Hello{Proto: Proto, Release: text, Version: name, Cmdline: text, BuildID: name}}
	case 'd':
		return Record{Type: TypeDone, ID: id, Done: &Done{}}
	case 'D':
		return Record{Type: TypeDone, ID: id, Done: &Done{Exit: len(text), Error: text}}
	case 't':
		return Record{Type: TypeTick}
	case 'b':
		return record("run", "TestB", "")
	case 'B':
		return record(Pass, "TestB", "")
	case 'a':
		return record("run", "TestA", "")
	case 'A':
		return record(Pass, "TestA", "")
	}
	if a, ok := actions[op]; ok {
		return record(a, name, text)
	}
	if a, ok := actions[op|0x20]; ok { // upper case: a part
		return record(a, "TestA/"+name, text)
	}
	return Record{Type: text}
}

// mustBeClean looks at every text of a result.
func mustBeClean(t *testing.T, res Result) {
	t.Helper()
	text, err := json.Marshal(res)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Violations) > keepViolations+1 || len(res.Checks) > keepChecks {
		t.Fatalf("%d violations, %d checks", len(res.Violations), len(res.Checks))
	}
	all := append(slices.Clone(res.Violations), res.Output)
	for _, c := range res.Checks {
		if strings.ContainsAny(c.Name, "\n\t") || len(c.Name) > keepName {
			t.Fatalf("a check is called %q", c.Name)
		}
		all = append(all, c.Name, c.Output)
	}
	if h := res.Hello; h != nil {
		all = append(all, h.Release, h.Version, h.Machine, h.BuildID, h.Cmdline)
	}
	if res.Done != nil {
		all = append(all, res.Done.Error)
	}
	for _, s := range all {
		if plain.Text(s) != s || !utf8.ValidString(s) {
			t.Fatalf("%q is not clean, in %s", s, text)
		}
	}
}

// mustHavePassed says what a stream without problems has in it.
func mustHavePassed(t *testing.T, sent []Record, res Result) {
	t.Helper()
	first, last := sent[0], sent[len(sent)-1]
	if first.Type != TypeHello || last.Type != TypeDone || first.ID != "1d" || last.ID != "1d" || last.Done.Exit != 0 {
		t.Fatalf("passes from %+v to %+v", first, last)
	}
	for _, name := range []string{"TestA", "TestB"} {
		if !slices.ContainsFunc(res.Checks, func(c Check) bool { return c.Name == name && (c.Status == Pass || c.Status == Skip) }) {
			t.Fatalf("passes without %s: %+v", name, res.Checks)
		}
	}
	for _, c := range res.Checks {
		if c.Status == Fail {
			t.Fatalf("passes with a failure: %s", fmt.Sprint(c))
		}
	}
}
