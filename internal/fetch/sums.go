package fetch

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"bzmage/internal/kernels"
	"bzmage/internal/keyring"
)

// sumsMax is how many bytes a list of sums may have. That of v5.x has 0.3 MB.
const sumsMax = 8 << 20

// The names of what signs a file, in its folder of evidence.
const (
	signatureName = "tar.sign"
	sumsName      = "sha256sums.asc"
)

var reSumLine = regexp.MustCompile(`^([0-9a-f]{64})  ([!-~]+)$`)

// ParseSums reads the signed text of a sha256sums.asc: "<sha256>  <name>" on
// each line, as sha256sum(1) writes it. A line of another form or a name that
// comes twice is an error.
func ParseSums(text string) (map[string]string, error) {
	sums := map[string]string{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			continue
		}
		m := reSumLine.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("line %d of the list is not a sha256 and a name: %.80q", n, line)
		}
		if _, twice := sums[m[2]]; twice {
			return nil, fmt.Errorf("line %d of the list has %q a second time", n, m[2])
		}
		sums[m[2]] = m[1]
	}
	if len(sums) == 0 {
		return nil, errors.New("the list is empty")
	}
	return sums, nil
}

// wrongSum says that kernel.org's signed list and kernels.toml do not agree.
type wrongSum struct{ name, listed, pinned string }

func (e *wrongSum) Error() string {
	return fmt.Sprintf("kernel.org's signed list says %s has the sha256 %s, and kernels.toml pins %s", e.name, e.listed, e.pinned)
}

// signedSums returns the names and sums that the ring of sums signs in a list.
func signedSums(ring keyring.Ring, list []byte) (map[string]string, error) {
	text, _, err := ring.Clearsigned(list)
	if err != nil {
		return nil, err
	}
	return ParseSums(text)
}

// archiveName is the name of the release's archive in the list.
func (f *fetcher) archiveName() string {
	return "linux-" + kernels.AtKernelOrg(f.Line.Release) + ".tar.xz"
}

// listed returns nil if kernel.org's signed list has the archive: the list
// that was kept with it, or that of a mirror. A mirror is asked when the proof
// is demanded, or when it was just reached for the archive itself.
func (f *fetcher) listed(ctx context.Context, a Archive, fresh bool) error {
	ring := f.Keys.Ring(keyring.Sums)
	if !ring.Usable() {
		return f.Keys.Missing(keyring.Sums)
	}
	if a.SHA256 != f.Line.SHA256 {
		return errors.New("kernel.org does not publish it")
	}
	check := func(b []byte) error {
		sums, err := signedSums(ring, b)
		if err != nil {
			return err
		}
		listed, ok := sums[f.archiveName()]
		if !ok {
			return fmt.Errorf("the signed list has no %s", f.archiveName())
		}
		if listed != a.SHA256 {
			return &wrongSum{f.archiveName(), listed, a.SHA256}
		}
		return nil
	}
	var wrong *wrongSum
	file := f.store.evidence(a.SHA256, sumsName)
	if err := f.store.readEvidence(file, sumsMax, check); err == nil || errors.As(err, &wrong) {
		return err
	}
	if !fresh && !f.demands(SumsSigned) {
		return errors.New("no list was kept with it")
	}
	b, err := f.small(ctx, f.beside(besideSums), sumsMax, func(b []byte) error {
		err := check(b)
		if errors.As(err, &wrong) { // kept as well: the next run must say the same
			return errors.Join(err, f.store.keepEvidence(file, b))
		}
		return err
	})
	if err != nil {
		return err
	}
	return f.store.keepEvidence(file, b)
}

// besideSums returns the address of the list in the folder of an archive.
func besideSums(u string) string {
	dir, name := path.Split(u)
	if !strings.HasPrefix(name, "linux-") {
		return ""
	}
	return dir + sumsName
}
