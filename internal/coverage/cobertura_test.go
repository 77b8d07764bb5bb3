package coverage

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// grammar is what Cobertura's coverage-04.dtd asks of an element, of those that
// are written here.
type grammar struct {
	children string   // in their order: a regular expression over names, each with a blank behind it
	required []string // attributes; all that are written are
}

// dtd says which elements and attributes there are.
func dtd() map[string]grammar {
	return map[string]grammar{
		"coverage": {`(sources )?packages `, []string{"line-rate", "branch-rate", "lines-covered", "lines-valid", "branches-covered", "branches-valid",
			"complexity", "version", "timestamp"}},
		"sources":  {`(source )*`, nil},
		"source":   {``, nil},
		"packages": {`(package )*`, nil},
		"package":  {`classes `, []string{"name", "line-rate", "branch-rate", "complexity"}},
		"classes":  {`(class )*`, nil},
		"class":    {`methods lines `, []string{"name", "filename", "line-rate", "branch-rate", "complexity"}},
		"methods":  {`(method )*`, nil},
		"lines":    {`(line )*`, nil},
		"line":     {`(conditions )*`, []string{"number", "hits", "branch"}},
	}
}

// valid checks a document as an XML parser does with the DTD.
func valid(t *testing.T, text []byte) {
	t.Helper()
	type open struct{ name, children string }
	stack := []open{{}}
	for d := xml.NewDecoder(bytes.NewReader(text)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			g, ok := dtd()[e.Name.Local]
			var attrs []string
			for _, a := range e.Attr {
				attrs = append(attrs, a.Name.Local)
			}
			slices.Sort(attrs)
			slices.Sort(g.required)
			if !ok || !slices.Equal(attrs, g.required) {
				t.Errorf("%s: attributes %q, want %q", e.Name.Local, attrs, g.required)
			}
			stack[len(stack)-1].children += e.Name.Local + " "
			stack = append(stack, open{name: e.Name.Local})
		case xml.EndElement:
			last := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if !regexp.MustCompile("^" + dtd()[last.name].children + "$").MatchString(last.children) {
				t.Errorf("%s holds %s", last.name, last.children)
			}
		case xml.Directive:
			if want := `DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd"`; string(e) != want {
				t.Errorf("%s, want %s", e, want)
			}
		}
	}
	if stack[0].children != "coverage " {
		t.Errorf("the document holds %s", stack[0].children)
	}
}

// hits returns the document's lines, as GitLab reads them.
func hits(t *testing.T, text []byte) []string {
	t.Helper()
	var doc xmlCoverage
	if err := xml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	all := []string{fmt.Sprintf("%d of %d, %s", doc.Covered, doc.Valid, doc.LineRate)}
	for _, p := range doc.Packages {
		for _, c := range p.Classes {
			if strings.HasPrefix(c.File, "/") || doc.Sources[0] != "." {
				t.Errorf("%s below %q is no path of the repository", c.File, doc.Sources)
			}
			for _, l := range c.Lines {
				all = append(all, fmt.Sprintf("%s %s:%d %d", p.Name, c.File, l.Number, l.Hits))
			}
		}
	}
	return all
}

func TestCobertura(t *testing.T) {
	a, b := sample(), sample()
	b.Report.Patches[0].Lines[1].Runs = 4 // another arch runs it
	b.Report.Patches[0].Lines = b.Report.Patches[0].Lines[:2]
	a.Report.Patches[1].Lines[1].Excuse = "x"
	b.Report.Patches[1].Lines[1].Excuse = "x"
	for ofPatches, want := range map[bool][]string{
		true: {"4 of 4, 1.0000", "patches/6.1 patches/6.1/0001-a.patch:21 14", "patches/6.1 patches/6.1/0001-a.patch:23 4",
			"patches/6.1 patches/6.1/0001-a.patch:40 2", "patches/6.1 patches/6.1/0002-b.patch:18 2"},
		false: {"4 of 4, 1.0000", "fs fs/a.c:3 14", "fs fs/a.c:4 2", "fs fs/a.c:5 4", "include include/a.h:8 2"},
	} {
		text, err := Cobertura([]Target{a, b}, ofPatches)
		if err != nil {
			t.Fatal(err)
		}
		valid(t, text)
		if d := cmp.Diff(want, hits(t, text)); d != "" {
			t.Error(d)
		}
	}
	text, err := Cobertura([]Target{sample()}, false)
	if err != nil {
		t.Fatal(err)
	}
	if got := hits(t, text)[0]; got != "3 of 5, 0.6000" {
		t.Error(got)
	}
	if text, err = Cobertura(nil, true); err != nil {
		t.Fatal(err)
	}
	valid(t, text)
}
