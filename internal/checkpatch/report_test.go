package checkpatch

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
	"github.com/jstemmer/go-junit-report/v2/junit"
	standard "github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/xeipuuv/gojsonschema"
)

var update = flag.Bool("update", false, "write the golden files")

// sample has a finding of each level and kind, new and accepted.
func sample() Result {
	f := []Finding{
		{Patch: "0001-a b.patch", Line: 12, File: "kernel/x y.c", FileLine: 3, Level: Error, Type: "TRAILING_WHITESPACE",
			Message: `trailing "whitespace" <&> \x1b`, Text: "+\tx = \"\\\"; ", Fingerprint: strings.Repeat("a", 64)},
		{Patch: "0001-a b.patch", Line: 30, Level: Warning, Type: "SUBJECT_PREFIX", Message: "m", Text: "Subject: ü", Fingerprint: strings.Repeat("b", 64), Accepted: "it is an import"},
		{Patch: "0002-b.patch", Line: 1, File: "new.c", Level: Check, Type: "FILE_PATH_CHANGES", Message: "m", Text: "new file mode 100644", Fingerprint: strings.Repeat("c", 64), Accepted: "no maintainer"},
		{Patch: "0004-d.patch", Line: 9, Level: Error, Type: "MISSING_SIGN_OFF", Message: "m", Fingerprint: strings.Repeat("d", 64)},
	}
	return Result{Folder: "patches/5.4", Patches: []string{"0001-a b.patch", "0002-b.patch", "0003-c.patch", "0004-d.patch"}, Findings: f, Stale: []Accept{}}
}

func clear() Result {
	return Result{Folder: "patches/5.4", Patches: []string{"0001-a.patch"}, Findings: []Finding{}, Stale: []Accept{}}
}

func TestGolden(t *testing.T) {
	for _, f := range append(formats(), format{"table", func(r Result) ([]byte, error) {
		var b bytes.Buffer
		err := Table(&b, r)
		return b.Bytes(), err
	}}) {
		got, err := f.text(sample())
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", f.name+".golden")
		if *update {
			write1(t, path, string(got))
		}
		if d := cmp.Diff(readFile(t, path), string(got)); d != "" {
			t.Errorf("%s (-want +got):\n%s", f.name, d)
		}
		none, err := f.text(clear())
		if silent := f.name == "table" || f.name == acceptName; err != nil || silent != (len(none) == 0) {
			t.Errorf("%s without findings: %q, %v", f.name, none, err)
		}
	}
}

// What is written holds against the schema of the standard.
func TestSARIF(t *testing.T) {
	schema, err := gojsonschema.NewSchema(gojsonschema.NewStringLoader(sarifSchema(t)))
	if err != nil {
		t.Fatal(err)
	}
	wrong := func(text string) []gojsonschema.ResultError {
		res, err := schema.Validate(gojsonschema.NewStringLoader(text))
		if err != nil {
			t.Fatal(err)
		}
		return res.Errors()
	}
	for name, r := range map[string]Result{"sample": sample(), "clear": clear()} {
		text, err := sarif(r)
		if err != nil {
			t.Fatal(err)
		}
		if errs := wrong(string(text)); len(errs) > 0 {
			t.Errorf("%s: %v", name, errs)
		}
	}
	text, err := sarif(sample())
	if err != nil {
		t.Fatal(err)
	}
	for _, broken := range [][2]string{{`"startLine": 12`, `"startLine": 0`}, {`"level": "error"`, `"level": "ERROR"`},
		{`"2.1.0"`, `"2.2.0"`}, {`"kind": "external"`, `"kind": "file"`}, {`"driver"`, `"driven"`}, {`"startLine"`, `"line"`},
		{`patches/5.4/0001-a%20b.patch`, `patches/5.4/%zz`}} {
		if bad := strings.Replace(string(text), broken[0], broken[1], 1); bad == string(text) || len(wrong(bad)) == 0 {
			t.Errorf("%s in place of %s is valid", broken[1], broken[0])
		}
	}
}

// sarifSchema returns the schema of SARIF 2.1.0, of which go-sarif holds a copy
// in a constant of its own.
func sarifSchema(t *testing.T) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", reflect.TypeFor[standard.Report]().PkgPath()).Output()
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(strings.TrimSpace(string(dir)), "schema.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && len(text) < len(lit.Value) {
			text, err = strconv.Unquote(lit.Value)
		}
		return true
	})
	if err != nil || !strings.Contains(text, "Version 2.1.0 JSON Schema") {
		t.Fatalf("go-sarif holds no schema: %.100q, %v", text, err)
	}
	return text
}

func TestJUnit(t *testing.T) {
	text, err := junitXML(sample())
	if err != nil {
		t.Fatal(err)
	}
	var suites junit.Testsuites
	if err := xml.Unmarshal(text, &suites); err != nil {
		t.Fatal(err)
	}
	if suites.Tests != 4 || suites.Failures != 2 || suites.Skipped != 1 {
		t.Errorf("%d cases, %d failed, %d skipped", suites.Tests, suites.Failures, suites.Skipped)
	}
}

// GitLab drops an issue whose fingerprint it has seen, and one without a path
// below the checkout.
func TestCodeQuality(t *testing.T) {
	text, err := codeQuality(sample())
	if err != nil {
		t.Fatal(err)
	}
	var issues []struct {
		Fingerprint, Severity string
		Location              struct {
			Path  string
			Lines struct{ Begin int }
		}
	}
	if err := json.Unmarshal(text, &issues); err != nil {
		t.Fatal(err)
	}
	if len(issues) != len(sample().Findings) {
		t.Errorf("%d issues", len(issues))
	}
	seen := map[string]bool{}
	for i, is := range issues {
		want := "patches/5.4/" + sample().Findings[i].Patch
		if seen[is.Fingerprint] || is.Location.Path != want || is.Location.Lines.Begin < 1 ||
			!strings.Contains(" info minor major critical blocker ", " "+is.Severity+" ") {
			t.Errorf("issue %+v", is)
		}
		seen[is.Fingerprint] = true
	}
	if none, _ := codeQuality(clear()); strings.TrimSpace(string(none)) != "[]" {
		t.Errorf("without findings: %s", none)
	}
}

// What is offered to paste names just the finding it was made of.
func TestAcceptTOML(t *testing.T) {
	text, err := acceptTOML(sample())
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Accept []Accept }
	if _, err := toml.Decode(string(text), &file); err != nil {
		t.Fatal(err)
	}
	var want []Accept
	for _, f := range sample().New() {
		want = append(want, Accept{Patch: f.Patch, Type: f.Type, Text: f.Text})
	}
	if d := cmp.Diff(want, file.Accept); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
