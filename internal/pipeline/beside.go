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
	begun, done := make(chan struct{}), make(chan struct{})
	var found error
	go func() {
		defer close(done)
		found = k.p.Jobs.With(ctx, func(ctx context.Context) error {
			close(begun)
			_, err := k.p.checkpatch(ctx, k.src)
			return err
		})
		if found != nil {
			cancel(found)
		}
	}()
	// It has its job slot before any target does: they keep theirs while they
	// wait for it.
	select {
	case <-begun:
	case <-done:
	}
	k.checked = func() error { <-done; return found }
	results, err := each(ctx, k.p, f)
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
func (p Project) Build(ctx context.Context) (_ []build.Result, err error) {
	defer p.traced(&ctx)(&err)
	return targets(ctx, p, p.toCheck, func(ctx context.Context, k *kernel) ([]build.Result, error) { return beside(ctx, k, k.build) })
}
