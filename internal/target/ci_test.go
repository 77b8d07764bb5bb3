package target_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// pipelines are the files that servers read.
func pipelines() []string { return []string{".gitlab-ci.yml", ".github/workflows/bzmage.yml"} }

func pipelineOf(t *testing.T, name string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(module(), name))
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return doc
}

// texts calls f with every text below v, and where it stands.
func texts(v any, at string, f func(at, text string)) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			texts(e, at+"."+k, f)
		}
	case []any:
		for i, e := range v {
			texts(e, fmt.Sprintf("%s[%d]", at, i), f)
		}
	case string:
		f(at, v)
	}
}

var reMage = regexp.MustCompile(`go tool mage ([^>)"\n]+)`)

// What the pipelines call is there: each word behind mage is a target or a flag.
func TestPipelinesCallTargets(t *testing.T) {
	out, err := exec.Command(filepath.Join(compile(t), "bzmage"), "-l").Output()
	if err != nil {
		t.Fatal(err)
	}
	var known []string
	for line := range strings.Lines(string(out)) {
		if name, _, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.HasPrefix(line, "  ") {
			known = append(known, name)
		}
	}
	wanted := []string{"setup", "lint", "test", "testSlow", "checkpatch", "build", "verify", "reproduce", "ci:matrix", "ci:kernel", "release", "release:preflight", "update:pr"}
	for _, name := range pipelines() {
		called := map[string]bool{}
		texts(pipelineOf(t, name), name, func(at, text string) {
			for _, m := range reMage.FindAllStringSubmatch(text, -1) {
				for _, word := range strings.Fields(m[1]) {
					called[word] = true
					if !slices.Contains(known, word) && word != "-github" {
						t.Errorf("%s calls %s, and there is no such target", at, word)
					}
				}
			}
		})
		for _, w := range wanted {
			if !called[w] {
				t.Errorf("%s never calls %s", name, w)
			}
		}
	}
}

func TestGitLabPipeline(t *testing.T) {
	doc := pipelineOf(t, ".gitlab-ci.yml")
	stages := doc["stages"].([]any)
	for name, v := range doc {
		job, ok := v.(map[string]any)
		if !ok || strings.HasPrefix(name, ".") || slices.Contains([]string{"variables", "workflow", "default"}, name) {
			continue
		}
		if !slices.Contains(stages, job["stage"]) {
			t.Errorf("%s: no stage %v", name, job["stage"])
		}
		if needs, ok := job["needs"].([]any); ok {
			for _, n := range needs {
				if _, ok := doc[n.(map[string]any)["job"].(string)]; !ok {
					t.Errorf("%s needs %v", name, n)
				}
			}
		}
		if _, ok := doc[fmt.Sprint(job["extends"])]; job["extends"] != nil && !ok {
			t.Errorf("%s extends %v", name, job["extends"])
		}
		if job["rules"] == nil && job["extends"] != ".usual" {
			t.Errorf("%s runs beside a scheduled update", name)
		}
		if a, ok := job["artifacts"].(map[string]any); ok && a["when"] != "always" && name != "matrix" {
			t.Errorf("%s keeps nothing when it fails", name)
		}
	}
	for _, name := range []string{"release", "update"} {
		if job := doc[name].(map[string]any); job["interruptible"] != false || job["resource_group"] != name {
			t.Errorf("%s may be stopped, or run twice at once", name)
		}
	}
	release := doc["release"].(map[string]any)
	if fmt.Sprint(release["cache"]) != "[]" || release["variables"].(map[string]any)["GIT_DEPTH"] != 0 || release["retry"] != 0 {
		t.Errorf("the release takes what others left, lacks history, or is retried: %v", release)
	}
	rule := release["rules"].([]any)[0].(map[string]any)["if"].(string)
	pattern := strings.ReplaceAll(rule[strings.Index(rule, "/")+1:strings.LastIndex(rule, "/")], `\/`, "/")
	for tag, want := range map[string]bool{"v5.4.302-bzmage-1": true, "5.4-2026.11": true, "stable/v6.1": true, "docs-1": false, "v5": false, "x5.4": false} {
		if got := regexp.MustCompile(pattern).MatchString(tag); got != want {
			t.Errorf("tag %s is released: %v", tag, got)
		}
	}
}

func TestGitHubWorkflow(t *testing.T) {
	doc := pipelineOf(t, ".github/workflows/bzmage.yml")
	if fmt.Sprint(doc["permissions"]) != "map[contents:read]" {
		t.Errorf("the workflow may %v", doc["permissions"])
	}
	action := regexp.MustCompile(`^actions/(checkout|cache|upload-artifact)@v[0-9]+$`)
	jobs := doc["jobs"].(map[string]any)
	for name, v := range jobs {
		job := v.(map[string]any)
		if p := fmt.Sprint(job["permissions"]); strings.Contains(p, "write") && !slices.Contains([]string{"release", "preflight", "checkpatch", "update"}, name) {
			t.Errorf("%s may %s", name, p)
		}
		if needs, ok := job["needs"].([]any); ok {
			for _, n := range needs {
				if jobs[n.(string)] == nil {
					t.Errorf("%s needs %v", name, n)
				}
			}
		}
		for _, step := range job["steps"].([]any) {
			s := step.(map[string]any)
			if uses, ok := s["uses"].(string); ok && !action.MatchString(uses) {
				t.Errorf("%s uses %s", name, uses)
			}
			// What a person writes in a branch or a title must not become shell.
			if script, ok := s["run"].(string); ok && strings.Contains(script, "${{") {
				t.Errorf("%s puts an expression into a script: %s", name, script)
			}
		}
	}
}
