package bench

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func sample() Report {
	day := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	r := Report{
		Date: day, Commit: "0123456789ab",
		Subject: Subject{Line: "6.1", Release: "6.1.192", Source: "x.tar.xz", Archs: []string{"x86_64", "arm64"}, Flavour: "release", Toolchain: "gcc", Jobs: 2},
		Machine: Machine{CPU: "Some CPU", Cores: 2, Memory: 8 << 30, DiskFree: 50 << 30, Load: 0.1, Kernel: "6.12.1", System: "Debian\x1b[1m", Tools: map[string]string{"make": "GNU Make 4.3", "tar": "a|b"}},
	}
	rows := []Row{
		{Name: "cold", Title: "cold to all verdicts", Ours: Side{What: "ours", Seconds: []float64{80}, CPU: []float64{152}}, Other: Side{What: "theirs", Seconds: []float64{100}, CPU: []float64{176}}, Goal: Goal{Ratio: 0.88}},
		{Name: "edit", Title: "an edit", Ours: Side{What: "ours", Seconds: []float64{6, 7, 5}}, Other: Side{What: "theirs", Seconds: []float64{10, 10, 10}}, Goal: Goal{Ratio: 0.5}},
		{Name: "nothing", Title: "nothing", Ours: Side{What: "ours", Seconds: []float64{0.9, 0.8}}, Other: Side{What: "theirs", Seconds: []float64{5, 5}}, Goal: Goal{Seconds: 1}},
		{Name: "patches/1", Title: "patches", Ours: Side{What: "ours", Seconds: []float64{0.2}}, Other: Side{What: "theirs", Seconds: []float64{0.1}}},
		{Name: "ccache", Title: "with ccache", Skipped: "ccache is not installed"},
		{Name: "fetch", Title: "fetch", Failed: "curl: exit code 7\n\x1b[31mlog"},
	}
	for _, row := range rows {
		row.Date, row.Commit = day, r.Commit
		row.conclude()
		r.Rows = append(r.Rows, row)
	}
	return r
}

func TestSaveAndLoad(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "reports")
	if err := sample().Save(dir); err != nil {
		t.Fatal(err)
	}
	got, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := sample()
	want.Schema, want.Version = SchemaName, Version
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	text, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	if err := check(text); err != nil {
		t.Errorf("%s is not as its schema says: %v", FileName, err)
	}
	// The schema refuses what it does not know.
	for _, change := range [][2]string{{`"mad"`, `"sigma"`}, {`"version": 1`, `"version": 2`}, {`"cores": 2`, `"cores": "two"`}, {`"date": "2026`, `"date": "on 2026`}} {
		if bad := strings.Replace(string(text), change[0], change[1], 1); bad == string(text) || check([]byte(bad)) == nil {
			t.Errorf("with %s it is accepted", change[1])
		}
	}
	old := strings.Replace(string(text), `"version": 1`, `"version": 9`, 1)
	if err := os.WriteFile(filepath.Join(dir, FileName), []byte(old), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "version 9") {
		t.Errorf("another version: %v", err)
	}
}

func check(text []byte) error {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema))
	if err != nil {
		return err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(SchemaName, doc); err != nil {
		return err
	}
	s, err := c.Compile(SchemaName)
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

func TestMarkdown(t *testing.T) {
	r := sample()
	r.Rows[3].Date = r.Date.Add(-48 * time.Hour)
	text := r.Markdown()
	for _, want := range []string{
		"Linux 6.1.192 (line 6.1, release) for x86_64 and arm64, gcc, 2 jobs.\n",
		"- Date: 2026-11-23, bzmage at 0123456789ab\n",
		"- Machine: Some CPU, cores: 2, memory: 8192 MiB; 51200 MiB free",
		"- Load at the start: 0.10; a row that began on a machine with more than 0.40 says so",
		"make: GNU Make 4.3; tar: a\\|b\n",
		"| `cold` | cold to all verdicts | 80.0 s | 100.0 s | 95, 88 % | 0.80 | at most 0.88 | met |\n",
		"| `edit` | an edit | 6.00 (5.00 to 7.00, MAD 1.00) s | 10.0 (10.0 to 10.0, MAD 0.0) s |  | 0.60 (0.50 to 0.70, MAD 0.10) | at most 0.5 | missed |\n",
		"| `nothing` | nothing | 0.85 (0.80 to 0.90, MAD 0.05) s | 5.00 (5.00 to 5.00, MAD 0.00) s |  | 0.17 (0.16 to 0.18, MAD 0.01) | at most 1 s | met |\n",
		"| `patches/1` | patches | 0.20 s | 0.10 s |  | 2.00 |  | (2026-11-21) |\n",
		"| `ccache` | with ccache |  |  |  |  |  | skipped: ccache is not installed |\n",
		"- `cold`: ours; other: theirs\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	if strings.ContainsRune(text, '\x1b') || strings.Contains(text, "exit code 7\n") {
		t.Errorf("what a tool said is not cleaned: %q", text)
	}
	r.Rows[0].Load = 7
	if !strings.Contains(r.Markdown(), "at most 0.88 | met (load 7.00) |") {
		t.Error("a busy machine is not told of")
	}
	var b strings.Builder
	if err := r.Table(&b); err != nil || !strings.Contains(b.String(), "\nedit ") || strings.Contains(b.String(), "an edit") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

// The rows of an earlier run stay when they are of the same things.
func TestInherit(t *testing.T) {
	names := []string{"fetch", "patches/1", "cold", "edit", "nothing"}
	fresh := func(change func(*Report)) (Report, string) {
		r := sample()
		r.Rows = nil
		change(&r)
		left := r.inherit(sample(), names)
		return r, left
	}
	r, left := fresh(func(*Report) {})
	var got []string
	for _, row := range r.Rows {
		got = append(got, row.Name)
	}
	// Not fetch, which failed, nor ccache, which is no row any more.
	if diff := cmp.Diff([]string{"patches/1", "cold", "edit", "nothing"}, got); diff != "" || left != "" {
		t.Errorf("%s %s", left, diff)
	}
	r.put(Row{Name: "cold", Title: "again"}, names)
	if len(r.Rows) != 4 || r.Rows[1].Title != "again" {
		t.Errorf("a row measured again: %v", r.Rows)
	}
	for name, change := range map[string]func(*Report){
		"release": func(r *Report) { r.Subject.Release = "6.1.1" }, "jobs": func(r *Report) { r.Subject.Jobs = 3 },
		"cores": func(r *Report) { r.Machine.Cores = 4 }, "archs": func(r *Report) { r.Subject.Archs = nil },
	} {
		if r, left := fresh(change); len(r.Rows) != 0 || left == "" {
			t.Errorf("another %s: %d rows stay", name, len(r.Rows))
		}
	}
}

func TestInsert(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doc.md")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("before\n" + Begin + "\nold\n" + End + "\nafter\n")
	for range 2 {
		if err := Insert(path, "new\n"); err != nil {
			t.Fatal(err)
		}
	}
	got, _ := os.ReadFile(path)
	if want := "before\n" + Begin + "\n\nnew\n\n" + End + "\nafter\n"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, bad := range []string{"", Begin + "\n", End + "\n" + Begin + "\n"} {
		write(bad)
		if err := Insert(path, "new\n"); err == nil {
			t.Errorf("no place in %q, and no error", bad)
		}
		if got, _ := os.ReadFile(path); string(got) != bad {
			t.Errorf("%q became %q", bad, got)
		}
	}
}
