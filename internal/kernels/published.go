package kernels

import "strings"

// Addresses returns the addresses of a release on an http source, with the
// release filled in.
func (s Source) Addresses(release string) []string {
	release = AtKernelOrg(release)
	major, _, _ := strings.Cut(release, ".")
	fill := strings.NewReplacer("{release}", release, "{major}", major)
	list := make([]string, len(s.URLs))
	for i, u := range s.URLs {
		list[i] = fill.Replace(u)
	}
	return list
}

// AtKernelOrg returns a release as kernel.org names its file and its tag: the
// first of a line is 5.4 there, though its Makefile says 5.4.0.
func AtKernelOrg(release string) string {
	if parts := strings.Split(release, "."); len(parts) == 3 && parts[2] == "0" {
		return parts[0] + "." + parts[1]
	}
	return release
}

// Address returns the first address at which kernel.org has a release of the
// line; empty: no source of the line is one of files.
func (f File) Address(l Line, release string) string {
	for _, name := range l.Sources {
		if s := f.Sources[name]; s.Kind == "http" && len(s.URLs) > 0 {
			return s.Addresses(release)[0]
		}
	}
	return ""
}
