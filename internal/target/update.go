package target

import (
	"context"
	"os"

	"bzmage/internal/pipeline"
)

// UpdateCheck prints what is new upstream.
func UpdateCheck(ctx context.Context, json *bool) error {
	return open(ctx, func(ctx context.Context, p pipeline.Project) error {
		return p.UpdateCheck(ctx, os.Stdout, json != nil && *json)
	})
}

// UpdatePR proposes what is new upstream.
func UpdatePR(ctx context.Context) error {
	return run(ctx, func(ctx context.Context, p pipeline.Project) error { return p.UpdateHost(ctx, os.Stdout) })
}
