package settings

import (
	"strconv"

	"bzmage/internal/fault"
	"bzmage/internal/kernels"
)

// readCoverage reads PATCH_COVERAGE_MIN, and refuses a compiler whose counters
// bzmage does not read: clang's notes and counters are of another form.
func readCoverage(value string, s Settings, file kernels.File) (*float64, error) {
	if file.Flavours[s.Flavour].Coverage != nil && s.Toolchain.LLVM {
		return nil, fault.New(fault.Usage, "TOOLCHAIN=gcc FLAVOUR="+s.Flavour,
			"FLAVOUR=%s measures coverage with gcc's gcov, and TOOLCHAIN=%s has none", s.Flavour, s.Toolchain)
	}
	if value == "" {
		return nil, nil
	}
	least, err := strconv.ParseFloat(value, 64)
	if err != nil || !(least >= 0 && least <= 100) { // NaN is neither
		return nil, fault.New(fault.Usage, "PATCH_COVERAGE_MIN=100", "PATCH_COVERAGE_MIN=%s is not a percentage from 0 to 100", value)
	}
	return &least, nil
}
