package dist

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/release"
)

func TestCompare(t *testing.T) {
	now := []release.File{
		{Name: "bzImage-6.1.10-x-x86_64", Kind: release.Image, Arch: "x86_64", Size: 110},
		{Name: "a_6.1.10.deb", Kind: release.PackageFile, Arch: "x86_64", Size: 50},
		{Name: "a-6.1.10.rpm", Kind: release.PackageFile, Arch: "x86_64", Size: 60},
		{Name: "patches-6.1.10-x.tar.zst", Kind: release.Patches, Size: 7},
		{Name: "verdict.json", Kind: release.Report, Size: 3},
	}
	before := []release.File{
		{Name: "bzImage-6.1.9-x-x86_64", Kind: release.Image, Arch: "x86_64", Size: 100},
		{Name: "Image-6.1.9-x-arm64", Kind: release.Image, Arch: "arm64", Size: 90},
		{Name: "a_6.1.9.deb", Kind: release.PackageFile, Arch: "x86_64", Size: 50},
		{Name: "patches-6.1.9-x.tar.zst", Kind: release.Patches, Size: 0},
	}
	got := Compare(now, before)
	want := []Row{
		{What: "patches .zst", Now: 7, Before: 0},
		{What: "image", Arch: "arm64", Now: None, Before: 90},
		{What: "image", Arch: "x86_64", Now: 110, Before: 100},
		{What: "package .deb", Arch: "x86_64", Now: 50, Before: 50},
		{What: "package .rpm", Arch: "x86_64", Now: 60, Before: None},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	var b strings.Builder
	if err := Table(&b, got); err != nil {
		t.Fatal(err)
	}
	table := `ARCH    FILE          NOW  BEFORE  DIFFERENCE
-       patches .zst  7    0       +7
arm64   image         -    90      gone
x86_64  image         110  100     +10 (+10.0%)
x86_64  package .deb  50   50      +0 (+0.0%)
x86_64  package .rpm  60   -       new
`
	if d := cmp.Diff(table, b.String()); d != "" {
		t.Error(d)
	}
}
