package pipeline

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The pipeline that testPipeline runs is this checkout's but for what its
// runner cannot do; a change of .gitlab-ci.yml must not go past it unseen.
func TestWholePipelineFits(t *testing.T) {
	module, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(module, ".gitlab-ci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	type job struct {
		Script []string
		After  []string `yaml:"after_script"`
	}
	type file struct {
		Image     string
		Variables map[string]string
		Default   job
		Jobs      map[string]any `yaml:",inline"`
	}
	var was, is file
	if err := yaml.Unmarshal(text, &was); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte((&outer{t: t, module: module}).fit(string(text))), &is); err != nil {
		t.Fatal(err)
	}
	if is.Image != "" || is.Default.After != nil || len(was.Default.After) != 1 {
		t.Errorf("image %q, after_script %q", is.Image, is.Default.After)
	}
	for name, dir := range is.Variables {
		if !filepath.IsAbs(dir) {
			t.Errorf("%s is %s", name, dir)
		}
	}
	if _, ok := is.Jobs["test"]; ok || is.Jobs[".test"] == nil {
		t.Error("the pipeline would run the test that runs it")
	}
	for name, v := range was.Jobs {
		script := func(v any) []any {
			m, _ := v.(map[string]any)
			s, _ := m["script"].([]any)
			return s
		}
		old, now := script(v), script(is.Jobs[name])
		if len(old) == 0 || name == "test" || name == "matrix" {
			continue
		}
		if len(now) != len(old)+1 || now[len(now)-1] != was.Default.After[0] {
			t.Errorf("%s leaves its trees behind: %q", name, now)
		}
	}
}

// As gitlab-ci-local 4.73.0 prints it: its exit code was 0.
func TestWholePipelineResult(t *testing.T) {
	const out = `
	[lines] -> build 6.1 x86_64 release gcc  finished in 16 s  FAIL 2

 PASS  [lines] -> checkpatch 6.1
 FAIL  build 6.1 x86_64 release gcc
  > PASS  lint
 PASS  matrix
 WARN  preflight
`
	for name, want := range map[string]string{
		"checkpatch 6.1": "PASS", "build 6.1 x86_64 release gcc": "FAIL", "matrix": "PASS", "preflight": "WARN", "lint": "not run", "release": "not run", "checkpatch 6": "not run",
	} {
		if got := resultOf(out, name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if resultOf(strings.ReplaceAll(out, "6.1", "6x1"), "checkpatch 6.1") != "not run" {
		t.Error("a name is taken for a pattern")
	}
}
