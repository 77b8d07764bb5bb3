// Package release holds the targets whose names begin with "release:". A type
// of the magefile, as other namespaces could be, would have the name of its
// Release.
package release

import (
	"context"

	"bzmage/internal/target"
)

// Preflight asks all that a release demands before anything is compiled.
func Preflight(ctx context.Context) error { return target.ReleasePreflight(ctx) }

// Snapshot makes a release of what is here and publishes nothing.
func Snapshot(ctx context.Context) error { return target.ReleaseSnapshot(ctx) }

// Check downloads the release of a tag, or takes a folder, and says of each part what was proved; -json: for programs.
func Check(ctx context.Context, what string, json *bool) error {
	return target.ReleaseCheck(ctx, what, json)
}

// Key prints the public part of SIGN_KEY, for configs/keys/release.
func Key(ctx context.Context) error { return target.ReleaseKey(ctx) }
