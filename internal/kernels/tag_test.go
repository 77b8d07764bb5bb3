package kernels

import (
	"slices"
	"testing"
)

func TestTag(t *testing.T) {
	f := File{Lines: []Line{{Name: "5.4"}, {Name: "6.1"}, {Name: "6.12"}}}
	for tag, want := range map[string]string{
		"v5.4.302-bzmage": "5.4", "5.4.302": "5.4", "v5.4": "5.4", "5.4-2026.11": "5.4", "stable/v5.4.1": "5.4",
		"v6.1.5": "6.1", "v6.12.5": "6.12", "v6.12": "6.12", "v6.123": "", "v15.4.1": "", "release-1": "", "v5": "", "": "",
	} {
		l, ok := f.LineOfTag(tag)
		if l.Name != want || ok != (want != "") {
			t.Errorf("%q is of line %q, %v", tag, l.Name, ok)
		}
	}
	got := f.TagsOf("6.1", []string{"v6.1.5", "v6.12.5", "v5.4.1", "release-1"})
	if want := []string{"v6.1.5", "release-1"}; !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}
