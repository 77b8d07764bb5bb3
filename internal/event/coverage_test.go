package event

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func counters(t testing.TB, check, object, text string) Record {
	t.Helper()
	r, err := NewCoverage(check, object, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// line returns a record as it stands in the stream.
func line(t testing.TB, r Record) string {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestCountersComeBack(t *testing.T) {
	for _, text := range []string{"", "adcg\x00\xff", strings.Repeat("\x00", MaxCounters)} {
		rec := counters(t, "TestA", "/obj/a.gcda", text)
		back, err := Parse([]byte(line(t, rec)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := back.Coverage.Counters(); err != nil || string(got) != text || back.Coverage.Check != "TestA" || back.Coverage.Object != "/obj/a.gcda" {
			t.Errorf("%d bytes came back as %d, %v", len(text), len(got), err)
		}
	}
}

func TestCountersAreBounded(t *testing.T) {
	if _, err := NewCoverage("TestA", "a.gcda", make([]byte, MaxCounters+1)); err == nil {
		t.Error("more counters than there may be were packed")
	}
	// What cannot be packed well does not fit into a line.
	noise := make([]byte, MaxLine)
	src := rand.NewChaCha8([32]byte{})
	_, _ = src.Read(noise)
	if err := NewWriter(&bytes.Buffer{}).Send(counters(t, "", "a.gcda", string(noise))); err == nil {
		t.Error("a line longer than there may be was sent")
	}
}

func TestParseRefusesCounters(t *testing.T) {
	good := counters(t, "TestA", "a.gcda", "adcg")
	var bomb bytes.Buffer
	w, err := flate.NewWriter(&bomb, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, MaxCounters+1)); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(c *Coverage)
		want   string
	}{
		"nothing":          {func(c *Coverage) {}, ""},
		"no object":        {func(c *Coverage) { c.Object = "" }, "not a file of counters"},
		"another file":     {func(c *Coverage) { c.Object = "a.o" }, "not a file of counters"},
		"a terminal's":     {func(c *Coverage) { c.Object = "\x1b[2J.gcda" }, "not a file of counters"},
		"two lines":        {func(c *Coverage) { c.Object = "a\nb.gcda" }, "not a file of counters"},
		"long":             {func(c *Coverage) { c.Object = strings.Repeat("a/", 2048) + ".gcda" }, "not a file of counters"},
		"no data":          {func(c *Coverage) { c.Data = nil }, "unpack the counters"},
		"not packed":       {func(c *Coverage) { c.Data = []byte("adcg") }, "unpack the counters"},
		"cut":              {func(c *Coverage) { c.Data = c.Data[:len(c.Data)-3] }, "unpack the counters"},
		"something behind": {func(c *Coverage) { c.Data = append(bytes.Clone(c.Data), 'x') }, "something follows"},
		"a bomb":           {func(c *Coverage) { c.Data = bomb.Bytes() }, "more than 4194304 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			c := *good.Coverage
			tt.change(&c)
			_, err := Parse([]byte(line(t, Record{Type: TypeCoverage, Coverage: &c})))
			if (tt.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	for _, text := range []string{`{"type":"coverage"}`, `{"type":"tick","coverage":{"object":"a.gcda"}}`, `{"type":"coverage","id":"x","coverage":{"object":"a.gcda"}}`,
		`{"type":"coverage","coverage":{"object":"a.gcda","data":"*"}}`} {
		if _, err := Parse([]byte(text)); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
}

func TestStateOfCounters(t *testing.T) {
	boot, a := counters(t, "", "a.gcda", "boot"), counters(t, "TestA", "a.gcda", "A")
	run := record("run", "TestA", "")
	for name, tt := range map[string]struct {
		records []Record
		want    int // records kept
		bad     string
	}{
		"as it should be":      {[]Record{boot, run, a, counters(t, "TestA", "b.gcda", "A")}, 3, ""},
		"twice":                {[]Record{run, a, a}, 1, `the counters of "a.gcda" came twice for check "TestA"`},
		"of no check":          {[]Record{a, run}, 0, `counters of check "TestA", which did not run`},
		"of a part of a check": {[]Record{run, record("run", "TestA/x", ""), counters(t, "TestA/x", "a.gcda", "")}, 0, `counters of check "TestA/x", which did not run`},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewState("1d", nil)
			s.WantCoverage()
			s.Add(Record{Type: TypeHello, ID: "1d", Hello: &Hello{Proto: Proto}})
			for _, r := range tt.records {
				s.Add(r)
			}
			res := s.Result()
			if got := strings.Join(res.Violations, ", "); got != tt.bad || len(res.Coverage) != tt.want {
				t.Errorf("%d kept, violations %q", len(res.Coverage), got)
			}
		})
	}
	s := NewState("1d", nil)
	s.Add(Record{Type: TypeHello, ID: "1d", Hello: &Hello{Proto: Proto}})
	s.Add(boot)
	if d := cmp.Diff([]string{"counters, which nobody asked for"}, s.Result().Violations); d != "" {
		t.Error(d)
	}
}

func FuzzCounters(f *testing.F) {
	f.Add(counters(f, "TestA", "a.gcda", "adcg").Coverage.Data)
	f.Add(counters(f, "TestA", "a.gcda", strings.Repeat("x", 1<<16)).Coverage.Data)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		text, err := Coverage{Object: "a.gcda", Data: data}.Counters()
		if err != nil && text != nil || len(text) > MaxCounters {
			t.Fatalf("%d bytes, %v", len(text), err)
		}
	})
}
