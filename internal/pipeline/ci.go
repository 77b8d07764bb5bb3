package pipeline

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"bzmage/internal/ci"
	"bzmage/internal/fault"
	"bzmage/internal/tools"
)

// pipelineTag is the tag that the server says its pipeline is for; empty: none.
func (p Project) pipelineTag() string {
	if tag := p.getenv("CI_COMMIT_TAG"); tag != "" { // GitLab's
		return tag
	}
	if p.getenv("GITHUB_REF_TYPE") == "tag" {
		return p.getenv("GITHUB_REF_NAME")
	}
	return ""
}

// scheduled says whether nobody waits for this pipeline.
func (p Project) scheduled() bool {
	return p.getenv("CI_PIPELINE_SOURCE") == "schedule" || p.getenv("GITHUB_EVENT_NAME") == "schedule"
}

// toolchains are those that a pipeline verifies with.
func (p Project) toolchains() []string {
	if p.getenv("TOOLCHAIN") != "" {
		return []string{p.Settings.Toolchain.String()}
	}
	return []string{"gcc", "llvm"}
}

// CIMatrix writes the jobs of a pipeline: a child pipeline for GitLab, or
// matrices for GitHub Actions.
func (p Project) CIMatrix(w io.Writer, github bool) error {
	jobs, err := ci.Jobs(ci.Params{
		File: p.File, Kernel: p.Settings.Kernel, Lines: p.Settings.Lines, Tag: p.pipelineTag(),
		Archs: p.Settings.Archs, Toolchains: p.toolchains(),
	})
	if err != nil {
		return err
	}
	if github {
		return ci.GitHub(w, jobs, p.scheduled())
	}
	parent, err := os.ReadFile(p.path(".gitlab-ci.yml"))
	if err != nil {
		return fault.New(fault.Usage, "go tool mage ci:matrix -github", "a child pipeline takes its templates from .gitlab-ci.yml: %w", err)
	}
	return ci.GitLab(w, parent, jobs, p.scheduled())
}

// CIKernel writes the line that the pipeline's tag is of, for KERNEL.
func (p Project) CIKernel(w io.Writer) error {
	l, err := ci.LineOf(p.File, p.Settings.Kernel, p.pipelineTag())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, l.Name)
	return err
}

// TestPipeline runs .gitlab-ci.yml whole, on this machine and in a copy of the
// checkout: of the line KERNEL, or 6.1, up to a release on a server of its own.
// With an ARCH or a TOOLCHAIN it is that of a branch, without a release.
func (p Project) TestPipeline(ctx context.Context) error {
	found, err := tools.Look(ctx, tools.ForPipeline(), "gcc")
	if err != nil {
		return err
	}
	if missing := problems(found); len(missing) > 0 {
		return fault.New(fault.Machine, "install them; Node.js from its makers, where the distribution's is older", "gitlab-ci-local cannot run: %s", strings.Join(missing, "; "))
	}
	g, err := tools.Go()
	if err != nil {
		return err
	}
	return p.steps(ctx, []step{
		{"test-pipeline", []string{g, "test", "-v", "-count=1", "-timeout", "4h", "-run", "^TestWholePipeline$", "./internal/pipeline"}, false, true, ""},
	}, "BZMAGE_PIPELINE=1", "KERNEL", "ARCH", "TOOLCHAIN", "OFFLINE", "NODE_EXTRA_CA_CERTS", "npm_config_*")
}
