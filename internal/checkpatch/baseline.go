package checkpatch

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"bzmage/internal/strict"
)

// baselineName is the file of accepted findings, beside the series.
const baselineName = "checkpatch.toml"

// Accept is an [[accept]] of checkpatch.toml: one finding that a person looked
// at and lets pass, for a reason. It says nothing of the line's number, so it
// lasts until the line itself changes. Equal findings need an entry each.
type Accept struct {
	Patch  string `toml:"patch" json:"patch"`                   // as the series names it
	Type   string `toml:"type" json:"type"`                     // such as TRAILING_WHITESPACE
	Text   string `toml:"text,omitempty" json:"text,omitempty"` // the line of the patch, as Finding.Text; left out for what is said about the whole
	Reason string `toml:"reason" json:"reason"`                 // why it may stay
}

var reType = regexp.MustCompile(`^[A-Z0-9_]+$`)

// loadBaseline reads checkpatch.toml of a series. Without the file nothing is
// accepted.
func loadBaseline(series string) ([]Accept, error) {
	return strict.Load(filepath.Join(series, baselineName), parseBaseline)
}

// parseBaseline returns what is accepted, or all that is wrong with the file.
func parseBaseline(text string) ([]Accept, error) {
	var file struct {
		Accept []Accept `toml:"accept"`
	}
	errs, err := strict.Decode(text, &file)
	if err != nil {
		return nil, err
	}
	for i, a := range file.Accept {
		said := func(what string) {
			errs = append(errs, fmt.Errorf("[[accept]] number %d, of %s in %s: %s", i+1, clean(a.Type), clean(a.Patch), what))
		}
		if a.Patch == "" {
			said("it names no patch")
		}
		if !reType.MatchString(a.Type) {
			said("it names no type, such as TRAILING_WHITESPACE")
		}
		if strings.TrimSpace(a.Reason) == "" {
			said("it gives no reason")
		}
		file.Accept[i].Reason = clean(strings.Join(strings.Fields(a.Reason), " "))
	}
	return file.Accept, errors.Join(errs...)
}

// settle marks the findings that are accepted and returns the entries that
// found nothing to accept. An entry of a patch that is in the series and was
// not looked at is no such one.
func settle(found []Finding, accepts []Accept, docs []document, looked []string) []Accept {
	var stale []Accept
	for _, a := range accepts {
		i := slices.IndexFunc(found, func(f Finding) bool {
			return f.Accepted == "" && f.Patch == a.Patch && f.Type == a.Type && f.Text == a.Text
		})
		known := slices.ContainsFunc(docs, func(d document) bool { return d.name == a.Patch })
		switch {
		case i >= 0:
			found[i].Accepted = a.Reason
		case !known || slices.Contains(looked, a.Patch):
			stale = append(stale, a)
		}
	}
	return stale
}

// atEnd are the types checkpatch speaks of when it has read the whole patch,
// whatever its last line is.
func atEnd() []string {
	return []string{"COMMIT_MESSAGE", "FROM_SIGN_OFF_MISMATCH", "MISSING_SIGN_OFF", "NOT_UNIFIED_DIFF", "NO_AUTHOR_SIGN_OFF"}
}

// locate fills in what can be said of the place of findings in one patch, and
// their fingerprints.
func locate(d document, found []Finding) []Finding {
	seen := map[string]int{}
	for i := range found {
		f := &found[i]
		at := d.spots[f.Line-1]
		if slices.Contains(atEnd(), f.Type) {
			at = spot{void: true}
		}
		text := ""
		if !at.void {
			text = d.lines[f.Line-1]
		}
		f.File, f.FileLine, f.Text = clean(at.file), at.line, cleanBut(text, '\t')
		// Never the number of the line: a finding that moves is the same one.
		parts, _ := json.Marshal([]string{f.Patch, f.File, f.Type, f.Message, hex.EncodeToString([]byte(text))})
		seen[string(parts)]++
		sum := sha256.Sum256(fmt.Appendf(parts, "%d", seen[string(parts)]))
		f.Fingerprint = hex.EncodeToString(sum[:])
	}
	return found
}
