//go:build mage

// bzmage takes a patch series for a Linux kernel to a verified kernel.
package main

import (
	"context"

	"bzmage/internal/target"

	// mage:import cache
	_ "bzmage/internal/target/cache"
	// mage:import ci
	_ "bzmage/internal/target/ci"
	// mage:import config
	_ "bzmage/internal/target/config"
	// mage:import kernels
	_ "bzmage/internal/target/kernels"
	// mage:import release
	_ "bzmage/internal/target/release"
	// mage:import series
	_ "bzmage/internal/target/series"
	// mage:import update
	_ "bzmage/internal/target/update"
	// mage:import verify
	_ "bzmage/internal/target/verify"
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

// Verify boots each kernel in QEMU and runs the checks inside it; -f: boots again.
func Verify(ctx context.Context, f *bool) error { return target.Verify(ctx, f) }

// Release makes, signs and publishes the release of a tag, or nothing at all.
func Release(ctx context.Context) error { return target.Release(ctx) }

// Plan says of each stage whether verify would run or keep it, and why; -json: for programs.
func Plan(ctx context.Context, json *bool) error { return target.Plan(ctx, json) }

// Demo boots the patched kernel and shows its random numbers until Ctrl-C.
func Demo(ctx context.Context) error { return target.Demo(ctx) }

// Test runs lint and all tests, those on real kernels included.
func Test(ctx context.Context) error { return target.Test(ctx) }

// TestSlow runs what CI has no time for: planted flaws, coverage, a debug kernel.
func TestSlow(ctx context.Context) error { return target.TestSlow(ctx) }

// TestPipeline runs .gitlab-ci.yml whole on this machine, up to a release on a server of its own.
func TestPipeline(ctx context.Context) error { return target.TestPipeline(ctx) }

// Bench measures bzmage beside plain tooling; -write: into docs/performance.md.
func Bench(ctx context.Context, write *bool) error { return target.Bench(ctx, write) }

// Reproduce builds again elsewhere and otherwise, and compares each file; -build: builds only.
func Reproduce(ctx context.Context, build *bool) error { return target.Reproduce(ctx, build) }

// Lint looks at the Go code with gofmt, vet and staticcheck.
func Lint(ctx context.Context) error { return target.Lint(ctx) }

// Clean removes the build folder; downloads stay in the cache.
func Clean(ctx context.Context) error { return target.Clean(ctx) }
