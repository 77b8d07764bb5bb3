package tools

import (
	"os/exec"
	"path/filepath"

	"bzmage/internal/fault"
)

// Go returns the path of the go command. bzmage itself was started by one, as
// `go tool mage`, which puts it into PATH.
func Go() (string, error) {
	path, err := exec.LookPath("go")
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return "", fault.New(fault.Machine, "install Go and put it into PATH", "find the go command: %w", err)
	}
	return path, nil
}
