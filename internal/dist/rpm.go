package dist

import (
	"fmt"
	"io"
	"strings"

	"github.com/google/rpmpack"

	"bzmage/internal/fault"
)

// maxRPM is how much rpmpack can put into a package: it counts in 32 bits.
const maxRPM = 1 << 31

// The types of files in a package (inode(7)).
const (
	typeDir  = 0o040000
	typeFile = 0o100000
)

// rpmArch returns the arch as rpm has it, which is GNU's.
func (k pack) rpmArch() string {
	name, _, _ := strings.Cut(k.Arch.Cross, "-")
	return name
}

// rpm writes a package for rpm. It owns no folders that others have files in.
func (k pack) rpm(w io.Writer) error {
	r, err := rpmpack.NewRPM(rpmpack.RPMMetaData{
		Name: k.Name, Version: k.Version, Release: k.Revision, Arch: k.rpmArch(), Epoch: rpmpack.NoEpoch,
		Summary: "Linux kernel " + k.Build.Release, Description: k.Description, URL: k.URL, Packager: k.Maintainer,
		Licence: "GPL-2.0-only", Group: "System Environment/Kernel", BuildHost: "bzmage", BuildTime: k.Time,
		Compressor: "zstd", // rpm reads it since 4.14, of 2017
		Requires: rpmpack.Relations{
			{Name: "/bin/sh"},
			{Name: "rpmlib(PayloadIsZstd)", Version: "5.4.18-1", Sense: rpmpack.SenseLess | rpmpack.SenseEqual | rpmpack.SenseRPMLIB},
		},
	})
	if err != nil {
		return fmt.Errorf("begin an rpm: %w", err)
	}
	total := 0
	for _, e := range k.content {
		f := rpmpack.RPMFile{Name: "/" + e.name, Mode: typeFile | 0o644, Owner: "root", Group: "root", MTime: uint32(k.Time.Unix())}
		if e.dir {
			f.Mode = typeDir | 0o755
		} else if f.Body, err = e.read(); err != nil {
			return err
		}
		if total += len(f.Body); total >= maxRPM {
			return fault.New(fault.Usage, "take debug info out of the config", "%d bytes are too much for an rpm", total)
		}
		r.AddFile(f)
	}
	after, removed := k.rpmScripts()
	r.AddPostin(after)
	r.AddPostun(removed)
	return r.Write(w)
}
