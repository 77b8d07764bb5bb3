package dist

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/google/rpmpack"
)

func rpmArch(t Target) string {
	if t.Arch.Name == "arm64" {
		return "aarch64"
	}
	return t.Arch.Name
}

func (m *maker) rpmName(t Target) string {
	return fmt.Sprintf("%s-%s-%s.%s.rpm", m.packageName("kernel-"), m.p.Base, m.p.Revision, rpmArch(t))
}

// rpm writes an RPM package. installonlypkg(kernel) tells dnf to keep the
// kernels that are there, as for Fedora's own.
func (m *maker) rpm(w io.Writer, t Target, tree []entry) error {
	provides := rpmpack.Relations{}
	for _, name := range []string{"kernel = " + m.p.Base, "kernel-uname-r = " + m.p.Name, "installonlypkg(kernel)"} {
		if err := provides.Set(name); err != nil {
			return err
		}
	}
	r, err := rpmpack.NewRPM(rpmpack.RPMMetaData{
		Name: m.packageName("kernel-"), Version: m.p.Base, Release: m.p.Revision, Arch: rpmArch(t), OS: "linux",
		Summary: m.summary(), Description: m.description(t), Vendor: "bzmage", URL: m.p.URL, Group: "System Environment/Kernel",
		Licence: "GPL-2.0-only WITH Linux-syscall-note", BuildHost: "bzmage", BuildTime: m.p.Time, Compressor: "zstd", Provides: provides,
	})
	if err != nil {
		return err
	}
	list := slices.SortedFunc(slices.Values(tree), func(a, b entry) int { return strings.Compare(a.Path, b.Path) })
	for _, e := range list {
		f := rpmpack.RPMFile{Name: "/" + e.Path, Mode: 0o100000 | uint(e.Mode), Owner: "root", Group: "root", MTime: uint32(m.p.Time.Unix())}
		if e.Link != "" {
			f.Mode, f.Body = 0o120777, []byte(e.Link)
		} else if f.Body, err = os.ReadFile(e.From); err != nil {
			return err
		}
		r.AddFile(f)
	}
	r.AddPostin(depmod(m.p.Name) + fmt.Sprintf("if command -v kernel-install >/dev/null; then kernel-install add %[1]s /boot/vmlinuz-%[1]s || exit $?; fi\n", m.p.Name))
	r.AddPreun(fmt.Sprintf("if command -v kernel-install >/dev/null; then kernel-install remove %s || exit $?; fi\n", m.p.Name))
	return r.Write(w)
}
