package fetch

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-version"
)

func TestParseSums(t *testing.T) {
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	for _, tt := range []struct{ name, text, bad string }{
		{"two", a + "  one\n" + b + "  two.tar.xz\n", ""},
		{"no line end", a + "  one\n" + b + "  two.tar.xz", ""},
		{"empty line", a + "  one\n\n" + b + "  two.tar.xz\n", ""},
		{"twice", a + "  one\n" + b + "  one\n", "a second time"},
		{"one space", a + " one\n", "not a sha256"},
		{"binary", a + " *one\n", "not a sha256"},
		{"capitals", strings.ToUpper(a) + "  one\n", "not a sha256"},
		{"short", a[1:] + "  one\n", "not a sha256"},
		{"a name with a space", a + "  one two\n", "not a sha256"},
		{"crlf", a + "  one\r\n", "not a sha256"},
		{"escape", a + "  \x1b[1mone\n", "not a sha256"},
		{"nothing", "\n", "empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseSums(tt.text)
			if tt.bad != "" {
				if err == nil || !strings.Contains(err.Error(), tt.bad) || got != nil {
					t.Errorf("got %v, %v", got, err)
				}
				return
			}
			if d := cmp.Diff(map[string]string{"one": a, "two.tar.xz": b}, got); d != "" || err != nil {
				t.Error(d, err)
			}
		})
	}
}

func FuzzParseSums(f *testing.F) {
	f.Add(strings.Repeat("a", 64) + "  linux-5.4.302.tar.xz\n")
	f.Add(strings.Repeat("a", 64) + " *x\n\n")
	name := regexp.MustCompile(`^[!-~]+$`)
	f.Fuzz(func(t *testing.T, text string) {
		sums, err := ParseSums(text)
		if (err == nil) != (len(sums) > 0) {
			t.Errorf("got %v, %v", sums, err)
		}
		for n, sum := range sums {
			if !name.MatchString(n) || !reSum.MatchString(sum) || !strings.Contains(text, sum+"  "+n) {
				t.Errorf("got %q, %q", n, sum)
			}
		}
	})
}

// releasesText is in the form of kernel.org's file, with its null values.
const releasesText = `{"latest_stable":{"version":"6.12.1"},"releases":[
{"iseol":false,"version":"next-20260904","moniker":"linux-next","source":null,"pgp":null,"changelog":null},
{"iseol":false,"version":"6.13-rc1","moniker":"mainline","source":"x","pgp":null},
{"iseol":false,"version":"6.12.1","moniker":"stable","source":"x","pgp":"x","patch":{"full":"x","incremental":null}},
{"iseol":true,"version":"5.4.302","moniker":"longterm","source":"x","pgp":"x"}]}`

func TestParseReleases(t *testing.T) {
	got, err := ParseReleases([]byte(releasesText))
	if d := cmp.Diff([]Known{{"6.12.1", false}, {"5.4.302", true}}, got); d != "" || err != nil {
		t.Error(d, err)
	}
	for _, text := range []string{"", "[]", "{}", `{"releases":[]}`, `{"releases":[{"version":5}]}`, "<html>"} {
		if got, err := ParseReleases([]byte(text)); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func FuzzParseReleases(f *testing.F) {
	f.Add([]byte(releasesText))
	f.Add([]byte(`{"releases":[{"version":"\u001b[1m"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := ParseReleases(text)
		if err != nil && len(all) > 0 {
			t.Errorf("got %v, %v", all, err)
		}
		for _, k := range all {
			if strings.Trim(k.Version, "0123456789.") != "" || len(k.Version) > 15 {
				t.Errorf("got %q", k.Version)
			}
		}
	})
}

func TestNewestOf(t *testing.T) {
	list := []string{"5.4.9", "5.4.302", "5.4.31", "5.10.1", "x"}
	for constraint, want := range map[string]string{"~> 5.4.0": "5.4.302", "< 5.4.300": "5.4.31", "> 5.4": "5.10.1", "> 6": ""} {
		c, err := version.NewConstraint(constraint)
		if err != nil {
			t.Fatal(err)
		}
		if got := NewestOf(list, c, func(string) bool { return true }); got != want {
			t.Errorf("%s: %q, want %q", constraint, got, want)
		}
	}
	c, _ := version.NewConstraint("> 5")
	if got := NewestOf(list, c, func(r string) bool { return r == "5.4.9" }); got != "5.4.9" {
		t.Errorf("got %q", got)
	}
}
