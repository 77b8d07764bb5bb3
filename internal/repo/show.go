package repo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"

	"bzmage/internal/fault"
)

// Limits of what is read of a commit.
const (
	maxFile   = 64 << 20
	maxFolder = 256 << 20 // all files of a folder
	maxFiles  = 20_000
)

// reCommit is a full name of a commit, SHA-1 or SHA-256.
var reCommit = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// File is a file of a commit.
type File struct {
	Name string // path from the folder that was asked for
	Size int64

	object string
}

// Show returns the file at path, from the top of the checkout root, as it is in
// commit, byte for byte; false: there is no file there. It reads at most 64 MiB.
func Show(ctx context.Context, root, commit, path string) ([]byte, bool, error) {
	g, list, err := list(ctx, root, commit, path, false)
	if err != nil || len(list) == 0 {
		return nil, false, err
	}
	files, err := g.contents(ctx, list)
	if err != nil {
		return nil, false, fmt.Errorf("%s of commit %.12s: %w", word(path), commit, err)
	}
	return files[list[0].Name], true, nil
}

// List returns the files in and below the folder of a commit, sorted by path. Links and
// submodules are no files. A folder that is not there has none.
func List(ctx context.Context, root, commit, folder string) ([]File, error) {
	_, files, err := list(ctx, root, commit, folder, true)
	return files, err
}

// Folder returns what [List] names, with its contents, by path from the folder. It
// reads at most 256 MiB.
func Folder(ctx context.Context, root, commit, folder string) (map[string][]byte, error) {
	g, files, err := list(ctx, root, commit, folder, true)
	if err != nil {
		return nil, err
	}
	all, err := g.contents(ctx, files)
	if err != nil {
		return nil, fmt.Errorf("folder %s of commit %.12s: %w", word(folder), commit, err)
	}
	return all, nil
}

// list returns the file name of a commit, or what is below the folder name.
func list(ctx context.Context, root, commit, name string, below bool) (*git, []File, error) {
	if !reCommit.MatchString(commit) {
		return nil, nil, fmt.Errorf("%s is not the full name of a commit", word(commit))
	}
	if name = path.Clean(name); path.IsAbs(name) || name == ".." || strings.HasPrefix(name, "../") || strings.Contains(name, "\x00") {
		return nil, nil, fault.New(fault.Usage, "", "%s is not a path inside of the checkout", word(name))
	}
	g, err := open(ctx, root)
	if err != nil {
		return nil, nil, err
	}
	args := []string{"ls-tree", "-r", "-z", "--long", "--full-tree", commit}
	prefix := name + "/"
	if name == "." {
		prefix = ""
	} else {
		args = append(args, "--", name)
	}
	out, whole, err := g.output(ctx, maxOutput, nil, args...)
	if err != nil {
		return nil, nil, fmt.Errorf("commit %.12s: %w", commit, err)
	}
	var files []File
	for _, entry := range fields(out) {
		f, path, ok := parseEntry(entry)
		if below {
			f.Name, ok = cutPrefix(path, prefix, ok)
		} else if ok = ok && path == name; ok {
			f.Name = path
		}
		if ok {
			files = append(files, f)
		}
	}
	if !whole || len(files) > maxFiles {
		return nil, nil, fault.New(fault.Usage, "", "%s of commit %.12s holds more than %d files", word(name), commit, maxFiles)
	}
	return g, files, nil
}

func cutPrefix(path, prefix string, ok bool) (string, bool) {
	name, has := strings.CutPrefix(path, prefix)
	return name, ok && has
}

// parseEntry reads a line of ls-tree --long, `mode type object size<TAB>path`.
// It is ok only for a regular file.
func parseEntry(entry string) (File, string, bool) {
	facts, path, _ := strings.Cut(entry, "\t")
	word := strings.Fields(facts)
	if len(word) != 4 || word[1] != "blob" || !strings.HasPrefix(word[0], "100") {
		return File{}, "", false
	}
	size, err := strconv.ParseInt(word[3], 10, 64)
	return File{Size: size, object: word[2]}, path, err == nil
}

// contents reads files, all by one git.
func (g *git) contents(ctx context.Context, files []File) (map[string][]byte, error) {
	var total int64
	var ask strings.Builder
	for _, f := range files {
		total += f.Size
		fmt.Fprintln(&ask, f.object)
		if f.Size > maxFile || total > maxFolder {
			return nil, fault.New(fault.Usage, "", "%s is too large: bzmage reads files of up to %d MiB, %d MiB in all", word(f.Name), maxFile>>20, maxFolder>>20)
		}
	}
	all := map[string][]byte{}
	if len(files) == 0 {
		return all, nil
	}
	out, whole, err := g.output(ctx, maxFolder+200*len(files), strings.NewReader(ask.String()), "cat-file", "--batch")
	if err != nil {
		return nil, err
	}
	if !whole {
		return nil, errors.New("git prints more than it said")
	}
	r := bufio.NewReader(strings.NewReader(out))
	for _, f := range files {
		header, err := r.ReadString('\n')
		if want := fmt.Sprintf("%s blob %d\n", f.object, f.Size); err != nil || header != want {
			return nil, fault.New(fault.Usage, "git fetch --unshallow --tags", "git does not have %s: it says %s", word(f.Name), word(header))
		}
		data := make([]byte, f.Size+1) // a newline follows
		if _, err := io.ReadFull(r, data); err != nil {
			return nil, fmt.Errorf("read %s: %w", word(f.Name), err)
		}
		all[f.Name] = data[:f.Size]
	}
	return all, nil
}
