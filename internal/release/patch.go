package release

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"
)

// reUpstream matches what a message says of where a patch comes from, in the
// forms of the kernel's Documentation/process/stable-kernel-rules.rst, and as
// git cherry-pick -x writes it.
var reUpstream = regexp.MustCompile(`(?im)^[ \t]*(?:\[ ?upstream commit ([0-9a-f]{40}) ?\]|commit ([0-9a-f]{40}) upstream\.?|\(cherry picked from commit ([0-9a-f]{40})\))[ \t]*$`)

// Upstream returns the commits of Linux that a message names as the origin of
// its patch, in its order.
func Upstream(message string) []string {
	var all []string
	for _, m := range reUpstream.FindAllStringSubmatch(message, -1) {
		id := strings.ToLower(m[1] + m[2] + m[3])
		if !slices.Contains(all, id) {
			all = append(all, id)
		}
	}
	return all
}

// Describe fills in what the text of a patch says of itself: its hash, author
// and origin. The subject is its own where the patch has none yet.
func (p Patch) Describe(text []byte) Patch {
	sum := sha256.Sum256(text)
	p.SHA256 = hex.EncodeToString(sum[:])
	message := text
	if at := bytes.Index(text, []byte("\n---\n")); at >= 0 {
		message = text[:at+1]
	} else if at := bytes.Index(text, []byte("\ndiff --git ")); at >= 0 {
		message = text[:at+1]
	}
	p.Upstream = Upstream(string(message))
	h, err := gitdiff.ParsePatchHeader(string(message))
	if err != nil {
		return p // a plain diff says nothing of itself
	}
	if h.Author != nil {
		p.Author = h.Author.String()
	}
	if p.Subject == "" {
		p.Subject = h.Title
	}
	return p
}
