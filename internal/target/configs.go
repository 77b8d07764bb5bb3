package target

import (
	"context"
	"os"

	"bzmage/internal/pipeline"
)

// ConfigDiff compares two configs.
func ConfigDiff(ctx context.Context, from, to string) error {
	return run(ctx, func(ctx context.Context, p pipeline.Project) error { return p.ConfigDiff(ctx, os.Stdout, from, to) })
}

// ConfigSnapshot writes configs to be committed.
func ConfigSnapshot(ctx context.Context) error {
	return run(ctx, func(ctx context.Context, p pipeline.Project) error { return p.ConfigSnapshot(ctx) })
}
