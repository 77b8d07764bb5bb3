package kbuild

import "strings"

// Phase is a part of a kernel's build, as make's steps show it.
type Phase string

// The phases, in order.
const (
	Compile Phase = "compile"
	Link    Phase = "link"  // from the first file whose name begins with vmlinux or .tmp_vmlinux
	Image   Phase = "image" // from the first step in the arch's boot folder after that
)

// After returns the phase that a build is in once a step makes file.
func (p Phase) After(file string) Phase {
	base := strings.TrimPrefix(file, ".tmp_")
	switch {
	case p == Compile && strings.HasPrefix(base, "vmlinux"):
		return Link
	case p == Link && strings.HasPrefix(file, "arch/") && strings.Contains(file, "/boot/"):
		return Image
	}
	return p
}
