package target

import (
	"context"
	"os"

	"bzmage/internal/pipeline"
)

// KernelsList prints the lines and the keys.
func KernelsList(ctx context.Context) error {
	return open(ctx, func(ctx context.Context, p pipeline.Project) error { return p.KernelsList(ctx, os.Stdout) })
}

// KernelsPin pins a release in kernels.toml.
func KernelsPin(ctx context.Context, release string) error {
	return run(ctx, func(ctx context.Context, p pipeline.Project) error { return p.KernelsPin(ctx, release, os.Stdout) })
}
