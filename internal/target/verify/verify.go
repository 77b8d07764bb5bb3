// Package verify holds the targets whose names begin with "verify:". A type of
// the magefile, as other namespaces are, would have the name of its Verify.
package verify

import (
	"context"

	"bzmage/internal/target"
)

// Control sees the checks fail on a kernel without the series, as they must.
func Control(ctx context.Context) error { return target.VerifyControl(ctx) }
