package coverage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"bzmage/internal/plain"
	"bzmage/internal/run"
)

// Document is what gcov --json-format prints of one object; see man gcov. A
// field it does not have in that page is an error, as is a format nobody here
// has read.
type Document struct {
	Format   string       `json:"format_version"`
	Compiler string       `json:"gcc_version"`
	Dir      string       `json:"current_working_directory"`
	Data     string       `json:"data_file"`
	Files    []SourceFile `json:"files"`
}

// SourceFile is what an object has of one source file.
type SourceFile struct {
	Name      string          `json:"file"` // as the compiler knows it
	Functions json.RawMessage `json:"functions"`
	Lines     []Count         `json:"lines"`
}

// Count is how often one line was run in one function. A line of an inline
// function comes once for each it was inlined into.
type Count struct {
	Line       int             `json:"line_number"`
	Count      int64           `json:"count"`
	Unexecuted bool            `json:"unexecuted_block"` // a part of it was not
	Function   string          `json:"function_name"`
	Branches   json.RawMessage `json:"branches"`
	Blocks     json.RawMessage `json:"block_ids"` // these three since gcc 14
	Calls      json.RawMessage `json:"calls"`
	Conditions json.RawMessage `json:"conditions"`
}

// ParseGcov reads what gcov --json-format --stdout prints for several objects.
func ParseGcov(r io.Reader) ([]Document, error) {
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	var all []Document
	for {
		var d Document
		err := dec.Decode(&d)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read gcov's JSON: %w", err)
		}
		if d.Format != "1" && d.Format != "2" {
			return nil, fmt.Errorf("gcov's JSON has the format %q; 1 and 2 are known", d.Format)
		}
		if d.Data == "" || d.Files == nil {
			return nil, errors.New("gcov's JSON names no object or no files")
		}
		for _, f := range d.Files {
			for _, l := range f.Lines {
				if f.Name == "" || l.Line < 0 {
					return nil, fmt.Errorf("gcov's JSON has line %d of file %q", l.Line, f.Name)
				}
			}
		}
		all = append(all, d)
	}
}

// place is a line of the tree.
type place struct {
	file string
	line int
}

// counts is how often each line that code was made of was run, by check; that
// of no name is the boot.
type counts map[place]map[string]uint64

// add adds what gcov says. Where an object and another, or one function and
// another, have the same line, it was run as often as all of them together.
func (c counts) add(check, src string, docs []Document) {
	for _, d := range docs {
		for _, f := range d.Files {
			name := path.Clean(strings.TrimPrefix(f.Name, src+"/"))
			for _, l := range f.Lines {
				at := place{name, l.Line}
				if c[at] == nil {
					c[at] = map[string]uint64{}
				}
				// What sleeps within a function while the counters are set to
				// zero leaves it as often as less than never.
				if l.Count > 0 {
					c[at][check] += uint64(l.Count)
				}
			}
		}
	}
}

// line returns what is known of an added line; false: no code was made of it.
func (c counts) line(a AddedLine) (Line, bool) {
	by, ok := c[place{a.File, a.Line}]
	l := Line{File: a.File, Line: a.Line, At: a.At, Text: a.Text}
	for check, n := range by {
		if check == "" {
			l.Boot = n
			continue
		}
		l.Runs += n
		l.By = append(l.By, check)
	}
	slices.Sort(l.By)
	return l, ok
}

// gathered is what the guest sent, by check and object.
type gathered struct {
	p        Params
	checks   []string // in the order they came
	counters map[string]map[int][]byte
}

// gather sorts what the guest sent. What it says of objects that nobody built
// with counters is an error.
func (p Params) gather() (gathered, error) {
	g := gathered{p: p, counters: map[string]map[int][]byte{}}
	for _, c := range p.Guest {
		name, ok := strings.CutPrefix(c.Object, p.Built+"/")
		i := slices.IndexFunc(p.Objects, func(o Object) bool {
			return o.Notes && strings.TrimSuffix(o.Name, ".o")+".gcda" == name
		})
		if !ok || i < 0 {
			return g, fmt.Errorf("the guest sent counters of %q, which was not built with any", plain.Text(c.Object))
		}
		text, err := c.Counters()
		if err != nil {
			return g, err
		}
		if g.counters[c.Check] == nil {
			g.counters[c.Check] = map[int][]byte{}
			g.checks = append(g.checks, c.Check)
		}
		g.counters[c.Check][i] = text
	}
	return g, nil
}

// all runs gcov once without counters, which gives the lines that code was
// made of, and once for each check.
func (g gathered) all(ctx context.Context) (counts, error) {
	dir := g.p.Scratch
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	notes := map[int][]byte{}
	for i, o := range g.p.Objects {
		if !o.Notes {
			continue
		}
		text, err := os.ReadFile(filepath.Join(g.p.Notes, filepath.FromSlash(o.notes())))
		if err != nil {
			return nil, err
		}
		notes[i] = text
	}
	c := counts{}
	if err := g.one(ctx, c, "", notes, ".gcno"); err != nil {
		return nil, err
	}
	for _, check := range g.checks {
		if err := g.one(ctx, c, check, g.counters[check], ".gcda"); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// one adds what gcov says of files, by the number of their object. Counters
// are taken away again: the next check may have none of some object.
func (g gathered) one(ctx context.Context, c counts, check string, files map[int][]byte, ext string) error {
	var names []string
	for _, i := range slices.Sorted(maps.Keys(files)) {
		name := strconv.Itoa(i) + ext
		if err := os.WriteFile(filepath.Join(g.p.Scratch, name), files[i], 0o644); err != nil {
			return err
		}
		names = append(names, name)
	}
	docs, err := g.gcov(ctx, names)
	if err != nil {
		return err
	}
	c.add(check, g.p.Src, docs)
	if ext == ".gcno" {
		return nil
	}
	for _, name := range names {
		err = errors.Join(err, os.Remove(filepath.Join(g.p.Scratch, name)))
	}
	return err
}

// noData is what gcov says of notes without counters.
const noData = ":cannot open data file, assuming not executed"

// gcov runs gcov over the files in the scratch folder. It ends well whatever
// it reads: what it complains of is the error.
func (g gathered) gcov(ctx context.Context, names []string) ([]Document, error) {
	if len(names) == 0 {
		return nil, nil
	}
	var out, complaints bytes.Buffer
	err := run.Run(ctx, run.Cmd{
		Argv: append([]string{g.p.Gcov, "--json-format", "--stdout"}, names...),
		Dir:  g.p.Scratch, Env: run.Env(), Stdout: &out, Stderr: &complaints, Silence: time.Minute,
	})
	for line := range strings.Lines(complaints.String()) {
		if line = strings.TrimSpace(line); !strings.HasSuffix(line, noData) || strings.HasSuffix(names[0], ".gcda") {
			return nil, fmt.Errorf("gcov says of %s: %s", g.object(line), plain.Text(line))
		}
	}
	if err != nil {
		return nil, err
	}
	docs, err := ParseGcov(&out)
	if err == nil && len(docs) != len(names) {
		err = fmt.Errorf("gcov has read %d of %d objects", len(docs), len(names))
	}
	return docs, err
}

// object names the object that a line of gcov's speaks of, by its number.
func (g gathered) object(line string) string {
	number, _, _ := strings.Cut(line, ".")
	if i, err := strconv.Atoi(number); err == nil && i >= 0 && i < len(g.p.Objects) {
		return g.p.Objects[i].Name
	}
	return "the objects"
}
