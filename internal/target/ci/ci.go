// Package ci holds the targets whose names begin with "ci:".
package ci

import (
	"context"

	"bzmage/internal/target"
)

// Matrix prints the GitLab child pipeline of all lines; -github: matrices for GitHub Actions.
func Matrix(ctx context.Context, github *bool) error { return target.CIMatrix(ctx, github) }

// Kernel prints the line that the tag of this pipeline is of.
func Kernel(ctx context.Context) error { return target.CIKernel(ctx) }
