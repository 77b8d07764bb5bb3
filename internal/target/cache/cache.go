// Package cache holds the targets whose names begin with "cache:", which look
// after the downloads that all checkouts share.
package cache

import (
	"context"

	"bzmage/internal/target"
)

// List prints what is there, and what a prune would remove.
func List(ctx context.Context) error { return target.CacheList(ctx) }

// Verify hashes every file and sets the damaged ones aside.
func Verify(ctx context.Context) error { return target.CacheVerify(ctx) }

// Prune removes what no line uses and downloads given up a day ago.
func Prune(ctx context.Context) error { return target.CachePrune(ctx) }
