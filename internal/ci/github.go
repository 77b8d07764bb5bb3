package ci

import (
	"encoding/json"
	"io"
)

// entry is a job in a matrix of GitHub Actions, whose fields the workflow
// reads as matrix.kernel and so on.
type entry struct {
	Kernel    string `json:"kernel"`
	Arch      string `json:"arch,omitempty"`
	Flavour   string `json:"flavour,omitempty"`
	Toolchain string `json:"toolchain,omitempty"`
}

// GitHub writes one line of JSON: the entries of a matrix for each job of the
// workflow, all that is verified in one. What is slow is left out unless it is
// scheduled: GitHub has no jobs that a person starts.
func GitHub(w io.Writer, jobs []Job, scheduled bool) error {
	matrices := map[string][]entry{Checkpatch: {}, Build: {}, Verify: {}, Reproduce: {}}
	for _, j := range jobs {
		role := j.Role
		switch {
		case role == Slow && !scheduled:
			continue
		case role == Slow || role == Coverage:
			role = Verify
		}
		matrices[role] = append(matrices[role], entry{j.Kernel, j.Arch, j.Flavour, j.Toolchain})
	}
	return json.NewEncoder(w).Encode(matrices)
}
