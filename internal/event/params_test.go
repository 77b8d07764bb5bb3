package event

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseCmdline(t *testing.T) {
	tests := []struct {
		name    string
		text    string
		want    Params
		wantErr string
	}{
		{name: "none", text: "console=ttyS0 panic=-1 quiet\n"},
		{name: "all", text: "console=ttyS0 bzmage.id=0af bzmage.release=5.4.302-bzmage bzmage.run=^TestRand bzmage.mode=demo bzmage.timeout=90s\n",
			want: Params{ID: "0af", Release: "5.4.302-bzmage", Run: "^TestRand", Mode: ModeDemo, Timeout: 90 * time.Second}},
		{name: "quoted value", text: `a="b c" bzmage.run="A|B C" bzmage.id=1`, want: Params{ID: "1", Run: "A|B C"}},
		{name: "quoted word", text: `"bzmage.run=A B" bzmage.id=1`, want: Params{ID: "1", Run: "A B"}},
		{name: "open quote", text: `bzmage.id="1 2`, want: Params{ID: "1 2"}},
		{name: "value with =", text: `bzmage.run=a=b`, want: Params{Run: "a=b"}},
		{name: "last wins", text: "bzmage.id=1 bzmage.id=2", want: Params{ID: "2"}},
		{name: "words for init", text: "bzmage.id=1 -- bzmage.id=2", want: Params{ID: "1"}},
		{name: "of another program", text: "xbzmage.id=1 bzmage=2"},

		{name: "unknown", text: "bzmage.rum=x bzmage.id=1", want: Params{ID: "1"}, wantErr: "bzmage.rum: there is no such parameter"},
		{name: "mode", text: "bzmage.mode=dome", wantErr: `"dome" is neither checks nor demo`},
		{name: "timeout", text: "bzmage.timeout=5", wantErr: "missing unit"},
		{name: "timeout 0", text: "bzmage.timeout=0s", wantErr: "not a time to wait"},
		{name: "count", text: "bzmage.count=0", wantErr: "not a number from 1 to 1000"},
		{name: "shell", text: "bzmage.shell=yes", wantErr: "is not 1"},
		{name: "bench", text: "bzmage.bench=A/( bzmage.run=B/c", want: Params{Run: "B/c", Bench: "A/("}, wantErr: "missing closing )"},
		{name: "run", text: "bzmage.run=(", want: Params{Run: "("}, wantErr: "missing closing )"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseCmdline(tt.text)
			if (err != nil) != (tt.wantErr != "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("error %v, want %q", err, tt.wantErr)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestWords(t *testing.T) {
	p := Params{ID: "0af", Release: "6.1.192-bzmage", Run: "A B|C", Bench: "x/[y ]", Count: 3, Shell: true, Mode: ModeChecks, Timeout: 90 * time.Second}
	got, err := p.Words()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"bzmage.id=0af", "bzmage.release=6.1.192-bzmage", `bzmage.run="A B|C"`, `bzmage.bench="x/[y ]"`, "bzmage.count=3", "bzmage.shell=1", "bzmage.mode=checks", "bzmage.timeout=1m30s"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, bad := range []Params{{Run: `a"b`}, {Run: "ä"}, {ID: "1\n"}, {Mode: "dome"}, {Timeout: -1}, {Run: "("}, {Bench: "A/("}, {Count: -1}, {Count: MaxCount + 1}} {
		if w, err := bad.Words(); err == nil {
			t.Errorf("%+v: words %q, want an error", bad, w)
		}
	}
	if got, err := (Params{}).Words(); err != nil || got != nil {
		t.Errorf("nothing to say: %q, %v", got, err)
	}
}

func FuzzParseCmdline(f *testing.F) {
	f.Add("bzmage.id=1", "A B")
	f.Add(`a="b c" bzmage.run="A|B C" -- x`, `"`)
	f.Fuzz(func(t *testing.T, text, run string) {
		_, _ = ParseCmdline(text) // no panic is all that is asked
		p := Params{ID: "1", Run: run}
		words, err := p.Words()
		if err != nil {
			return
		}
		back, err := ParseCmdline("console=ttyS0 " + strings.Join(words, " ") + " panic=-1")
		if err != nil || back != p {
			t.Fatalf("%q: %+v, %v", words, back, err)
		}
	})
}
