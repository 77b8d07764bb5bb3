package dist

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ulikunitz/xz"

	"bzmage/internal/fault"
)

// pack is what both kinds of packages are made of.
type pack struct {
	Params
	Target
	Name    string // of the package: one for each uname -r, so that kernels lie beside each other
	Version string // that sorts as both dpkg and rpm do
	content []entry
}

// pack returns the package of a target. Debian's names have small letters and
// no underscore; "~" sorts before the end, so that 6.2~rc1 is older than 6.2.
func (p Params) pack(t Target, content []entry) pack {
	name := strings.NewReplacer("_", "-", "~", "-").Replace(strings.ToLower(t.Build.Release))
	return pack{Params: p, Target: t, Name: "linux-image-" + name, Version: strings.ReplaceAll(p.Base, "-", "~"), content: content}
}

func (k pack) full() string { return k.Version + "-" + k.Revision }

// deb writes a package for dpkg: an ar archive of three members (deb(5)).
func (k pack) deb(w io.Writer) error {
	control, err := k.control()
	if err != nil {
		return err
	}
	meta, err := xzTar(control, k.Time)
	if err != nil {
		return err
	}
	data, err := xzTar(withParents(k.content), k.Time)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, "!<arch>\n"); err != nil {
		return err
	}
	return errors.Join(
		member(w, "debian-binary", k.Time, []byte("2.0\n")),
		member(w, "control.tar.xz", k.Time, meta),
		member(w, "data.tar.xz", k.Time, data),
	)
}

// member writes a member of an ar archive: sixty bytes, then the content,
// filled up to an even length (deb(5), ar(5)).
func member(w io.Writer, name string, date time.Time, text []byte) error {
	if len(text) > 9_999_999_999 {
		return fault.New(fault.Usage, "take debug info out of the config", "%s is too long for a package", name)
	}
	if _, err := fmt.Fprintf(w, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", name, date.Unix(), 0, 0, "100644", len(text)); err != nil {
		return err
	}
	if len(text)%2 == 1 {
		text = append(text, '\n')
	}
	_, err := w.Write(text)
	return err
}

// xzTar returns the entries as a .tar.xz, which every dpkg in use reads; those
// before Debian 12 do not read zstd.
func xzTar(list []entry, date time.Time) ([]byte, error) {
	var b bytes.Buffer
	x, err := xz.NewWriter(&b)
	if err != nil {
		return nil, err
	}
	err = errors.Join(writeTar(x, "./", list, date), x.Close())
	return b.Bytes(), err
}

// control returns the files that tell dpkg about the package (deb-control(5),
// deb-md5sums(5)).
func (k pack) control() ([]entry, error) {
	var sums strings.Builder
	var size int64
	for _, e := range k.content {
		if e.dir || e.link != "" {
			continue
		}
		text, err := e.read()
		if err != nil {
			return nil, err
		}
		size += (int64(len(text)) + 1023) / 1024
		// MD5 is the format's; it finds damage, and proves nothing.
		fmt.Fprintf(&sums, "%x  %s\n", md5.Sum(text), e.name)
	}
	var c strings.Builder
	fmt.Fprintf(&c, "Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: %s\nInstalled-Size: %d\n", k.Name, k.full(), k.Arch.GOARCH, k.Maintainer, size)
	fmt.Fprintf(&c, "Section: kernel\nPriority: optional\n")
	if k.URL != "" {
		fmt.Fprintf(&c, "Homepage: %s\n", k.URL)
	}
	fmt.Fprintf(&c, "Description: Linux kernel %s\n %s\n", k.Build.Release, k.Description)
	list := []entry{{name: "control", text: []byte(c.String())}, {name: "md5sums", text: []byte(sums.String())}}
	for _, name := range []string{"postinst", "postrm", "preinst", "prerm"} {
		list = append(list, entry{name: name, exec: true, text: []byte(k.debScript(name))})
	}
	return sorted(list), nil
}
