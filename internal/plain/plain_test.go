package plain

import (
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	tests := []struct{ in, want string }{
		{"words\n\tand tabs", "words\n\tand tabs"},
		{"\x1b[31;1mred\x1b[0m \x1b[2J\x1bcend", "red end"},
		{"\x1b]0;title\x07x", "0;titlex"},
		{"bell\x07 back\b nul\x00 del\x7f c1\u009b", "bell back nul del c1"},
		{"cut \xff\xfe here", "cut ? here"},
		{"a\u202eb\u2066c", "abc"},
		{"a\u061cb\u200ec\u200fd", "abcd"},
		{"one\u2028line\u2029only", "onelineonly"},
		{"\ufeffun\U000e0041seen", "unseen"},
		{"no XML\ufffe\uffff", "no XML"},
		{"straße ✓", "straße ✓"},
	}
	for _, tt := range tests {
		if got := Text(tt.in); got != tt.want {
			t.Errorf("%q became %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestLine(t *testing.T) {
	tests := []struct {
		in, want string
		n        int
	}{
		{"short", "short", 10},
		{"two\nlines\t and\x1b[2J more", "two lines and more", 100},
		{"0123456789", "0123456789", 10},
		{"0123456789a", "0123456...", 10},
		{"ääääääää", "äää...", 10},
		{strings.Repeat("\x01", 100) + "x", "...", 10},
	}
	for _, tt := range tests {
		if got := Line(tt.in, tt.n); got != tt.want {
			t.Errorf("%q became %q, want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\x1b[31mb\xff\u0085")
	f.Fuzz(func(t *testing.T, s string) {
		got := Text(s)
		for _, r := range got {
			if r != '\n' && r != '\t' && (r < ' ' || r >= 0x7f && r < 0xa0) {
				t.Fatalf("%q is left in %q", r, s)
			}
		}
		if Text(got) != got {
			t.Errorf("%q is not plain the second time", got)
		}
	})
}
