package unpack

import "strings"

// checkRelease says whether a tree of that release is what was asked for.
func (u *unpacker) checkRelease(release string) error {
	if err := u.Line.Check(release); err != nil {
		return bad("its Makefile says %s: %w", release, err)
	}
	a := u.Archive
	if len(a.Proofs) > 0 && a.Release != "" && full(a.Release) != full(release) {
		return bad("its Makefile says %s, but it was fetched as %s", release, a.Release)
	}
	return nil
}

// full writes a release as a Makefile does: the first of a line is published
// as 5.4 and is 5.4.0 there; 6.2-rc1 is 6.2.0-rc1.
func full(release string) string {
	core, extra, found := strings.Cut(release, "-")
	if strings.Count(core, ".") == 1 {
		core += ".0"
	}
	if found {
		return core + "-" + extra
	}
	return core
}
