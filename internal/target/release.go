package target

import (
	"context"
	"fmt"
	"os"

	"bzmage/internal/pipeline"
)

// Release makes, proves and publishes the release of a tag.
func Release(ctx context.Context) error {
	return run(ctx, func(ctx context.Context, p pipeline.Project) error {
		res, err := p.Release(ctx, os.Stdout)
		if err != nil {
			return err
		}
		_, err = fmt.Println(res)
		return err
	})
}

// ReleasePreflight asks what a release demands.
func ReleasePreflight(ctx context.Context) error {
	return run(ctx, func(ctx context.Context, p pipeline.Project) error { return p.ReleasePreflight(ctx, os.Stdout) })
}

// ReleaseSnapshot makes a release and publishes nothing.
func ReleaseSnapshot(ctx context.Context) error {
	return run(ctx, func(ctx context.Context, p pipeline.Project) error { return p.ReleaseSnapshot(ctx, os.Stdout) })
}

// ReleaseCheck says what of a release is proved.
func ReleaseCheck(ctx context.Context, what string, json *bool) error {
	return open(ctx, func(ctx context.Context, p pipeline.Project) error {
		return p.ReleaseCheck(ctx, what, json != nil && *json, os.Stdout)
	})
}

// ReleaseKey prints a public key.
func ReleaseKey(ctx context.Context) error {
	return openWith(ctx, "", func(_ context.Context, p pipeline.Project) error { return p.ReleaseKey(os.Stdout) })
}
