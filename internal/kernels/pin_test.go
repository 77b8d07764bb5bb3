package kernels

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const otherSum = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// Only the two values of the one line change in the file of this checkout.
func TestPin(t *testing.T) {
	text, err := os.ReadFile("../../configs/kernels.toml")
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	l, _ := f.Line("5.4")
	want := strings.NewReplacer(`"`+l.Release+`"`, `"5.4.301"`, l.SHA256, otherSum).Replace(string(text))
	got, err := Pin(string(text), "5.4", "5.4.301", otherSum)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got == string(text) {
		t.Error("nothing changed")
	}
}

func TestPinRefuses(t *testing.T) {
	for _, tt := range []struct{ name, old, new, line, release, want string }{
		{"another line's release", "", "", "5.4", "6.1.3", "not a release of line 5.4"},
		{"no such line", "", "", "6.1", "6.1.3", "no line 6.1"},
		{"escaped", `"5.4.302"`, `"5.4.30\u0032"`, "5.4", "5.4.301", "by hand"},
		{"literal string", `"5.4.302"`, `'5.4.302'`, "5.4", "5.4.301", "by hand"},
		{"quoted key", `release =`, `"release" =`, "5.4", "5.4.301", "by hand"},
		{"broken", `name`, `name name`, "5.4", "5.4.301", "line 3"},
		{"looks like it in a string", `base = "tinyconfig"`, "base = '''x\nrelease = \"5.4.1\"\n'''", "5.4", "5.4.301", "by hand"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(good, tt.old, tt.new, 1)
			if got, err := Pin(text, tt.line, tt.release, otherSum); err == nil || !strings.Contains(err.Error(), tt.want) || got != "" {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

// What a pin of an unknown line proposes is accepted once its source is there.
func TestBlock(t *testing.T) {
	text := Block("5.10", "5.10.250") + "[flavour.release]\n[source.cache]\nkind = \"cache\"\n[source.\"kernel.org\"]\nkind = \"cache\"\n"
	if _, err := Parse(text); err != nil {
		t.Error(err)
	}
}

func FuzzPin(f *testing.F) {
	real, err := os.ReadFile("../../configs/kernels.toml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(real), "5.4.301")
	f.Add(good, "5.4")
	f.Add(strings.ReplaceAll(good, "\n", "\r\n"), "5.4.1")
	f.Fuzz(func(t *testing.T, text, release string) {
		got, err := Pin(text, "5.4", release, otherSum)
		if err != nil {
			return
		}
		after, err := Parse(got)
		if err != nil {
			t.Fatal(err)
		}
		l, _ := after.Line("5.4")
		if l.Release != release || l.SHA256 != otherSum {
			t.Errorf("got %+v", l)
		}
		before, _ := Parse(text)
		old, _ := before.Line("5.4")
		back, err := Pin(got, "5.4", old.Release, old.SHA256)
		if err != nil || back != text {
			t.Errorf("the way back gives another text: %v\n%s", err, cmp.Diff(text, back))
		}
	})
}
