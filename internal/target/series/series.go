// Package series holds the targets whose names begin with "series:", which look
// after the series of patches.
package series

import (
	"context"

	"bzmage/internal/target"
)

// Status tries the series on the source and says what became of each patch.
func Status(ctx context.Context) error { return target.SeriesStatus(ctx) }

// Refresh folds edits made in the tree into their patches, or all -into=NAME.
func Refresh(ctx context.Context, into *string) error { return target.SeriesRefresh(ctx, into) }

// New makes a patch of the edits made in the tree, as the last of the series.
func New(ctx context.Context, title string) error { return target.SeriesNew(ctx, title) }

// Rebase makes the series of the line KERNEL fit another release or line.
func Rebase(ctx context.Context, release string) error { return target.SeriesRebase(ctx, release) }

// Compile compiles the kernel after each patch: a new warning is an error.
func Compile(ctx context.Context) error { return target.SeriesCompile(ctx) }

// Bisect finds the patch that makes a check fail.
func Bisect(ctx context.Context, check string) error { return target.SeriesBisect(ctx, check) }
