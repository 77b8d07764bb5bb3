package unpack

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/google/renameio/v2"
)

// Entry is a file or a symbolic link of a pristine tree.
type Entry struct {
	Path   string      // below src, with slashes
	Mode   fs.FileMode // 0644, 0755 or ModeSymlink
	Size   int64       // bytes; of a link: of its target
	MTime  int64       // nanoseconds since 1970
	SHA256 string      // of the content; of a link: of its target
}

// The words for a mode in a manifest.
const (
	modePlain   = "0644"
	modeProgram = "0755"
	modeLink    = "link"
)

// writeManifest writes entries, sorted by path, one a line:
//
//	<sha256> <mode> <size> <mtime> <path>
//
// The path comes last, because it may hold spaces. It holds no line ends:
// such names are refused.
func writeManifest(path string, entries []Entry) error {
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	file, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o644))
	if err != nil {
		return err
	}
	defer file.Cleanup()
	if err := formatManifest(file, entries); err != nil {
		return err
	}
	return file.CloseAtomicallyReplace()
}

func formatManifest(to io.Writer, entries []Entry) error {
	w := bufio.NewWriterSize(to, 256<<10)
	for _, e := range entries {
		line := append([]byte(e.SHA256), ' ')
		line = append(line, e.modeWord()...)
		line = strconv.AppendInt(append(line, ' '), e.Size, 10)
		line = strconv.AppendInt(append(line, ' '), e.MTime, 10)
		line = append(append(append(line, ' '), e.Path...), '\n')
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	return w.Flush()
}

func (e Entry) modeWord() string {
	switch {
	case e.Mode&fs.ModeSymlink != 0:
		return modeLink
	case e.Mode&0o111 != 0:
		return modeProgram
	}
	return modePlain
}

// ReadManifest returns the entries of a manifest that [Unpack] wrote.
func ReadManifest(path string) ([]Entry, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	entries, err := parseManifest(file)
	if err != nil {
		return nil, fmt.Errorf("read manifest %s: %w", path, err)
	}
	return entries, nil
}

func parseManifest(r io.Reader) ([]Entry, error) {
	var entries []Entry
	lines := bufio.NewReaderSize(r, 256<<10)
	for n := 1; ; n++ {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) && line == "" {
			return entries, nil
		}
		if err != nil {
			return nil, fmt.Errorf("line %d has no end: %w", n, io.ErrUnexpectedEOF)
		}
		e, err := parseEntry(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if len(entries) > 0 && entries[len(entries)-1].Path >= e.Path {
			return nil, fmt.Errorf("line %d: %s is not in order", n, e.Path)
		}
		entries = append(entries, e)
	}
}

func parseEntry(line string) (Entry, error) {
	field := strings.SplitN(line, " ", 5)
	if len(field) != 5 {
		return Entry{}, fmt.Errorf("it has %d fields, not 5", len(field))
	}
	e := Entry{SHA256: field[0], Path: field[4]}
	switch field[1] {
	case modePlain:
		e.Mode = 0o644
	case modeProgram:
		e.Mode = 0o755
	case modeLink:
		e.Mode = fs.ModeSymlink
	default:
		return Entry{}, fmt.Errorf("unknown mode %q", field[1])
	}
	var err1, err2 error
	e.Size, err1 = strconv.ParseInt(field[2], 10, 64)
	e.MTime, err2 = strconv.ParseInt(field[3], 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return Entry{}, err
	}
	if !isSum(e.SHA256) || !fs.ValidPath(e.Path) || e.Size < 0 {
		return Entry{}, errors.New("a sha256, a size or a path is not one")
	}
	return e, nil
}

// isSum says whether s is a sha256 in hex. A manifest has 80,000 of them, for
// which a regexp takes long.
func isSum(s string) bool {
	return len(s) == 2*sha256.Size && strings.Trim(s, "0123456789abcdef") == ""
}

// digest is what a folder's tree is named after: everything but the times.
func digest(entries []Entry) string {
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	h := sha256.New()
	for _, e := range entries {
		fmt.Fprintf(h, "%s %s %d %s\n", e.SHA256, e.modeWord(), e.Size, e.Path)
	}
	return hex.EncodeToString(h.Sum(nil))
}
