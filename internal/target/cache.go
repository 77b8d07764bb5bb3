package target

import (
	"context"
	"os"

	"bzmage/internal/pipeline"
)

// CacheList prints what the cache holds.
func CacheList(ctx context.Context) error {
	return open(ctx, func(ctx context.Context, p pipeline.Project) error { return p.CacheList(ctx, os.Stdout) })
}

// CacheVerify hashes all of the cache.
func CacheVerify(ctx context.Context) error {
	return open(ctx, func(ctx context.Context, p pipeline.Project) error { return p.CacheVerify(ctx, os.Stdout) })
}

// CachePrune removes what no line uses.
func CachePrune(ctx context.Context) error {
	return open(ctx, func(ctx context.Context, p pipeline.Project) error { return p.CachePrune(ctx, os.Stdout) })
}
