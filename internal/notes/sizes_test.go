package notes

import (
	"testing"

	"bzmage/internal/release"
)

// TestSizesOfPackages compares packages whose names hold the date of a commit.
func TestSizesOfPackages(t *testing.T) {
	before := release.Release{Base: "6.1.1", Name: "6.1.1-x", Files: []release.File{
		{Name: "linux-image-6.1.1-x_6.1.1-20261122120000_amd64.deb", Kind: release.PackageFile, Arch: "x86_64", Size: 10},
		{Name: "linux-image-6.1.1-x-6.1.1-20261122120000.x86_64.rpm", Kind: release.PackageFile, Arch: "x86_64", Size: 20},
	}}
	now := release.Release{Base: "6.1.2", Name: "6.1.2-x", Files: []release.File{
		{Name: "linux-image-6.1.2-x_6.1.2-20261123130000_amd64.deb", Kind: release.PackageFile, Arch: "x86_64", Size: 11},
		{Name: "verdict.json", Kind: release.Report, Size: 1},
	}}
	got := Sizes(now, &before)
	if len(got) != 1 || got[0].Now != 11 || got[0].Was != 10 {
		t.Errorf("%+v", got)
	}
}
