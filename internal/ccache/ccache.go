// Package ccache puts ccache in front of the compilers of a kernel's build,
// with a cache of its own: whatever a user's ccache.conf or environment says,
// neither reads nor changes what is here.
//
// In go the compilers by name and a folder; out come links named as the
// compilers are (ccache's masquerade, ccache(1) "RUN MODES"), an environment in
// which make finds them first, and, of each run, the [Stats]. make's command
// line stays what it is without, and so do the .config, the kernel's banner,
// and what kbuild notes beside each object: to switch ccache on or off compiles
// nothing again.
package ccache

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
)

// size is when ccache begins to drop what was not used for long. A release
// kernel takes 20 MB, one that checks itself 150 MB.
const size = "10G"

// Setup is ccache before the compilers of one machine.
type Setup struct {
	Program string   // ccache itself
	Dir     string   // the cache, made if needed
	Links   string   // a folder of ours for the links
	Base    string   // paths below it count by where they lie, not by their names, so that another checkout hits; empty: by name
	Names   []string // the compilers, as make calls them
	Parts   []string // files that make an object what it is beside the compiler's own program: cc1, as
	Remote  Remote   // a cache shared with others; the zero value: none
	Prefix  string   // a program that starts the compiler when it has to run; empty: none
}

// Write makes the links and notes what the parts are.
func (s Setup) Write() error {
	if err := errors.Join(os.RemoveAll(s.Links), os.MkdirAll(s.Links, 0o755), os.MkdirAll(s.Dir, 0o755)); err != nil {
		return fmt.Errorf("set ccache up: %w", err)
	}
	h := sha256.New()
	for _, part := range s.Parts {
		if err := hash(h, part); err != nil {
			return fmt.Errorf("set ccache up: %w", err)
		}
	}
	if err := renameio.WriteFile(s.partsFile(), fmt.Appendf(nil, "%x\n", h.Sum(nil)), 0o644); err != nil {
		return fmt.Errorf("set ccache up: %w", err)
	}
	for _, name := range s.Names {
		if err := os.Symlink(s.Program, filepath.Join(s.Links, name)); err != nil {
			return fmt.Errorf("set ccache up: %w", err)
		}
	}
	return nil
}

func hash(w io.Writer, path string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	n, err := io.Copy(w, in)
	fmt.Fprintln(w, n)
	return err
}

// partsFile is not named as any compiler.
func (s Setup) partsFile() string { return filepath.Join(s.Links, ".parts") }

// Env returns the environment in which the compilers of path, a PATH, run
// behind ccache. What each of them came to is added to the file log.
//
// The defaults of hash_dir and sloppiness stay: they never give an object that
// the compiler would not. Another checkout hits all the same, as the folder is
// mapped away by -fdebug-prefix-map, which ccache knows.
func (s Setup) Env(path, log string) []string {
	env := []string{
		"PATH=" + s.Links + ":" + path,
		"CCACHE_ABSSTDERR=1",          // the compiler's words name files as make did, not as the base made them
		"CCACHE_CONFIGPATH=/dev/null", // in place of the user's and the machine's
		"CCACHE_DIR=" + s.Dir,
		"CCACHE_MAXSIZE=" + size,
		"CCACHE_COMPILERCHECK=content", // a package that was installed again is the same compiler
		"CCACHE_EXTRAFILES=" + s.partsFile(),
		"CCACHE_PATH=" + strings.Join(s.folders(path), ":"),
		"CCACHE_STATSLOG=" + log,
	}
	for name, value := range map[string]string{"CCACHE_BASEDIR": s.Base, "CCACHE_REMOTE_STORAGE": s.Remote.url, "CCACHE_PREFIX": s.Prefix} {
		if value != "" {
			env = append(env, name+"="+value)
		}
	}
	slices.Sort(env)
	return env
}

// folders returns where the real compilers are, each folder once.
func (s Setup) folders(path string) []string {
	var dirs []string
	for _, name := range s.Names {
		if file := Real(path, name); file != "" && !slices.Contains(dirs, filepath.Dir(file)) {
			dirs = append(dirs, filepath.Dir(file))
		}
	}
	return dirs
}

// Off is the environment in which no ccache does anything, one that stands in
// the user's PATH by the compilers' names either.
func Off() []string { return []string{"CCACHE_DISABLE=1"} }

// wrappers are programs that stand in front of compilers under their names.
var wrappers = []string{"ccache", "distcc", "icecc", "sccache", "colorgcc"}

// Real returns the first program of that name in path that is a compiler, not
// a link to a program that starts one; empty if there is none.
func Real(path, name string) string {
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, name)
		info, err := os.Stat(file)
		if !filepath.IsAbs(dir) || err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			continue
		}
		target, err := filepath.EvalSymlinks(file)
		if err != nil || slices.Contains(wrappers, filepath.Base(target)) {
			continue
		}
		return file
	}
	return ""
}

// Base returns what Setup.Base may be for a checkout: the folder itself, or
// nothing if its path has links in it. Then a path relative to the place where
// make runs is another one for make than for ccache, and would stand in what
// is compiled.
func Base(root string) string {
	if real, err := filepath.EvalSymlinks(root); err != nil || real != root {
		return ""
	}
	return root
}
