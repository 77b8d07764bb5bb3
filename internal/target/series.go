package target

import (
	"context"
	"errors"
	"os"

	"bzmage/internal/pipeline"
	"bzmage/internal/series"
)

// SeriesStatus tries the series and prints what became of each patch.
func SeriesStatus(ctx context.Context) error {
	return run(ctx, func(ctx context.Context, p pipeline.Project) error {
		r, err := p.SeriesStatus(ctx)
		return table(r, err)
	})
}

// SeriesRebase makes the series fit another release.
func SeriesRebase(ctx context.Context, release string) error {
	return run(ctx, func(ctx context.Context, p pipeline.Project) error {
		r, err := p.SeriesRebase(ctx, release)
		return table(r, err)
	})
}

// table prints a report, if there is one.
func table(r series.Report, err error) error {
	if r.Line == "" {
		return err
	}
	return errors.Join(err, r.Table(os.Stdout))
}
