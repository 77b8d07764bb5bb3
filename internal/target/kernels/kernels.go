// Package kernels holds the targets whose names begin with "kernels:", which look
// after the kernel lines of configs/kernels.toml.
package kernels

import (
	"context"

	"bzmage/internal/target"
)

// List prints each line: pinned, newest known, end of life, proofs; and the keys.
func List(ctx context.Context) error { return target.KernelsList(ctx) }

// Pin pins a release, or the newest that a constraint allows, once it is proved.
func Pin(ctx context.Context, release string) error { return target.KernelsPin(ctx, release) }
