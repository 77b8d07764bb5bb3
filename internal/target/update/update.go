// Package update holds the targets whose names begin with "update:", which
// watch what kernel.org does with the pinned lines.
package update

import (
	"context"

	"bzmage/internal/target"
)

// Check looks upstream: newer releases, ends of life, withdrawn ones; -json: for programs.
func Check(ctx context.Context, json *bool) error { return target.UpdateCheck(ctx, json) }

// Pr proposes each newer release as one pull or merge request, built and verified.
func Pr(ctx context.Context) error { return target.UpdatePR(ctx) }
