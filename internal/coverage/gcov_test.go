package coverage

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const oneDocument = `{"gcc_version": "12.2.0", "files": [{"lines": [{"branches": [], "count": 1, "line_number": 2, "unexecuted_block": false, "function_name": "f"}],
"functions": [], "file": "fs/a.c"}], "format_version": "1", "current_working_directory": "/obj", "data_file": "0.gcda"}`

func TestParseGcov(t *testing.T) {
	docs, err := ParseGcov(strings.NewReader(oneDocument + "\n" + oneDocument))
	if err != nil || len(docs) != 2 || docs[1].Files[0].Name != "fs/a.c" {
		t.Fatalf("%+v, %v", docs, err)
	}
	for name, tt := range map[string]struct{ old, new, want string }{
		"cut":             {`"0.gcda"}`, `"0.gc`, "unexpected EOF"},
		"another format":  {`"format_version": "1"`, `"format_version": "3"`, `the format "3"`},
		"a new field":     {`"count": 1`, `"count": 1, "colour": 2`, `unknown field "colour"`},
		"no data file":    {`"0.gcda"`, `""`, "names no object"},
		"no files":        {`"files"`, `"functions"`, "unknown field"},
		"a negative line": {`"line_number": 2`, `"line_number": -2`, "line -2"},
		"no name":         {`"fs/a.c"`, `""`, `file ""`},
		"words":           {`"count": 1`, `"count": "1"`, "cannot unmarshal"},
		"a huge count":    {`"count": 1`, `"count": 1e30`, "cannot unmarshal"},
	} {
		text := strings.Replace(oneDocument, tt.old, tt.new, 1)
		if _, err := ParseGcov(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// Names of the compiler come in several forms, and a count below zero is none.
func TestCounts(t *testing.T) {
	c := counts{}
	file := func(name string, count int64) []Document {
		return []Document{{Files: []SourceFile{{Name: name, Lines: []Count{{Line: 2, Count: count}}}}}}
	}
	for _, name := range []string{"fs/a.c", "/src/fs/a.c", "./fs/a.c", "fs/proc/../a.c"} {
		c.add("TestA", "/src", file(name, 3))
	}
	c.add("TestB", "/src", file("fs/a.c", -5))
	c.add("", "/src", file("fs/a.c", 1))
	got, ok := c.line(AddedLine{File: "fs/a.c", Line: 2})
	if d := cmp.Diff(Line{File: "fs/a.c", Line: 2, Runs: 12, Boot: 1, By: []string{"TestA"}}, got); d != "" || !ok {
		t.Error(d)
	}
	if _, ok := c.line(AddedLine{File: "fs/a.c", Line: 3}); ok {
		t.Error("a line that nobody named is code")
	}
}

func FuzzParseGcov(f *testing.F) {
	f.Add([]byte(oneDocument))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		docs, err := ParseGcov(bytes.NewReader(text))
		if err != nil && docs != nil {
			t.Fatalf("%v and %v", docs, err)
		}
		counts{}.add("TestA", "/src", docs)
	})
}
