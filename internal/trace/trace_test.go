package trace_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"bzmage/internal/run"
	"bzmage/internal/trace"
)

// record is an event of the Trace Event Format, as far as we use it.
type record struct {
	Name  *string        `json:"name"`
	Cat   string         `json:"cat"`
	Phase string         `json:"ph"`
	Start *int64         `json:"ts"`
	Dur   *int64         `json:"dur"`
	PID   int            `json:"pid"`
	TID   int            `json:"tid"`
	Args  map[string]any `json:"args"`
}

type document struct {
	Events  []record      `json:"traceEvents"`
	Unit    string        `json:"displayTimeUnit"`
	Summary trace.Summary `json:"otherData"`
}

// read reads a trace and holds each field against the format: events of a row
// must be one after the other, or one within the other.
func read(t *testing.T, tr *trace.Trace) document {
	t.Helper()
	path := filepath.Join(t.TempDir(), "reports", "trace.json")
	if err := tr.Write(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var d document
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&d); err != nil {
		t.Fatal(err)
	}
	if d.Unit != "ms" {
		t.Errorf("displayTimeUnit is %q", d.Unit)
	}
	ends := map[[2]int]int64{}
	complete := slices.DeleteFunc(slices.Clone(d.Events), func(r record) bool { return r.Phase != "X" })
	slices.SortStableFunc(complete, func(a, b record) int { return int(*a.Start - *b.Start) })
	for _, r := range complete {
		row := [2]int{r.PID, r.TID}
		if *r.Start < ends[row] {
			t.Errorf("%s begins at %d, in a row that is taken until %d", *r.Name, *r.Start, ends[row])
		}
		ends[row] = *r.Start + *r.Dur
	}
	for _, r := range d.Events {
		switch {
		case r.Name == nil || *r.Name == "" || r.Start == nil || *r.Start < 0 || r.Args == nil || r.PID < 1 || r.PID > 2:
			t.Errorf("%+v", r)
		case r.Phase == "M":
			if name, ok := r.Args["name"].(string); !ok || name == "" || r.Dur != nil || *r.Name != "process_name" && *r.Name != "thread_name" {
				t.Errorf("%+v", r)
			}
		case r.Phase != "X" || r.Dur == nil || *r.Dur < 0 || r.TID < 1 || !slices.Contains([]string{"stage", "phase", "program"}, r.Cat):
			t.Errorf("%+v", r)
		}
	}
	return d
}

func find(t *testing.T, d document, cat, name string) record {
	t.Helper()
	for _, r := range d.Events {
		if r.Cat == cat && *r.Name == name {
			return r
		}
	}
	t.Fatalf("no %s %q in %+v", cat, name, d.Events)
	return record{}
}

// work is a program that uses the CPU for a while.
var work = []string{"sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"}

// A run with a stage, its phases and programs at once leaves all of them, with
// what they used.
func TestRun(t *testing.T) {
	tr := trace.New(2)
	ctx := tr.Into(t.Context())
	stage := func(ctx context.Context) (usage trace.Usage, err error) {
		ctx, span := trace.Begin(ctx, "build arm64")
		defer func() { span.End(err) }()
		phase := trace.Phases(ctx)
		phase("compile")
		phase("compile")
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := run.Run(ctx, run.Cmd{Argv: work, Env: run.Env()}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		phase("link")
		phase("")
		return span.Usage(), nil
	}
	used, err := stage(ctx)
	if err != nil {
		t.Fatal(err)
	}
	d := read(t, tr)
	program := find(t, d, "program", "sh")
	if program.Args["stage"] != "build arm64" || program.Args["user_seconds"].(float64) <= 0 || program.Args["max_rss_kb"].(float64) < 100 ||
		!strings.HasPrefix(program.Args["command"].(string), "sh -c i=0") {
		t.Errorf("the program: %+v", program)
	}
	s := find(t, d, "stage", "build arm64")
	if s.Args["programs"].(float64) != 3 || s.Args["user_seconds"].(float64) != used.User || used.User <= program.Args["user_seconds"].(float64) {
		t.Errorf("the stage: %+v, used %+v", s, used)
	}
	compile, link := find(t, d, "phase", "compile"), find(t, d, "phase", "link")
	if *compile.Start+*compile.Dur > *link.Start+1 || *compile.Dur < *program.Dur {
		t.Errorf("phases: %+v, %+v", compile, link)
	}
	if sum := d.Summary; sum.Programs.User != used.User || sum.Jobs != 2 || sum.Seconds <= 0 || sum.PeakMemory < 1000 || sum.PeakMemory > 1<<22 || sum.Build.Used != 0 {
		t.Errorf("the summary: %+v", sum)
	}
}

// What fails, and what cannot be started, is there too; and what others wrote
// is only ever text.
func TestFailures(t *testing.T) {
	tr := trace.New(1)
	ctx := tr.Into(t.Context())
	hostile := "\x1b[2J\"},{\"ph\":\"X\u202e\xff</script>\n"
	stage := func(ctx context.Context) (err error) {
		defer trace.Stage(&ctx, "boot "+hostile)(&err)
		_ = run.Run(ctx, run.Cmd{Argv: []string{"/nowhere/" + hostile}, Env: run.Env()})
		_ = run.Run(ctx, run.Cmd{Argv: append([]string{"sh", "-c", "exit 3", hostile}, slices.Repeat([]string{"long"}, 10000)...), Env: run.Env()})
		return errors.New(hostile)
	}
	if stage(ctx) == nil {
		t.Fatal("no error")
	}
	d := read(t, tr)
	if r := find(t, d, "program", "sh"); !strings.Contains(r.Args["error"].(string), "exit code 3") || len(r.Args["command"].(string)) > 520 {
		t.Errorf("%+v", r)
	}
	programs := 0
	for _, r := range d.Events {
		text := fmt.Sprint(*r.Name, r.Args)
		if strings.ContainsAny(text, "\x1b\u202e\n") {
			t.Errorf("%q", text)
		}
		if r.Cat == "program" {
			programs++
		}
		if r.Cat == "stage" && (r.Args["error"] == nil || r.Args["programs"].(float64) != 2) {
			t.Errorf("%+v", r)
		}
	}
	if programs != 2 {
		t.Errorf("%d programs, want 2", programs)
	}
}

// Without a trace there is nothing to write, and spans add up all the same.
func TestWithoutTrace(t *testing.T) {
	ctx, span := trace.Begin(t.Context(), "x")
	trace.Phases(ctx)("compile")
	if err := run.Run(ctx, run.Cmd{Argv: work, Env: run.Env()}); err != nil {
		t.Fatal(err)
	}
	span.End(nil)
	if span.Usage().User <= 0 {
		t.Errorf("%+v", span.Usage())
	}
}

func TestDiskOfNoUse(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := trace.New(1).Write(filepath.Join(file, "trace.json")); err == nil {
		t.Error("a trace was written below a file")
	}
}
