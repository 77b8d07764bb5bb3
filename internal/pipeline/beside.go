package pipeline

import (
	"context"

	"bzmage/internal/arch"
	"bzmage/internal/build"
)

// beside runs f for every target while checkpatch looks at the series. What
// checkpatch objects to ends the others, and is the only error then; until it
// has not, no dist is collected and nothing is booted (see [kernel.wait]).
func beside[T any](ctx context.Context, k *kernel, f func(context.Context, arch.Arch) (T, error)) ([]T, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan struct{})
	var found error
	go func() {
		defer close(done)
		if _, found = k.p.checkpatch(ctx, k.src); found != nil {
			cancel(found)
		}
	}()
	k.checked = func() error { <-done; return found }
	results, err := each(ctx, k.p.Settings.Archs, f)
	if err := k.checked(); err != nil {
		return nil, err
	}
	return results, err
}

// wait waits for what looks at the series beside the build, and returns what it
// objects to.
func (k *kernel) wait() error {
	if k.checked == nil {
		return nil
	}
	return k.checked()
}

// Build compiles every target, all at once.
func (p Project) Build(ctx context.Context) ([]build.Result, error) {
	return targets(ctx, p, p.toCheck, func(ctx context.Context, k *kernel) ([]build.Result, error) { return beside(ctx, k, k.build) })
}
