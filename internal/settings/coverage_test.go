package settings

import (
	"strings"
	"testing"

	"bzmage/internal/fault"
	"bzmage/internal/kernels"
)

func TestCoverage(t *testing.T) {
	f := file(t)
	f.Flavours["coverage"] = kernels.Flavour{Coverage: &kernels.Coverage{Min: 90}}
	s, err := Read(env("FLAVOUR=coverage"), f)
	if err != nil || s.CoverageMin != nil {
		t.Errorf("%v, %v", s.CoverageMin, err)
	}
	for value, want := range map[string]float64{"0": 0, "87.5": 87.5, "100": 100} {
		s, err := Read(env("FLAVOUR=coverage", "PATCH_COVERAGE_MIN="+value), f)
		if err != nil || s.CoverageMin == nil || *s.CoverageMin != want {
			t.Errorf("%s: %v, %v", value, s.CoverageMin, err)
		}
	}
	for _, value := range []string{"-1", "101", "NaN", "all", "50%"} {
		if _, err := Read(env("PATCH_COVERAGE_MIN="+value), f); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "PATCH_COVERAGE_MIN="+value) {
			t.Errorf("%s: %v", value, err)
		}
	}
	if _, err := Read(env("FLAVOUR=coverage", "TOOLCHAIN=llvm-14"), f); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "gcc's gcov") {
		t.Errorf("clang: %v", err)
	}
	if _, err := Read(env("FLAVOUR=coverage", "TOOLCHAIN=gcc-12"), f); err != nil {
		t.Error(err)
	}
}
