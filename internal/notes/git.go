package notes

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/BurntSushi/toml"

	"bzmage/internal/fault"
	"bzmage/internal/patch"
	"bzmage/internal/repo"
)

// BeforeFromGit reads the series and the pinned release of a line as they were
// at a commit of the checkout root, which is that of an earlier release. The
// caller sets the Tag.
//
// The series is that of the folder that kernels.toml named then; where the file
// was not there or did not have the line, it is that of the folder patches,
// and the pinned release stays empty. No series is one without patches.
func BeforeFromGit(ctx context.Context, root, commit, patches, kernelsToml, line string) (Before, error) {
	was, err := pinned(ctx, root, commit, kernelsToml, line)
	if err != nil {
		return Before{}, err
	}
	if was.Patches != "" {
		patches = was.Patches
	}
	files, err := repo.Folder(ctx, root, commit, path.Clean(patches))
	if err != nil {
		return Before{}, fmt.Errorf("the series before: %w", err)
	}
	b := Before{BaseRelease: was.Release}
	if len(files) == 0 {
		return b, nil
	}
	b.Patches, err = readSeries(files)
	if err != nil {
		return Before{}, fmt.Errorf("the series of commit %.12s: %w", commit, err)
	}
	return b, nil
}

// pin is what of a line matters here. The rest of a kernels.toml may be as an
// older bzmage had it, so nothing else is asked of it.
type pin struct {
	Name    string `toml:"name"`
	Release string `toml:"release"`
	Patches string `toml:"patches"`
}

func pinned(ctx context.Context, root, commit, kernelsToml, line string) (pin, error) {
	text, _, err := repo.Show(ctx, root, commit, kernelsToml)
	if err != nil {
		return pin{}, fmt.Errorf("the kernel lines before: %w", err)
	}
	var file struct {
		Lines []pin `toml:"line"`
	}
	if _, err := toml.Decode(string(text), &file); err != nil {
		return pin{}, fault.New(fault.Usage, "", "%s of commit %.12s: %w", kernelsToml, commit, err)
	}
	for _, l := range file.Lines {
		if l.Name == line {
			return l, nil
		}
	}
	return pin{}, nil
}

// readSeries reads a series whose files are given by path, as package patch
// reads one of a folder: in a folder of its own.
func readSeries(files map[string][]byte) (list []Patch, err error) {
	dir, err := os.MkdirTemp("", "bzmage-series-")
	if err != nil {
		return nil, fault.New(fault.Machine, "free some disk space", "a folder for the series before: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // scratch
	for name, text := range files {
		if err := writeBelow(dir, name, text); err != nil {
			return nil, fault.New(fault.Machine, "free some disk space", "the series before: %w", err)
		}
	}
	return FromFolder(dir)
}

// writeBelow writes a file of git's below dir. git lets no name of it leave.
func writeBelow(dir, name string, text []byte) error {
	if !filepath.IsLocal(name) {
		return fmt.Errorf("%q is no name of a file", name)
	}
	to := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}

// FromFolder reads the series of a folder, as package patch does.
func FromFolder(dir string) ([]Patch, error) {
	names, err := patch.Names(dir)
	if err != nil {
		return nil, err
	}
	texts, _, err := patch.Mails(dir)
	if err != nil {
		return nil, err
	}
	var list []Patch
	for _, n := range names {
		list = append(list, Patch{Name: n, Text: []byte(texts[n].Text), Strip: texts[n].Strip})
	}
	return list, nil
}
