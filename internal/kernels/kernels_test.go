package kernels

import (
	"strings"
	"testing"

	"bzmage/internal/fault"
)

const good = `
[[line]]
name = "5.4"
release = "5.4.302"
sha256 = "ae6a3207f12aa4d6cfb0fa793ec9da4a6fcdfdcb57d869d63d6b77e3a8c1423d"
sources = ["cache", "cdn"]
patches = "patches/5.4"
base = "tinyconfig"
fragments = ["a.config"]
localversion = "-x"

[flavour.release]

[source.cache]
kind = "cache"

[source.cdn]
kind = "http"
urls = ["http://localhost/{release}"]
`

func TestParse(t *testing.T) {
	f, err := Parse(good)
	if err != nil {
		t.Fatal(err)
	}
	l, ok := f.Line("5.4")
	if !ok || l.Release != "5.4.302" || len(l.Sources) != 2 {
		t.Errorf("got %+v", l)
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"unknown key", `base = `, "colour = \"red\"\nbase = ", "unknown key line.colour"},
		{"unknown table", `[flavour.release]`, "[flavour.release]\n[extra]\nx = 1", "unknown key extra"},
		{"syntax", `name = "5.4"`, `name = 5.4.`, "line 3"},
		{"name", `name = "5.4"`, `name = "five"`, "MAJOR.MINOR"},
		{"release of another line", `"5.4.302"`, `"5.10.1"`, "not a release of line 5.4"},
		{"no release", `"5.4.302"`, `"latest"`, "not a kernel release"},
		{"short hash", `"ae6a`, `"e6a`, "64 small hex digits"},
		{"unknown source", `"cdn"]`, `"ftp"]`, `source "ftp" is not described`},
		{"unknown kind", `kind = "http"`, `kind = "gopher"`, "unknown kind"},
		{"no address", `urls = ["http://localhost/{release}"]`, ``, "urls is missing"},
		{"no flavour", `[flavour.release]`, ``, "default flavour"},
		{"localversion", `"-x"`, `"-x y"`, "localversion"},
		{"no patches", `patches = "patches/5.4"`, ``, "patches is missing"},
		{"bad accept", `base = `, "accept = \"around 5\"\nbase = ", "accept"},
		{"twice", `[flavour.release]`, "[[line]]\nname = \"5.4\"\n[flavour.release]", "twice"},
		{"package without a name", `kind = "http"`, `kind = "package"`, "needs a package"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(good, tt.old, tt.new, 1)
			if text == good {
				t.Fatal("the test changes nothing")
			}
			if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestAccepts(t *testing.T) {
	tests := []struct {
		accept, release string
		ok              bool
	}{
		{"", "6.1.159", true},
		{"", "6.1.192", false},
		{"~> 6.1.0", "6.1.192", true},
		{"~> 6.1.0", "6.2.1", false},
		{">= 6.1.100", "6.1.99", false},
		{">= 6.0", "6.2.0", false},
		{"~> 6.1.0", "next", false},
	}
	for _, tt := range tests {
		l := Line{Name: "6.1", Release: "6.1.159", Accept: tt.accept}
		if err := l.Accepts(tt.release); (err == nil) != tt.ok {
			t.Errorf("accept %q, release %s: got %v", tt.accept, tt.release, err)
		}
	}
}

// The file of this checkout is one that is accepted, and its first line is 5.4.
func TestTheRealFile(t *testing.T) {
	f, err := Load("../../configs/kernels.toml")
	if err != nil {
		t.Fatal(err)
	}
	if got := f.LineNames(); len(got) < 2 || got[0] != "5.4" || got[1] != "6.1" {
		t.Errorf("lines %v", got)
	}
	if _, err := Load("no-such.toml"); fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
		t.Errorf("a missing file: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(good)
	f.Add("[[line]]\nname='5.4'")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse(text)
		if err != nil {
			return
		}
		for _, l := range file.Lines {
			if l.Check(l.Release) != nil || l.Accepts(l.Release) != nil {
				t.Errorf("line %q does not accept its own release %q", l.Name, l.Release)
			}
		}
	})
}
