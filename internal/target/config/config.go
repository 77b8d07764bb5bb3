// Package config holds the targets that mage calls config:..., which the
// magefile imports: a namespace of its own would take the name config from the
// target that makes the configs.
package config

import (
	"context"

	"bzmage/internal/target"
)

// Diff shows what differs between two configs: lines, arches, flavours or a snapshot.
//
// A side is any of line/arch/flavour (6.1, arm64, 6.1/x86_64/release), a file
// of configs/snapshot, or current: the target that file is named after.
func Diff(ctx context.Context, from, to string) error { return target.ConfigDiff(ctx, from, to) }

// Snapshot writes each target's config to configs/snapshot, to be committed.
func Snapshot(ctx context.Context) error { return target.ConfigSnapshot(ctx) }
