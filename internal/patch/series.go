package patch

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"bzmage/internal/fault"
)

// Limits of what is read into memory. A whole stable release as one patch is
// some tens of megabytes.
const (
	maxSeries = 1 << 20
	maxPatch  = 256 << 20
)

// entry is one line of a series file.
type entry struct {
	name  string
	strip int // leading parts of file names to take off: 0 or 1
}

// patchFile is a patch of the series as it was read.
type patchFile struct {
	entry
	text   string
	sha256 string
}

// Names returns the names of the patches in the series of folder, in order,
// each a path below folder. It reads and checks the whole series as [Apply]
// does, but does not look into the patches.
func Names(folder string) ([]string, error) {
	series, err := load(folder)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(series))
	for _, p := range series {
		names = append(names, p.name)
	}
	return names, nil
}

// Mails returns the texts of the patches of the series in folder, by name, and
// the text of its series file.
func Mails(folder string) (texts map[string]Text, file string, err error) {
	series, err := load(folder)
	if err != nil {
		return nil, "", err
	}
	texts = map[string]Text{}
	for _, p := range series {
		texts[p.name] = Text{p.text, p.strip}
	}
	b, err := os.ReadFile(filepath.Join(folder, "series"))
	return texts, string(b), err
}

// Text is a patch of a series as it was read.
type Text struct {
	Text  string
	Strip int // the N of -pN
}

// Digest returns the digest that [Result] would carry for the series in
// folder: what a key of a later stage depends on.
func Digest(folder string) (string, error) {
	series, err := load(folder)
	if err != nil {
		return "", err
	}
	return digest(series), nil
}

// load reads the series in folder and the patches it names. Nothing outside of
// folder is read, symbolic links included.
func load(folder string) ([]patchFile, error) {
	where := filepath.Join(folder, "series")
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fault.New(fault.Usage, "create the folder, with a file `series` in it", "open the series: %w", err)
	}
	defer root.Close()
	text, err := readBounded(root, "series", maxSeries)
	if err != nil {
		return nil, fault.New(fault.Usage, "create "+where+"; an empty one stands for the unpatched kernel",
			"read the series: %w", err)
	}
	entries, err := parseSeries(text)
	if err != nil {
		return nil, fault.New(fault.Usage, "correct "+where, "%s: %w", where, err)
	}
	var files []patchFile
	var errs []error
	for _, e := range entries {
		text, err := readBounded(root, filepath.FromSlash(e.name), maxPatch)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				err = errors.New("there is no such file")
			}
			errs = append(errs, fmt.Errorf("patch %s: %w", e.name, err))
			continue
		}
		files = append(files, patchFile{entry: e, text: text, sha256: sum(text)})
	}
	if len(errs) > 0 {
		return nil, fault.New(fault.Usage, "add the file, or take its line out of "+where,
			"%s: %w", where, errors.Join(errs...))
	}
	return files, nil
}

// parseSeries reads the text of a series file and returns all that is wrong
// with it.
func parseSeries(text string) ([]entry, error) {
	var entries []entry
	var errs []error
	seen := map[string]int{}
	for i, line := range strings.Split(text, "\n") {
		e, err := parseLine(line)
		if err != nil {
			errs = append(errs, fmt.Errorf("line %d: %w", i+1, err))
			continue
		}
		if e.name == "" {
			continue
		}
		if first := seen[e.name]; first > 0 {
			errs = append(errs, fmt.Errorf("line %d: %s stands there already, in line %d", i+1, e.name, first))
			continue
		}
		seen[e.name] = i + 1
		entries = append(entries, e)
	}
	return entries, errors.Join(errs...)
}

// parseLine reads `name [-p0|-p1|-pab] [# comment]`, as quilt(1) has it. A line without a name gives an
// empty entry.
func parseLine(line string) (entry, error) {
	e := entry{strip: 1}
	for _, word := range strings.Fields(line) {
		switch {
		case strings.HasPrefix(word, "#"):
			return e, nil
		case e.name == "":
			if err := checkPatchName(word); err != nil {
				return entry{}, err
			}
			e.name = word
		case word == "-p0" || word == "-p1":
			e.strip, _ = strconv.Atoi(word[2:])
		case word == "-pab": // quilt's word for names that begin with a/ and b/
		case word == "-R" || word == "--reverse":
			return entry{}, fmt.Errorf("%s: %s, a patch to be taken back, is not supported; put the reversed diff into a patch", e.name, word)
		default:
			return entry{}, fmt.Errorf("%s: cannot read %s; only -p0, -p1 and a comment may follow a name", e.name, show(word))
		}
	}
	return e, nil
}

// Keep returns the text of a series file without the lines of the patches that
// keep refuses. All other lines stay as they are, comments included.
func Keep(text string, keep func(name string) bool) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if e, err := parseLine(line); err != nil || e.name == "" || keep(e.name) {
			b.WriteString(line)
		}
	}
	return b.String()
}

func checkPatchName(name string) error {
	if name == "series" || strings.HasPrefix(name, "-") {
		return fmt.Errorf("%s is not the name of a patch", show(name))
	}
	if err := checkPath(name); err != nil {
		return fmt.Errorf("a patch must lie in the folder of the series: %w", err)
	}
	return nil
}

// readBounded reads a regular file below root that is not larger than limit.
func readBounded(root *os.Root, name string, limit int64) (string, error) {
	// Opening a pipe would wait for a writer, so look first.
	fi, err := root.Stat(name)
	if err != nil {
		return "", err
	}
	if !fi.Mode().IsRegular() {
		return "", &fs.PathError{Op: "read", Path: name, Err: errors.New("not a regular file")}
	}
	f, err := root.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var b []byte
	if fi.Size() <= limit {
		b, err = io.ReadAll(io.LimitReader(f, limit+1))
	}
	if err != nil {
		return "", err
	}
	if max(fi.Size(), int64(len(b))) > limit {
		return "", fmt.Errorf("%s is larger than %d MiB", name, limit>>20)
	}
	return string(b), nil
}

// digest returns the sha256 over names, strip levels and contents, in order.
func digest(series []patchFile) string {
	h := sha256.New()
	for _, p := range series {
		fmt.Fprintf(h, "%s\x00-p%d\x00%s\n", p.name, p.strip, p.sha256)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func sum(text string) string {
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:])
}
