package ci

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"bzmage/internal/arch"
	"bzmage/internal/fault"
	"bzmage/internal/kernels"
)

func checkout(t *testing.T) Params {
	t.Helper()
	f, err := kernels.Load("../../configs/kernels.toml")
	if err != nil {
		t.Fatal(err)
	}
	return Params{File: f, Archs: arch.All(), Toolchains: []string{"gcc", "llvm"}}
}

func jobs(t *testing.T, p Params) []Job {
	t.Helper()
	all, err := Jobs(p)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func names(all []Job) []string {
	var n []string
	for _, j := range all {
		n = append(n, j.Name())
	}
	return n
}

// The jobs of this very checkout, by name: what a person sees who looks at a
// pipeline.
func TestJobs(t *testing.T) {
	want := []string{"checkpatch 6.1"}
	for _, a := range []string{"x86_64", "arm64"} {
		for _, j := range []string{"build 6.1 %s release gcc", "verify 6.1 %s release gcc", "verify 6.1 %s release llvm", "verify 6.1 %s coverage gcc", "verify 6.1 %s debug gcc", "verify 6.1 %s debuginfo gcc"} {
			want = append(want, fmt.Sprintf(j, a))
		}
	}
	want = append(want, "reproduce 6.1 gcc")
	p := checkout(t)
	p.Kernel = "6.1"
	all := jobs(t, p)
	if got := names(all); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, j := range all {
		switch needs := strings.Join(j.Needs, ", "); {
		case j.Role == Checkpatch || j.Role == Build:
			if needs != "" {
				t.Errorf("%s waits for %s", j.Name(), needs)
			}
		case j.Role == Reproduce:
			if needs != "build 6.1 x86_64 release gcc, build 6.1 arm64 release gcc" {
				t.Errorf("%s waits for %s", j.Name(), needs)
			}
		case needs != "build 6.1 "+j.Arch+" release gcc":
			t.Errorf("%s waits for %s", j.Name(), needs)
		}
		if (j.Flavour == "debug" || j.Flavour == "debuginfo") != (j.Role == Slow) || (j.Flavour == "coverage") != (j.Role == Coverage) {
			t.Errorf("%s is %s", j.Name(), j.Role)
		}
	}
}

func TestChoice(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Params)
		want   string // the lines, or an error
	}{
		{"all", func(*Params) {}, "5.4 6.1"},
		{"KERNEL", func(p *Params) { p.Kernel = "6.1" }, "6.1"},
		{"BZMAGE_LINES", func(p *Params) { p.Lines = []string{"6.1"} }, "6.1"},
		{"both, and they exclude each other", func(p *Params) { p.Kernel, p.Lines = "5.4", []string{"6.1"} }, "KERNEL=5.4 is not among BZMAGE_LINES=6.1"},
		{"a tag", func(p *Params) { p.Tag = "v5.4.302-bzmage-1" }, "5.4"},
		{"a tag by date", func(p *Params) { p.Tag = "5.4-2026.11" }, "5.4"},
		{"a tag of nobody's", func(p *Params) { p.Tag = "docs-1" }, "5.4 6.1"},
		{"a tag of nobody's, and KERNEL", func(p *Params) { p.Tag, p.Kernel = "docs-1", "6.1" }, "6.1"},
		{"a tag like a line", func(p *Params) { p.Tag = "v15.4.1" }, "5.4 6.1"},
		{"another line's tag", func(p *Params) { p.Tag, p.Kernel = "v5.4.1", "6.1" }, "tag v5.4.1 is of another line"},
		{"too many", func(p *Params) { p.File.Lines = slices.Repeat(p.File.Lines, 8) }, "more than the 200"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := checkout(t)
			tt.change(&p)
			all, err := Jobs(p)
			if err != nil {
				if !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%v, not %q", err, tt.want)
				}
				return
			}
			var lines []string
			for _, j := range all {
				if !slices.Contains(lines, j.Kernel) {
					lines = append(lines, j.Kernel)
				}
			}
			if got := strings.Join(lines, " "); got != tt.want {
				t.Errorf("lines %s, not %s", got, tt.want)
			}
		})
	}
	p := checkout(t)
	p.Archs, p.Toolchains = arch.All()[:1], []string{"llvm"}
	for _, j := range jobs(t, p) {
		if j.Arch == "arm64" || j.Toolchain == "gcc" || j.Role == Coverage {
			t.Errorf("ARCH=x86_64 TOOLCHAIN=llvm: %s", j.Name())
		}
	}
}

func TestLineOf(t *testing.T) {
	f := checkout(t).File
	for _, tt := range []struct{ kernel, tag, want string }{
		{"", "v5.4.302-bzmage", "5.4"}, {"5.4", "v5.4.302-bzmage", "5.4"}, {"6.1", "release-3", "6.1"}, {"6.1", "", "6.1"},
		{"", "", "for no tag"}, {"", "release-3", "names no line"}, {"", "v5.40.1", "names no line"},
		{"6.1", "v5.4.302-bzmage", "of another line"}, {"4.4", "v5.4.302", "unknown KERNEL"},
	} {
		l, err := LineOf(f, tt.kernel, tt.tag)
		if err != nil && !strings.Contains(err.Error(), tt.want) || err == nil && l.Name != tt.want {
			t.Errorf("KERNEL=%s, tag %q: %q, %v, not %s", tt.kernel, tt.tag, l.Name, err, tt.want)
		}
	}
}

// child is the pipeline as GitLab reads it.
type child struct {
	Image     string
	Stages    []string
	Variables map[string]string
	Default   map[string]any
	Jobs      map[string]struct {
		Extends   string
		Stage     string
		Needs     []struct{ Job string }
		Variables map[string]string
		Rules     []map[string]any
		Script    []string
	} `yaml:",inline"`
}

func gitlab(t *testing.T, parent string, all []Job, scheduled bool) child {
	t.Helper()
	var b bytes.Buffer
	if err := GitLab(&b, []byte(parent), all, scheduled); err != nil {
		t.Fatal(err)
	}
	var c child
	if err := yaml.Unmarshal(b.Bytes(), &c); err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	return c
}

func TestGitLab(t *testing.T) {
	parent, err := os.ReadFile("../../.gitlab-ci.yml")
	if err != nil {
		t.Fatal(err)
	}
	all := jobs(t, checkout(t))
	c := gitlab(t, string(parent), all, false)
	if c.Image == "" || c.Variables["XDG_CACHE_HOME"] == "" || c.Default["after_script"] == nil {
		t.Errorf("the child lacks what the parent says: %+v", c)
	}
	for _, j := range all {
		got, ok := c.Jobs[j.Name()]
		if !ok {
			t.Fatalf("no job %s", j.Name())
		}
		if !slices.Contains(c.Stages, got.Stage) {
			t.Errorf("%s: no stage %s", j.Name(), got.Stage)
		}
		if script := c.Jobs[got.Extends].Script; len(script) != 1 || !strings.HasPrefix(script[0], "go tool mage setup ") {
			t.Errorf("%s: %s does %q", j.Name(), got.Extends, script)
		}
		for _, n := range got.Needs {
			if c.Jobs[n.Job].Variables["KERNEL"] != j.Kernel {
				t.Errorf("%s waits for %q", j.Name(), n.Job)
			}
		}
		want := map[string]string{"KERNEL": j.Kernel, "ARCH": j.Arch, "FLAVOUR": j.Flavour, "TOOLCHAIN": j.Toolchain}
		for name, value := range want {
			if got.Variables[name] != value {
				t.Errorf("%s: %s=%s", j.Name(), name, got.Variables[name])
			}
		}
		if manual := len(got.Rules) == 1 && got.Rules[0]["when"] == "manual"; manual != (j.Role == Slow) {
			t.Errorf("%s: rules %v", j.Name(), got.Rules)
		}
	}
	for _, j := range gitlab(t, string(parent), all, true).Jobs {
		if len(j.Rules) == 1 && j.Rules[0]["when"] == "manual" {
			t.Errorf("scheduled, and still by hand: %+v", j)
		}
	}
}

// What a person puts into the parent comes out as it is, whatever it holds.
func TestGitLabParent(t *testing.T) {
	const parent = `
image: &i "a: b # c"
default: {tags: [kvm, *i]}
variables: {X: "1.10"}
lint: {script: [x]}
.build: {script: ["echo 'a: b'"]}
.other: {x: *i}
`
	c := gitlab(t, parent, []Job{{Role: Build, Kernel: "6.10"}}, false)
	if c.Image != "a: b # c" || c.Variables["X"] != "1.10" || fmt.Sprint(c.Default["tags"]) != "[kvm a: b # c]" {
		t.Errorf("%+v", c)
	}
	if _, ok := c.Jobs["lint"]; ok {
		t.Error("the child has the parent's jobs")
	}
	if got := c.Jobs["build 6.10"].Variables["KERNEL"]; got != "6.10" {
		t.Errorf("KERNEL=%s", got)
	}
	for text, want := range map[string]string{
		"a: [":              "correct .gitlab-ci.yml",
		".verify: {}":       "add a template .build",
		"a: 1\na: 2":        "correct .gitlab-ci.yml",
		"just some text\n.": "correct .gitlab-ci.yml",
	} {
		err := GitLab(&bytes.Buffer{}, []byte(text), []Job{{Role: Build, Kernel: "6.1"}}, false)
		if err == nil || !strings.Contains(fault.HintOf(err), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestGitHub(t *testing.T) {
	all := jobs(t, checkout(t))
	for scheduled, want := range map[bool]map[string]int{
		false: {"checkpatch": 2, "build": 4, "verify": 12, "reproduce": 2},
		true:  {"checkpatch": 2, "build": 4, "verify": 20, "reproduce": 2},
	} {
		var b bytes.Buffer
		if err := GitHub(&b, all, scheduled); err != nil {
			t.Fatal(err)
		}
		if strings.Count(b.String(), "\n") != 1 {
			t.Error("not one line, which GITHUB_OUTPUT takes only")
		}
		var got map[string][]map[string]string
		if err := json.Unmarshal(b.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		for role, n := range want {
			if len(got[role]) != n || got[role][0]["kernel"] != "5.4" {
				t.Errorf("scheduled %v: %d jobs of %s, not %d: %v", scheduled, len(got[role]), role, n, got[role])
			}
		}
		if len(got) != len(want) {
			t.Errorf("%d jobs", len(got))
		}
	}
}
