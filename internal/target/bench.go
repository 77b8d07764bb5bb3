package target

import (
	"context"
	"os"

	"bzmage/internal/pipeline"
)

// Bench measures bzmage beside plain tooling and prints the table; with write
// it goes into docs/performance.md, too.
func Bench(ctx context.Context, write *bool) error {
	return run(ctx, func(ctx context.Context, p pipeline.Project) error {
		return p.Bench(ctx, os.Stdout, write != nil && *write)
	})
}
