package dist

import (
	"archive/tar"
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// packageName names the package after the kernel, as Debian does, so that
// several kernels are installed side by side. Only lower case is allowed
// (Debian Policy 5.6.7).
func (m *maker) packageName(prefix string) string { return prefix + strings.ToLower(m.p.Name) }

// version is the base release, and behind it what makes a later commit newer.
func (m *maker) version() string { return m.p.Base + "-" + m.p.Revision }

func debArch(t Target) string { return t.Arch.GOARCH } // amd64 and arm64 are Go's names and Debian's

func (m *maker) debName(t Target) string {
	return fmt.Sprintf("%s_%s_%s.deb", m.packageName("linux-image-"), m.version(), debArch(t))
}

// deb writes a Debian package (deb(5)): an ar archive of the version of the
// format, the control archive and the data archive. dpkg reads zstd since
// Debian 12 and Ubuntu 18.04.
func (m *maker) deb(w io.Writer, t Target, tree []entry) error {
	var data bytes.Buffer
	z, err := newZstd(&data)
	if err != nil {
		return err
	}
	if err := errors.Join(plainTar(z, "./", tree, m.p.Time), z.Close()); err != nil {
		return err
	}
	control, err := m.control(t, tree)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, "!<arch>\n"); err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		body []byte
	}{{"debian-binary", []byte("2.0\n")}, {"control.tar.zst", control}, {"data.tar.zst", data.Bytes()}} {
		// ar(5): name, date, user, group, mode, size; a body of odd length is padded.
		head := fmt.Sprintf("%-16s%-12d%-6d%-6d%-8s%-10d`\n", part.name, m.p.Time.Unix(), 0, 0, "100644", len(part.body))
		pad := "\n"[:len(part.body)%2]
		if _, err := io.WriteString(w, head+string(part.body)+pad); err != nil {
			return err
		}
	}
	return nil
}

// control makes the control archive.
func (m *maker) control(t Target, tree []entry) ([]byte, error) {
	sums, size, err := md5sums(tree)
	if err != nil {
		return nil, err
	}
	files := []struct {
		name, text string
		mode       int64
	}{
		{"control", m.controlFile(t, size), 0o644},
		{"md5sums", sums, 0o644},
		{"postinst", hooks("postinst", m.p.Name), 0o755},
		{"postrm", hooks("postrm", m.p.Name), 0o755},
		{"preinst", hooks("preinst", m.p.Name), 0o755},
		{"prerm", hooks("prerm", m.p.Name), 0o755},
	}
	var b bytes.Buffer
	z, err := newZstd(&b)
	if err != nil {
		return nil, err
	}
	tw := tar.NewWriter(z)
	for _, f := range files {
		h := &tar.Header{Name: "./" + f.name, Typeflag: tar.TypeReg, Mode: f.mode, Size: int64(len(f.text)), ModTime: m.p.Time.Truncate(time.Second), Uname: "root", Gname: "root"}
		if err := tw.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := io.WriteString(tw, f.text); err != nil {
			return nil, err
		}
	}
	err = errors.Join(tw.Close(), z.Close())
	return b.Bytes(), err
}

func (m *maker) controlFile(t Target, size int64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Package: %s\nVersion: %s\nArchitecture: %s\n", m.packageName("linux-image-"), m.version(), debArch(t))
	fmt.Fprintf(&b, "Maintainer: bzmage <bzmage@localhost>\nInstalled-Size: %d\nProvides: linux-image\n", (size+1023)/1024)
	fmt.Fprintf(&b, "Section: kernel\nPriority: optional\n")
	if m.p.URL != "" {
		fmt.Fprintf(&b, "Homepage: %s\n", m.p.URL)
	}
	fmt.Fprintf(&b, "Description: %s\n %s\n", m.summary(), m.description(t))
	return b.String()
}

func (m *maker) summary() string { return "Linux kernel " + m.p.Name }

func (m *maker) description(t Target) string {
	return fmt.Sprintf("Linux %s for %s with a series of patches, built and verified by bzmage.", m.p.Base, t.Arch.Name)
}

// md5sums is what dpkg --verify reads (deb-md5sums(5)); it is about bit rot.
// The bytes that are installed come with it.
func md5sums(tree []entry) (string, int64, error) {
	var rows []string
	var size int64
	for _, e := range tree {
		if e.Link != "" {
			continue
		}
		h := md5.New()
		f, err := os.Open(e.From)
		if err != nil {
			return "", 0, err
		}
		n, err := io.Copy(h, f)
		if err = errors.Join(err, f.Close()); err != nil {
			return "", 0, err
		}
		size += n
		rows = append(rows, hex.EncodeToString(h.Sum(nil))+"  "+e.Path+"\n")
	}
	slices.SortFunc(rows, func(a, b string) int { return strings.Compare(a[32:], b[32:]) })
	return strings.Join(rows, ""), size, nil
}

// hooks is the maintainer script of a stage: it runs the hooks of the machine,
// which make an initramfs and tell the boot loader, with the version and the
// image as their arguments, as Debian's kernel packages do (Debian Kernel
// Handbook, "Kernel hooks"). There is nothing to do where they are not.
func hooks(stage, name string) string {
	script := "#!/bin/sh\nset -e\n"
	if stage == "postinst" {
		script += depmod(name)
	}
	return script + fmt.Sprintf(`for dir in /etc/kernel /usr/share/kernel; do
	if [ -d "$dir/%[1]s.d" ] && command -v run-parts >/dev/null; then
		DEB_MAINT_PARAMS="$*" run-parts --report --exit-on-error --arg=%[2]s --arg=/boot/vmlinuz-%[2]s "$dir/%[1]s.d"
	fi
done
`, stage, name)
}

// depmod tells modprobe of the modules, where there are some.
func depmod(name string) string {
	return fmt.Sprintf("if [ -d /lib/modules/%[1]s ] && command -v depmod >/dev/null; then depmod %[1]s; fi\n", name)
}
