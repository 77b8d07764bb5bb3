package target

import (
	"context"
	"os"

	"bzmage/internal/pipeline"
)

// Plan prints what Verify would do, as a table or as JSON. It waits for no
// other run, and leaves no log.
func Plan(ctx context.Context, json *bool) error {
	return openWith(ctx, "", func(ctx context.Context, p pipeline.Project) error {
		plan, err := p.Plan(ctx)
		if err != nil {
			return err
		}
		if json != nil && *json {
			return plan.JSON(os.Stdout)
		}
		return plan.Table(os.Stdout)
	})
}
