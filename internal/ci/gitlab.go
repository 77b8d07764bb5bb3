package ci

import (
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"bzmage/internal/fault"
)

// job is a job in GitLab's words; https://docs.gitlab.com/ci/yaml/ has them.
type job struct {
	Extends   string            `yaml:"extends"`
	Stage     string            `yaml:"stage"`
	Needs     []need            `yaml:"needs"`
	Variables map[string]string `yaml:"variables"`
	Rules     []rule            `yaml:"rules,omitempty"`
}

type need struct {
	Job       string `yaml:"job"`
	Artifacts bool   `yaml:"artifacts"`
}

type rule struct {
	When         string `yaml:"when"`
	AllowFailure bool   `yaml:"allow_failure,omitempty"`
}

// GitLab writes the child pipeline of the jobs. Parent is the text of
// .gitlab-ci.yml: its image, variables, defaults and templates (.build and the
// like, one a role) are the child's too, which inherits nothing by itself. So
// all there is to change stands in that one file.
func GitLab(w io.Writer, parent []byte, jobs []Job, scheduled bool) error {
	var of map[string]any
	if err := yaml.Unmarshal(parent, &of); err != nil {
		return fault.New(fault.Usage, "correct .gitlab-ci.yml", ".gitlab-ci.yml: %w", err)
	}
	child := map[string]any{"stages": []string{Checkpatch, Build, Verify}}
	for name, value := range of {
		if strings.HasPrefix(name, ".") || name == "image" || name == "variables" || name == "default" {
			child[name] = value
		}
	}
	// The parent decided that there is a pipeline.
	child["workflow"] = map[string]any{"rules": []rule{{When: "always"}}}
	for _, j := range jobs {
		template := "." + j.Role
		if _, ok := of[template]; !ok {
			return fault.New(fault.Usage, "add a template "+template+" to .gitlab-ci.yml", ".gitlab-ci.yml has no %s, which ci:matrix makes jobs of", template)
		}
		child[j.Name()] = j.gitlab(template, scheduled)
	}
	if _, err := fmt.Fprintln(w, "# Made of configs/kernels.toml and .gitlab-ci.yml by `mage ci:matrix`."); err != nil {
		return err
	}
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(child); err != nil {
		return fmt.Errorf("write a pipeline: %w", err)
	}
	return enc.Close()
}

func (j Job) gitlab(template string, scheduled bool) job {
	out := job{Extends: template, Stage: j.Role, Needs: []need{}, Variables: map[string]string{}}
	if out.Stage != Checkpatch && out.Stage != Build {
		out.Stage = Verify
	}
	for _, n := range j.Needs {
		out.Needs = append(out.Needs, need{Job: n})
	}
	for name, value := range map[string]string{"KERNEL": j.Kernel, "ARCH": j.Arch, "FLAVOUR": j.Flavour, "TOOLCHAIN": j.Toolchain} {
		if value != "" {
			out.Variables[name] = value
		}
	}
	if j.Role == Slow {
		out.Rules = []rule{{When: "manual", AllowFailure: true}}
		if scheduled {
			out.Rules = []rule{{When: "on_success"}}
		}
	}
	return out
}
