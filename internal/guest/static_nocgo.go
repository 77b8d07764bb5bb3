//go:build !cgo

package guest

// withCgo says that this program may be linked to a C library, which the
// initramfs does not have.
const withCgo = false
