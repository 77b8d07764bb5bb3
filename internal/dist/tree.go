package dist

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// entry is a file or a symbolic link of an archive.
type entry struct {
	Path string      // below /, with slashes
	Mode fs.FileMode // permissions
	From string      // the file that holds its content; empty: Text does
	Text []byte
	Link string // what a symbolic link says; empty: it is a file
}

// installed is what a kernel is on a machine: the names are those of Debian and
// Fedora alike, and of the kernel's own installkernel.
func (m *maker) installed(t Target) ([]entry, error) {
	list := []entry{
		{Path: "boot/vmlinuz-" + m.p.Name, Mode: 0o644, From: t.Built.Path(installImage(t))},
		{Path: "boot/System.map-" + m.p.Name, Mode: 0o600, From: t.Built.Path("System.map")},
		{Path: "boot/config-" + m.p.Name, Mode: 0o644, From: t.Built.Path("config")},
	}
	err := filepath.WalkDir(t.Root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(t.Root, name)
		if err != nil {
			return err
		}
		e := entry{Path: filepath.ToSlash(rel), Mode: 0o644, From: name}
		if d.Type() == fs.ModeSymlink {
			e.Link, err = os.Readlink(name)
		}
		list = append(list, e)
		return err
	})
	if t.Root == "" || errors.Is(err, fs.ErrNotExist) {
		err = nil // no modules, no device trees
	}
	return list, err
}

// installImage returns the image that is installed: the one that was booted.
func installImage(t Target) string { return t.Built.Image }

// debug is where debuggers look for the symbols of a kernel: by its name and by
// its build ID (gdb's manual, "Debugging Information in Separate Files").
func (m *maker) debug(t Target) []entry {
	vmlinux := "usr/lib/debug/boot/vmlinux-" + m.p.Name
	list := []entry{{Path: vmlinux, Mode: 0o644, From: t.Built.Path("vmlinux")}}
	if id := t.BuildID; len(id) > 2 {
		list = append(list, entry{Path: "usr/lib/debug/.build-id/" + id[:2] + "/" + id[2:] + ".debug", Link: "../../boot/vmlinux-" + m.p.Name})
	}
	return list
}

// folders returns the folders that the entries lie in, parents first.
func folders(list []entry) []string {
	var all []string
	seen := map[string]bool{}
	for _, e := range list {
		parts := strings.Split(path.Dir(e.Path), "/")
		for i := range parts {
			if dir := strings.Join(parts[:i+1], "/"); !seen[dir] && dir != "." {
				seen[dir] = true
				all = append(all, dir)
			}
		}
	}
	return all
}
