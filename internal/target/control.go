package target

import (
	"context"
	"errors"
	"os"

	"bzmage/internal/pipeline"
)

// VerifyControl boots without the series and prints which checks depend on it.
func VerifyControl(ctx context.Context) error {
	return run(ctx, func(ctx context.Context, p pipeline.Project) error {
		r, err := p.VerifyControl(ctx)
		if len(r.Checks) > 0 {
			err = errors.Join(err, r.Table(os.Stdout))
		}
		return err
	})
}
