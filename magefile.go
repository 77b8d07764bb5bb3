//go:build mage

// bzmage takes a patch series for a Linux kernel to a verified kernel.
package main

import (
	"context"

	"bzmage/internal/target"

	// mage:import config
	_ "bzmage/internal/target/config"
)

// Setup installs the tools that are missing on this machine.
func Setup(ctx context.Context) error { return target.Setup(ctx) }

// Doctor says for each tool, the disk, KVM and the sources whether it will do.
func Doctor(ctx context.Context) error { return target.Doctor(ctx) }

// Fetch gets the kernel source, verifies it and unpacks it.
func Fetch(ctx context.Context) error { return target.Fetch(ctx) }

// Patch applies the patch series to the tree, all of it or nothing.
func Patch(ctx context.Context) error { return target.Patch(ctx) }

// Checkpatch has the kernel's own checkpatch look at the series.
func Checkpatch(ctx context.Context) error { return target.Checkpatch(ctx) }

// Config makes each target's .config and checks that every option survived.
func Config(ctx context.Context) error { return target.Config(ctx) }

// Build compiles the patched kernel for each arch.
func Build(ctx context.Context) error { return target.Build(ctx) }

// Verify boots each kernel in QEMU and runs the checks inside it.
func Verify(ctx context.Context) error { return target.Verify(ctx) }

// Demo boots the patched kernel and shows its random numbers until Ctrl-C.
func Demo(ctx context.Context) error { return target.Demo(ctx) }

// Test runs lint and all tests, those on real kernels included.
func Test(ctx context.Context) error { return target.Test(ctx) }

// Lint looks at the Go code with gofmt, vet and staticcheck.
func Lint(ctx context.Context) error { return target.Lint(ctx) }

// Clean removes the build folder; downloads stay in the cache.
func Clean(ctx context.Context) error { return target.Clean(ctx) }
