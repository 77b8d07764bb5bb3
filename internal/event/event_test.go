package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name    string
		line    string
		want    Record
		wantErr string
	}{
		{name: "tick", line: `{"type":"tick"}`, want: Record{Type: TypeTick}},
		{name: "hello", line: `{"type":"hello","id":"ab","hello":{"proto":1,"release":"5.4.302-bzmage"}}`,
			want: Record{Type: TypeHello, ID: "ab", Hello: &Hello{Proto: 1, Release: "5.4.302-bzmage"}}},
		{name: "test", line: `{"type":"test","test":{"Action":"pass","New":"field of a later Go"}}`,
			want: Record{Type: TypeTest, Test: json.RawMessage(`{"Action":"pass","New":"field of a later Go"}`)}},
		{name: "done", line: `{"type":"done","id":"ab","done":{"exit":1,"error":"x","uptime":2.5}}`,
			want: Record{Type: TypeDone, ID: "ab", Done: &Done{Exit: 1, Error: "x", Uptime: 2.5}}},

		{name: "empty line", line: ``, wantErr: "no whole JSON object"},
		{name: "half an object", line: `{"type":"ti`, wantErr: "no whole JSON object"},
		{name: "two objects", line: `{"type":"tick"}{"type":"tick"}`, wantErr: "something follows"},
		{name: "garbage behind", line: `{"type":"tick"} x`, wantErr: "something follows"},
		{name: "NUL", line: "\x00", wantErr: "invalid character"},
		{name: "another type of value", line: `[1]`, wantErr: "cannot unmarshal"},
		{name: "null", line: `null`, wantErr: "without a type"},
		{name: "no type", line: `{}`, wantErr: "without a type"},
		{name: "unknown type", line: `{"type":"bye"}`, wantErr: `unknown record type "bye"`},
		{name: "unknown field", line: `{"type":"tick","x":1}`, wantErr: "unknown field"},
		{name: "hello without content", line: `{"type":"hello"}`, wantErr: "without its content"},
		{name: "done without content", line: `{"type":"done"}`, wantErr: "without its content"},
		{name: "test without content", line: `{"type":"test"}`, wantErr: "read a test event"},
		{name: "test without an action", line: `{"type":"test","test":{}}`, wantErr: "without an Action"},
		{name: "test of null", line: `{"type":"test","test":null}`, wantErr: "without an Action"},
		{name: "tick with an id", line: `{"type":"tick","id":"ab"}`, wantErr: "content of another type"},
		{name: "tick with a done", line: `{"type":"tick","done":{}}`, wantErr: "content of another type"},
		{name: "done with a test", line: `{"type":"done","done":{},"test":{"Action":"pass"}}`, wantErr: "content of another type"},
		{name: "exit code of another type", line: `{"type":"done","done":{"exit":"0"}}`, wantErr: "cannot unmarshal"},
		{name: "exit code too large", line: `{"type":"done","done":{"exit":1e99}}`, wantErr: "cannot unmarshal"},
		{name: "deep", line: strings.Repeat("[", 20000), wantErr: "exceeded max depth"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse([]byte(tt.line))
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Fatalf("error %v, want one with %q", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestReaderGoesOnAfterABadLine(t *testing.T) {
	long := strings.Repeat("x", MaxLine+70000)
	in := "{\"type\":\"tick\"}\nnonsense\n" + long + "\n\xff\n{\"type\":\"tick\"}\n{\"type\":\"ti"
	for _, r := range []io.Reader{strings.NewReader(in), iotest.HalfReader(strings.NewReader(in)), iotest.DataErrReader(strings.NewReader(in))} {
		rd := NewReader(r)
		var got []string
		for {
			rec, err := rd.Next()
			if err == io.EOF {
				break
			}
			var bad *LineError
			switch {
			case errors.As(err, &bad):
				got = append(got, bad.Error())
				if strings.Contains(bad.Error(), "ends within") != errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("%v: only a torn line is an ErrUnexpectedEOF", err)
				}
			case err != nil:
				t.Fatal(err)
			default:
				got = append(got, rec.Type)
			}
		}
		want := []string{"tick",
			"line 2 of the events: invalid character 'o' in literal null (expecting 'u')",
			"line 3 of the events: longer than 1048576 bytes",
			"line 4 of the events: not valid UTF-8",
			"tick",
			"line 6 of the events: the stream ends within the line: unexpected EOF"}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
}

func TestReaderReportsTheErrorOfTheStream(t *testing.T) {
	broken := errors.New("broken")
	r := NewReader(io.MultiReader(strings.NewReader("{\"type\":\"tick\"}\n{\"ty"), iotest.ErrReader(broken)))
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); !errors.Is(err, broken) {
		t.Errorf("error %v, want the stream's", err)
	}
}

// A line of exactly MaxLine bytes is the longest one that passes.
func TestLongestLine(t *testing.T) {
	for _, extra := range []int{0, 1} {
		empty := len(`{"type":"done","done":{"exit":0,"error":"","uptime":0}}` + "\n")
		r := Record{Type: TypeDone, Done: &Done{Error: strings.Repeat("x", MaxLine-empty+extra)}}
		var b bytes.Buffer
		err := NewWriter(&b).Send(r)
		if (err != nil) != (extra == 1) {
			t.Fatalf("%d bytes too many: send: %v", extra, err)
		}
		if err != nil {
			continue
		}
		if got, err := NewReader(&b).Next(); err != nil || got.Done.Error != r.Done.Error {
			t.Errorf("read back: %v", err)
		}
	}
}

type countingWriter struct {
	bytes.Buffer
	writes int
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.writes++
	return w.Buffer.Write(p)
}

func TestWriterIsSharedAndWritesALineAtOnce(t *testing.T) {
	var out countingWriter
	w := NewWriter(&out)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				r, err := NewTest(TestEvent{Action: "output", Output: "<\n\xff>"})
				if err == nil {
					err = w.Send(r)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if out.writes != 800 {
		t.Errorf("%d writes, want 800", out.writes)
	}
	n := 0
	for rd := NewReader(&out.Buffer); ; n++ {
		rec, err := rd.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, err := ParseTest(rec.Test); err != nil || e.Output != "<\n\uFFFD>" {
			t.Fatalf("event %+v, %v", e, err)
		}
	}
	if n != 800 {
		t.Errorf("%d records, want 800", n)
	}
}

func TestWriterMakesRawEventsValid(t *testing.T) {
	var b bytes.Buffer
	if err := NewWriter(&b).Send(Record{Type: TypeTest, Test: json.RawMessage("{\"Action\":\"run\xff\"}")}); err != nil {
		t.Fatal(err)
	}
	if _, err := NewReader(&b).Next(); err != nil {
		t.Error(err)
	}
}

type failingWriter struct{ calls int }

func (w *failingWriter) Write([]byte) (int, error) {
	w.calls++
	return 3, io.ErrShortWrite
}

func TestWriterStopsAfterATornLine(t *testing.T) {
	var f failingWriter
	w := NewWriter(&f)
	for range 3 {
		if err := w.Send(Record{Type: TypeTick}); !errors.Is(err, io.ErrShortWrite) {
			t.Fatalf("error %v", err)
		}
	}
	if f.calls != 1 {
		t.Errorf("%d writes, want 1", f.calls)
	}
}

func TestSelect(t *testing.T) {
	checks := []string{"TestRandFormat", "TestRandSelf", "TestRelease"}
	for run, want := range map[string][]string{
		"":                          checks,
		"Rand":                      checks[:2],
		"^TestRelease$|RandSelf":    checks[1:],
		"Nothing":                   nil,
		"TestRandFormat/x":          checks[:1],
		"TestRandFormat/x|Rel":      {checks[0], checks[2]},
		"Self/(a|b)/[/|]":           checks[1:2],
		"Test(Release|RandSelf)":    checks[1:],
		`Test\|x`:                   nil,
		"/x":                        checks,
		"(":                         nil,
		"Rand/(":                    nil,
		`Rand"`:                     nil,
		"^(TestRandFormat|Other)$$": checks[:1],
	} {
		got, err := Select(checks, run)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q: %s", run, d)
		}
		if bad := strings.HasSuffix(run, "(") || strings.Contains(run, `"`); bad != (err != nil) {
			t.Errorf("%q: error %v", run, err)
		}
	}
}
