package target

import (
	"context"
	"errors"
	"os"

	"bzmage/internal/compile"
	"bzmage/internal/pipeline"
)

// SeriesCompile compiles the kernel after each patch and prints what each
// brought.
func SeriesCompile(ctx context.Context) error {
	return run(ctx, func(ctx context.Context, p pipeline.Project) error {
		r, err := p.SeriesCompile(ctx)
		if len(r.Patches) > 0 {
			err = errors.Join(err, compile.Table(os.Stdout, r))
		}
		return err
	})
}

// SeriesRefresh folds edits into the series; into may be nil.
func SeriesRefresh(ctx context.Context, into *string) error {
	name := ""
	if into != nil {
		name = *into
	}
	return run(ctx, func(ctx context.Context, p pipeline.Project) error { return p.SeriesRefresh(ctx, name) })
}

// SeriesNew makes a patch of edits.
func SeriesNew(ctx context.Context, title string) error {
	return run(ctx, func(ctx context.Context, p pipeline.Project) error { return p.SeriesNew(ctx, title) })
}

// SeriesBisect finds the patch that makes a check fail.
func SeriesBisect(ctx context.Context, check string) error {
	return run(ctx, func(ctx context.Context, p pipeline.Project) error {
		r, err := p.SeriesBisect(ctx, check)
		if len(r.Trials) > 0 {
			err = errors.Join(err, r.Table(os.Stdout))
		}
		return err
	})
}
