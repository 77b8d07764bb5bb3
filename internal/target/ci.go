package target

import (
	"context"
	"os"

	"bzmage/internal/pipeline"
)

// CIMatrix prints what a pipeline runs.
func CIMatrix(ctx context.Context, github *bool) error {
	return openWith(ctx, "", func(_ context.Context, p pipeline.Project) error {
		return p.CIMatrix(os.Stdout, github != nil && *github)
	})
}

// CIKernel prints the line of the pipeline's tag.
func CIKernel(ctx context.Context) error {
	return openWith(ctx, "", func(_ context.Context, p pipeline.Project) error { return p.CIKernel(os.Stdout) })
}

// TestPipeline runs the whole pipeline of .gitlab-ci.yml on this machine.
func TestPipeline(ctx context.Context) error {
	return open(ctx, func(ctx context.Context, p pipeline.Project) error { return p.TestPipeline(ctx) })
}
