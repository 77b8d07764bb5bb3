package proof

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	slsa "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"google.golang.org/protobuf/encoding/protojson"
)

// TestSums has sha256sum check the sums.
func TestSums(t *testing.T) {
	rel, rep := sample()
	dir := makeRelease(t, newKey(t), rel, rep)
	cmd := exec.Command("sha256sum", "--strict", "--check", Sums)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil || strings.Count(string(out), ": OK\n") != 8 {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestSBOMSchema holds the bill against the published schema of CycloneDX 1.6,
// which its library has beside its code.
func TestSBOMSchema(t *testing.T) {
	rel, rep := sample()
	dir := makeRelease(t, newKey(t), rel, rep)
	where, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	schemas := filepath.Join(strings.TrimSpace(string(where)), "schema")
	c := jsonschema.NewCompiler()
	for _, name := range []string{"bom-1.6.schema.json", "spdx.schema.json", "jsf-0.82.schema.json"} {
		text, err := os.ReadFile(filepath.Join(schemas, name))
		if os.IsNotExist(err) {
			text, err = os.ReadFile(filepath.Join(schemas, strings.Replace(name, "schema", "schemax", 1)))
		}
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err == nil {
			err = c.AddResource("http://cyclonedx.org/schema/"+name, doc)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, SBOM))
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(v); err != nil {
		t.Error(err)
	}
	for _, want := range []string{`"type": "backport"`, `"type": "unofficial"`, "cpe:2.3:o:linux:linux_kernel:6.1.192:", "pkg:generic/linux@6.1.192?", "pkg:deb/debian/gcc-12@", sum("linux")} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("the bill has no %s", want)
		}
	}
	v.(map[string]any)["serialNumber"] = "none"
	if s.Validate(v) == nil {
		t.Error("the schema takes anything")
	}
}

// TestStatement has in-toto's own library read the statement.
func TestStatement(t *testing.T) {
	rel, rep := sample()
	dir := makeRelease(t, newKey(t), rel, rep)
	text, err := os.ReadFile(filepath.Join(dir, Provenance))
	if err != nil {
		t.Fatal(err)
	}
	var e dsse.Envelope
	if err := json.Unmarshal(text, &e); err != nil || len(e.Signatures) != 1 {
		t.Fatal(err, e)
	}
	payload, err := base64.StdEncoding.DecodeString(e.Payload)
	if err != nil {
		t.Fatal(err)
	}
	var s intoto.Statement
	if err := protojson.Unmarshal(payload, &s); err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
	part, err := s.Predicate.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var p slsa.Provenance
	if err := protojson.Unmarshal(part, &p); err != nil {
		t.Fatal(err)
	}
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
	s.Subject = nil
	if s.Validate() == nil {
		t.Error("in-toto's library takes anything")
	}
}

func TestParseSums(t *testing.T) {
	row := sum("x") + "  a\n"
	if got, err := parseSums([]byte(row + sum("y") + " *b-1.tar.zst\n")); err != nil || got["a"] != sum("x") || got["b-1.tar.zst"] != sum("y") {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "\n", row + row, sum("x") + "  ../a\n", sum("x") + "  .a\n", sum("x") + "  -a\n", sum("x") + " a\n", "X" + row[1:], row + "\n", "\\" + row, sum("x") + "  a\x00b\n"} {
		if got, err := parseSums([]byte(bad)); err == nil {
			t.Errorf("%q gives %v", bad, got)
		}
	}
}

func TestPackages(t *testing.T) {
	if _, err := exec.LookPath("dpkg-query"); err != nil {
		t.Skip(err)
	}
	list, err := Packages(t.Context(), []string{"/usr/bin/dpkg-query", "/usr/bin/dpkg", "/no/such/program"})
	if err != nil || len(list) != 1 || list[0].Name != "dpkg" || list[0].Version == "" || list[0].Distro == "" {
		t.Errorf("%+v, %v", list, err)
	}
}

// FuzzCheck gives documents of anybody to a check: it never ends the program,
// and proves nothing that is not signed.
func FuzzCheck(f *testing.F) {
	key := newKey(f)
	rel, rep := sample()
	dir := makeRelease(f, key, rel, rep)
	keys := trust(f, key)
	for _, name := range []string{Sums, "release.json", SBOM, Provenance, VerdictFile, Sums + ".minisig"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(name, text)
	}
	names, _ := list(dir)
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		copyTo := t.TempDir()
		known := false
		var was []byte
		for _, n := range names {
			body, err := os.ReadFile(filepath.Join(dir, n))
			if err != nil {
				t.Fatal(err)
			}
			if n == name {
				known, was, body = true, body, text
			}
			put2(t, copyTo, n, string(body))
		}
		if _, err := Check(t.Context(), copyTo, keys); known && err == nil && !bytes.Equal(was, text) && name != Sums+".minisig" {
			t.Errorf("another %s is proved", name)
		}
		_, _ = parseSums(text)
		_, _, _, _ = openEnvelope(text)
	})
}
