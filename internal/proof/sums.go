package proof

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"bzmage/internal/fault"
	"bzmage/internal/sign"
)

// isSignature says whether a file is a signature of the sums: that, and the
// sums themselves, cannot stand in them.
func isSignature(name string) bool {
	rest, ok := strings.CutPrefix(name, Sums)
	return ok && slices.Contains(sign.Suffixes(), rest)
}

// sumsOf returns the sums of all files in a folder, as sha256sum(1) writes them.
func sumsOf(ctx context.Context, dir string) ([]byte, error) {
	names, err := list(dir)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		if name == Sums || isSignature(name) {
			continue
		}
		sum, _, err := hashFile(ctx, filepath.Join(dir, name))
		if err != nil {
			return nil, fault.New(fault.Machine, "run the same again", "sum the files of a release: %w", err)
		}
		fmt.Fprintf(&b, "%s  %s\n", sum, name)
	}
	return []byte(b.String()), nil
}

// reSum matches a line of sha256sum(1), of text or binary mode. A name is one
// of a file in the same folder, and never begins with a dot or a dash.
var reSum = regexp.MustCompile(`^([0-9a-f]{64}) [ *]([A-Za-z0-9_+][A-Za-z0-9._+~:,@=-]{0,254})$`)

// mostFiles is how many files a release has at most; GitHub takes 1000.
const mostFiles = 10000

// parseSums reads sums, which may come from anybody.
func parseSums(text []byte) (map[string]string, error) {
	sums := map[string]string{}
	for row := range strings.SplitSeq(strings.TrimSuffix(string(text), "\n"), "\n") {
		m := reSum.FindStringSubmatch(row)
		switch {
		case m == nil:
			return nil, fmt.Errorf("%s holds a line that is no sum of a file: %.100q", Sums, row)
		case sums[m[2]] != "":
			return nil, fmt.Errorf("%s names %s twice", Sums, m[2])
		case len(sums) == mostFiles:
			return nil, fmt.Errorf("%s has more than %d lines", Sums, mostFiles)
		}
		sums[m[2]] = m[1]
	}
	return sums, nil
}
