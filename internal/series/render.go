// Package series looks after a series of patches over time: it makes diffs
// anew and tries a series against other releases. In go patches and the files
// they were made of; out come patches of which only what had to change has.
package series

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bzmage/internal/fault"
	"bzmage/internal/patch"
	"bzmage/internal/run"
)

// Mail is a patch as it lies in the folder of a series: the mail of git
// format-patch, or any other text with a diff in it.
type Mail struct {
	Text  []byte // empty: a patch that is to be made
	Strip int    // the N of -pN in the series
}

// Diff is a diff and its diffstat, as git writes them.
type Diff struct {
	Text []byte // empty: nothing differs
	Stat []byte
}

// Render returns the diff from one set of files to another, by path, in git's
// own words: git diff-tree makes it. Of the ways git has to say the same, it
// is the one that like has: its length of hashes, its lines of context, and,
// where the lines changed are the same, its diff algorithm, so that only what
// is new is written anew.
func Render(ctx context.Context, before, after map[string]patch.File, like Mail) (Diff, error) {
	dir, err := os.MkdirTemp("", "bzmage-diff-")
	if err != nil {
		return Diff{}, fault.New(fault.Machine, "make room in the folder for scratch files", "make a diff: %w", err)
	}
	defer os.RemoveAll(dir)
	g := git{dir: dir}
	if err := g.commit(ctx, before, after); err != nil {
		return Diff{}, err
	}
	var first Diff
	for i, form := range forms(like) {
		d, err := g.diff(ctx, form)
		if err != nil {
			return Diff{}, err
		}
		if len(like.Text) == 0 || patch.SameLines(string(d.Text), string(like.Text), like.Strip) {
			return d, nil
		}
		if i == 0 {
			first = d
		}
	}
	return first, nil
}

// git is a scratch repository. Nothing of the user's own settings counts.
type git struct{ dir string }

func (g git) cmd(args ...string) run.Cmd {
	return run.Cmd{
		Argv: append([]string{"git"}, args...), Dir: g.dir,
		Env: run.Env("HOME="+g.dir, "XDG_CONFIG_HOME="+g.dir, "GIT_DIR="+g.dir, "GIT_CONFIG_GLOBAL=/dev/null",
			"GIT_CONFIG_NOSYSTEM=1", "GIT_ATTR_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0"),
	}
}

// attributes are those of the kernel: what git shows behind the @@ of a hunk
// depends on the language (gitattributes(5)).
const attributes = "*.c diff=cpp\n*.h diff=cpp\n*.dtsi diff=dts\n*.dts diff=dts\n*.rs diff=rust\n*.py diff=python\n"

// commit makes the branches before and after.
func (g git) commit(ctx context.Context, before, after map[string]patch.File) error {
	var in bytes.Buffer
	for _, side := range []struct {
		branch string
		files  map[string]patch.File
	}{{"before", before}, {"after", after}} {
		fmt.Fprintf(&in, "commit refs/heads/%s\ncommitter x <x> 0 +0000\ndata 0\n\n", side.branch)
		for _, name := range slices.Sorted(maps.Keys(side.files)) {
			f := side.files[name]
			// git looks at as much to tell whether a file is binary.
			if bytes.IndexByte(f.Data[:min(len(f.Data), 8000)], 0) >= 0 {
				return fault.New(fault.Patch, "leave the file out of the series", "%s is binary; bzmage makes no diff of it", name)
			}
			quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(name)
			fmt.Fprintf(&in, "M %s inline \"%s\"\ndata %d\n%s\n", mode(f.Mode), quoted, len(f.Data), f.Data)
		}
	}
	if err := run.Run(ctx, g.cmd("init", "-q", "--bare", "--template=", g.dir)); err != nil {
		return noGit(err)
	}
	info := filepath.Join(g.dir, "info")
	err := os.MkdirAll(info, 0o755)
	if err == nil {
		err = os.WriteFile(filepath.Join(info, "attributes"), []byte(attributes), 0o644)
	}
	if err != nil {
		return fault.New(fault.Machine, "make room in the folder for scratch files", "make a diff: %w", err)
	}
	load := g.cmd("-c", "fastimport.unpackLimit=0", "fast-import", "--quiet")
	load.Stdin = &in
	return noGit(run.Run(ctx, load))
}

func noGit(err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Machine, "go tool mage setup", "make a diff: %w", err)
}

func mode(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "120000"
	case m&0o100 != 0:
		return "100755"
	}
	return "100644"
}

// diff returns what git makes of the two branches. The diffstat is as wide as
// format-patch makes it.
func (g git) diff(ctx context.Context, form []string) (Diff, error) {
	args := slices.Concat([]string{"diff-tree", "-r", "-p", "-M", "--no-color", "--no-ext-diff", "--no-textconv",
		"--stat=72", "--summary"}, form, []string{"before", "after"})
	var out bytes.Buffer
	cmd := g.cmd(args...)
	cmd.Stdout = &out
	if err := run.Run(ctx, cmd); err != nil {
		return Diff{}, noGit(err)
	}
	stat, text, ok := bytes.Cut(out.Bytes(), []byte("\n\ndiff --git "))
	if !ok {
		return Diff{}, nil
	}
	return Diff{Text: append([]byte("diff --git "), text...), Stat: append(stat, '\n')}, nil
}

var (
	reIndex = regexp.MustCompile(`(?m)^index ([0-9a-f]{4,40})\.\.[0-9a-f]{4,40}`)
	reCopy  = regexp.MustCompile(`(?m)^copy from `)
)

// forms returns the options of git diff-tree to try, the best first.
func forms(like Mail) [][]string {
	abbrev := 12 // what the kernel's developers are asked to set
	if m := reIndex.FindSubmatch(like.Text); m != nil {
		abbrev = len(m[1])
	}
	common := []string{"--abbrev=" + strconv.Itoa(abbrev)}
	if like.Strip == 0 && len(like.Text) > 0 {
		common = append(common, "--no-prefix")
	}
	if reCopy.Match(like.Text) {
		common = append(common, "-C")
	}
	contexts := []string{"-U3"}
	if n := patch.Context(string(like.Text), like.Strip); n > 3 {
		contexts = append(contexts, "-U"+strconv.Itoa(n), "-W")
	}
	var all [][]string
	for _, c := range contexts {
		for _, a := range []string{"myers", "histogram", "patience", "minimal"} {
			all = append(all, slices.Concat(common, []string{c, "--diff-algorithm=" + a}))
		}
	}
	return all
}
