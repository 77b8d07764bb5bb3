// Package verify holds the checks: ordinary Go tests of a kernel that has the
// patches. In goes nothing but the kernel they run on; out comes what tests
// say. There is a file for each theme; to add a check, add a test.
//
// The test binary is the guest's /init: as process 1 it runs itself once more
// as the checks and reports to the host (see internal/guest). There it runs
// as root, alone, with /proc, /sys, /dev and /tmp, and a check must not skip
// for want of what it checks: a kernel without the patches has to fail.
//
// On a host that was booted into the kernel, `go test ./verify` runs the same
// checks, skipping what needs root. On any other host it does nothing.
package verify
