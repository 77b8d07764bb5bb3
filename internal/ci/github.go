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

// GitHub writes one line of JSON: for each role its jobs, for
// `matrix: {include: ...}`. What is slow is left out unless it is scheduled:
// GitHub has no jobs that a person starts.
func GitHub(w io.Writer, jobs []Job, scheduled bool) error {
	matrices := map[string][]entry{}
	for _, role := range Roles() {
		matrices[role] = []entry{}
	}
	for _, j := range jobs {
		if j.Role != Slow || scheduled {
			matrices[j.Role] = append(matrices[j.Role], entry{j.Kernel, j.Arch, j.Flavour, j.Toolchain})
		}
	}
	return json.NewEncoder(w).Encode(matrices)
}
