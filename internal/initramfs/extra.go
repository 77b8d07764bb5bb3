package initramfs

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"

	"github.com/cavaliergopher/cpio"

	"bzmage/internal/fault"
)

// Extra is one more file for the archive.
type Extra struct {
	Name string      // where it goes, without a leading slash: verify/files/x.ko
	Path string      // where its content is
	Mode fs.FileMode // of which the permissions count; 0: 0644, or 0755 if its owner may execute it
}

// extra returns the entries for the files, and for the folders they need that
// the archive does not have yet. there is what goes into it besides.
func extra(files []Extra, there []entry) ([]entry, error) {
	taken := map[string]bool{} // name: is it a folder
	for _, dir := range folders() {
		taken[dir] = true
	}
	for _, e := range there {
		taken[e.name] = e.file == ""
	}
	var entries []entry
	for _, f := range files {
		if !fs.ValidPath(f.Name) || f.Name == "." {
			return nil, fault.New(fault.Usage, "", "%q cannot be put into the initramfs: its name is not a clean relative path", f.Name)
		}
		if _, ok := taken[f.Name]; ok {
			return nil, fault.New(fault.Usage, "rename "+f.Path, "%s cannot be put into the initramfs: %s is there already", f.Path, f.Name)
		}
		for _, dir := range parents(f.Name) {
			folder, ok := taken[dir]
			if ok && !folder {
				return nil, fault.New(fault.Usage, "", "%s cannot be put into the initramfs: %s is a file", f.Name, dir)
			}
			if !ok {
				taken[dir] = true
				entries = append(entries, entry{name: dir, mode: cpio.TypeDir | 0o755})
			}
		}
		mode, err := f.mode()
		if err != nil {
			return nil, fault.New(fault.Usage, "", "put %s into the initramfs: %w", f.Name, err)
		}
		taken[f.Name] = false
		entries = append(entries, entry{name: f.Name, mode: mode, file: f.Path})
	}
	return entries, nil
}

// mode returns the mode for the archive of a file that must be a regular one.
func (f Extra) mode() (cpio.FileMode, error) {
	info, err := os.Stat(f.Path)
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, fmt.Errorf("%s is not a regular file", f.Path)
	}
	perm := f.Mode.Perm()
	if perm == 0 {
		perm = 0o644
		if info.Mode()&0o100 != 0 {
			perm = 0o755
		}
	}
	return cpio.TypeReg | cpio.FileMode(perm), nil
}

// parents returns the folders a name is in, the outermost first.
func parents(name string) []string {
	var dirs []string
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		dirs = append(dirs, dir)
	}
	slices.Reverse(dirs)
	return dirs
}
