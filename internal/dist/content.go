package dist

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bzmage/internal/buildid"
	"bzmage/internal/fault"
)

// entry is a file, a folder or a symbolic link to be packed.
type entry struct {
	name   string // from /, without the first slash
	dir    bool
	link   string // where a symbolic link points
	from   string // the file with the content, or
	text   []byte // the content itself
	exec   bool   // a program
	sha256 string // that the file must have; empty: any
}

// modules and dtbs are where Install puts things, and where they end up.
func modules(uname string) string { return "lib/modules/" + uname }

// dtbs is the place of Debian's and of the kernel's own packages
// (scripts/package/builddeb).
func dtbs(uname string) string { return "usr/lib/linux-image-" + uname }

// debugRoot is where debuggers look for what is of a file below /.
const debugRoot = "usr/lib/debug"

// content returns what a kernel installs, sorted by name.
func (t Target) content() ([]entry, error) {
	uname := t.Build.Release
	var list []entry
	for _, f := range [][2]string{{"boot/vmlinuz-", t.Build.Image}, {"boot/System.map-", "System.map"}, {"boot/config-", "config"}} {
		e, err := t.built(f[0]+uname, f[1])
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	for _, dir := range []string{modules(uname), dtbs(uname)} {
		more, err := t.walk(dir)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return sorted(list), nil
}

// debug returns what a debugger wants: vmlinux as it was linked, by its path
// and by its build ID, and the modules with their debug info.
func (t Target) debug() ([]entry, error) {
	uname := t.Build.Release
	name := debugRoot + "/boot/vmlinux-" + uname
	vmlinux, err := t.built(name, "vmlinux")
	if err != nil {
		return nil, err
	}
	list, err := t.walk(debugRoot + "/" + modules(uname))
	if err != nil {
		return nil, err
	}
	list = append(list, vmlinux)
	id, err := buildid.OfFile(vmlinux.from)
	if err != nil && t.BuildID == "" {
		return sorted(list), nil // none that a debugger could go by
	}
	if err != nil {
		return nil, fault.New(fault.Build, "build again", "%w", err)
	}
	if t.BuildID != "" && t.BuildID != id {
		return nil, fault.New(fault.Build, "verify again: go tool mage verify -f", "vmlinux has the build ID %s, the kernel that was booted %s", id, t.BuildID)
	}
	if len(id) < 4 {
		return nil, fault.New(fault.Build, "", "the build ID %q of vmlinux is too short", id)
	}
	list = append(list, entry{name: debugRoot + "/.build-id/" + id[:2] + "/" + id[2:] + ".debug", link: "../../boot/vmlinux-" + uname})
	return sorted(list), nil
}

// built returns a file of the build as an entry.
func (t Target) built(name, file string) (entry, error) {
	f, ok := t.Build.File(file)
	if !ok {
		return entry{}, fault.New(fault.Build, "build again", "the build left no %s", file)
	}
	return entry{name: name, from: t.Build.Path(file), sha256: f.SHA256}, nil
}

// walk returns what is below a folder of the root, itself too, or nothing.
func (t Target) walk(dir string) ([]entry, error) {
	if t.Root == "" {
		return nil, nil
	}
	var list []entry
	err := filepath.WalkDir(filepath.Join(t.Root, dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(t.Root, path)
		if err != nil {
			return err
		}
		e := entry{name: filepath.ToSlash(name)}
		switch {
		case d.IsDir():
			e.dir = true
		case d.Type().IsRegular():
			e.from = path
		default:
			return fault.New(fault.Build, "install again", "%s is no file", e.name)
		}
		list = append(list, e)
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) && len(list) == 0 {
		return nil, nil
	}
	return list, err
}

func sorted(list []entry) []entry {
	slices.SortFunc(list, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return list
}

// withParents adds the folders above all entries, which dpkg wants to be told.
func withParents(list []entry) []entry {
	seen := map[string]bool{".": true}
	for _, e := range list {
		seen[e.name] = true
	}
	all := slices.Clone(list)
	for _, e := range list {
		for dir := filepath.Dir(e.name); !seen[dir]; dir = filepath.Dir(dir) {
			seen[dir] = true
			all = append(all, entry{name: dir, dir: true})
		}
	}
	return sorted(all)
}

// read returns the content of a file.
func (e entry) read() ([]byte, error) {
	if e.from == "" {
		return e.text, nil
	}
	var b bytes.Buffer
	err := fileTo(e.from, e.sha256)(&b)
	return b.Bytes(), err
}

func bytesTo(text []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	}
}

// fileTo copies a file, which must have the hash unless that is empty.
func fileTo(path, sum string) func(io.Writer) error {
	return func(w io.Writer) error {
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer in.Close() // only read
		h := sha256.New()
		if _, err := io.Copy(io.MultiWriter(w, h), in); err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		if got := hex.EncodeToString(h.Sum(nil)); sum != "" && got != sum {
			return fault.New(fault.Build, "build and verify again: go tool mage verify", "%s is not what was built: it has sha256 %s, not %s", path, got, sum)
		}
		return nil
	}
}
