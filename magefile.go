//go:build mage

// bzmage takes a patch series for a Linux kernel to a verified kernel.
package main

import (
	"context"

	"github.com/magefile/mage/mg"

	"bzmage/internal/target"

	// mage:import config
	_ "bzmage/internal/target/config"
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

// Plan says of each stage whether verify would run or keep it, and why; -json: for programs.
func Plan(ctx context.Context, json *bool) error { return target.Plan(ctx, json) }

// Demo boots the patched kernel and shows its random numbers until Ctrl-C.
func Demo(ctx context.Context) error { return target.Demo(ctx) }

// Test runs lint and all tests, those on real kernels included.
func Test(ctx context.Context) error { return target.Test(ctx) }

// TestSlow runs what CI has no time for: planted flaws, coverage, a debug kernel.
func TestSlow(ctx context.Context) error { return target.TestSlow(ctx) }

// Bench measures bzmage beside plain tooling; -write: into docs/performance.md.
func Bench(ctx context.Context, write *bool) error { return target.Bench(ctx, write) }

// Reproduce builds again elsewhere and otherwise, and compares each file; -build: builds only.
func Reproduce(ctx context.Context, build *bool) error { return target.Reproduce(ctx, build) }

// Lint looks at the Go code with gofmt, vet and staticcheck.
func Lint(ctx context.Context) error { return target.Lint(ctx) }

// Clean removes the build folder; downloads stay in the cache.
func Clean(ctx context.Context) error { return target.Clean(ctx) }

// Series looks after the series of patches.
type Series mg.Namespace

// Status tries the series on the source and says what became of each patch.
func (Series) Status(ctx context.Context) error { return target.SeriesStatus(ctx) }

// Refresh folds edits made in the tree into their patches, or all -into=NAME.
func (Series) Refresh(ctx context.Context, into *string) error {
	return target.SeriesRefresh(ctx, into)
}

// New makes a patch of the edits made in the tree, as the last of the series.
func (Series) New(ctx context.Context, title string) error { return target.SeriesNew(ctx, title) }

// Rebase makes the series of the line KERNEL fit another release or line.
func (Series) Rebase(ctx context.Context, release string) error {
	return target.SeriesRebase(ctx, release)
}

// Compile compiles the kernel after each patch: a new warning is an error.
func (Series) Compile(ctx context.Context) error { return target.SeriesCompile(ctx) }

// Bisect finds the patch that makes a check fail.
func (Series) Bisect(ctx context.Context, check string) error { return target.SeriesBisect(ctx, check) }

// Kernels looks after the kernel lines of configs/kernels.toml.
type Kernels mg.Namespace

// List prints each line: pinned, newest known, end of life, proofs; and the keys.
func (Kernels) List(ctx context.Context) error { return target.KernelsList(ctx) }

// Pin pins a release, or the newest that a constraint allows, once it is proved.
func (Kernels) Pin(ctx context.Context, release string) error { return target.KernelsPin(ctx, release) }

// Cache looks after the downloads that all checkouts share.
type Cache mg.Namespace

// List prints what is there, and what a prune would remove.
func (Cache) List(ctx context.Context) error { return target.CacheList(ctx) }

// Verify hashes every file and sets the damaged ones aside.
func (Cache) Verify(ctx context.Context) error { return target.CacheVerify(ctx) }

// Prune removes what no line uses and downloads given up a day ago.
func (Cache) Prune(ctx context.Context) error { return target.CachePrune(ctx) }
