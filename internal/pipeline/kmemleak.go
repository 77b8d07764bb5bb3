package pipeline

import (
	"os"
	"slices"

	"bzmage/internal/build"
	"bzmage/internal/config"
	"bzmage/internal/event"
	"bzmage/internal/fault"
)

// expected returns the checks that a boot has to report: those of the
// initramfs, and kmemleak where the kernel has it, so that a scan that was not
// made is no pass.
func expected(b build.Result, checks []string) ([]string, error) {
	text, err := os.ReadFile(b.Path("config"))
	if err != nil {
		return nil, fault.New(fault.Machine, "rm -r "+b.Dist, "read the config of a build: %w", err)
	}
	if config.ReadConfig(text)["CONFIG_DEBUG_KMEMLEAK"] != "y" {
		return checks, nil
	}
	return append(slices.Clone(checks), event.Kmemleak), nil
}
