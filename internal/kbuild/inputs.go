package kbuild

import (
	"strings"

	"bzmage/internal/key"
)

// Inputs returns what make is told, by name, for the key of a stage that runs
// it: the folders, each variable, the targets.
func (m Make) Inputs(targets ...string) key.Inputs {
	in := key.Inputs{"make.src": m.Src, "make.targets": strings.Join(targets, " ")}
	for _, arg := range m.Argv() {
		if name, value, ok := strings.Cut(arg, "="); ok {
			in["make."+name] = value
		}
	}
	return in
}
