package target

import (
	"context"
	"errors"
	"os"

	"bzmage/internal/fault"
	"bzmage/internal/pipeline"
)

// Reproduce builds again in another environment, and prints what is the same;
// with build it only makes what is compared, which is what the second build is
// asked for.
func Reproduce(ctx context.Context, build *bool) error {
	return run(ctx, func(ctx context.Context, p pipeline.Project) error {
		if build != nil && *build {
			return p.Reproducible(ctx)
		}
		program, err := os.Executable()
		if err != nil {
			return fault.New(fault.Machine, "", "find bzmage's own program: %w", err)
		}
		r, err := p.Reproduce(ctx, program, "reproduce", "-build")
		if len(r.Files) > 0 {
			err = errors.Join(err, r.Table(os.Stdout))
		}
		return err
	})
}
