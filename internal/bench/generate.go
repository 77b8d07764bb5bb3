package bench

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bzmage/internal/patch"
	"bzmage/internal/series"
	"bzmage/internal/unpack"
)

// What makes a file of the tree fit for generated patches.
const (
	leastSize = 6000
	mostSize  = 40000
	shared    = 10 // files that every third patch changes
)

// generated is a series over a real tree.
type generated struct {
	files map[string][]byte // the series and its patches, by name
	names []string          // the files of the tree they touch
}

// generate returns a series of n patches, as git writes them. Each changes two
// places of a file of its own, and every third one place of a file that others
// change too. The tree has to be as it was unpacked.
func generate(ctx context.Context, tree unpack.Tree, n int) (generated, error) {
	entries, err := unpack.ReadManifest(tree.Manifest())
	if err != nil {
		return generated{}, err
	}
	var long []string
	for _, e := range entries {
		if strings.HasSuffix(e.Path, ".c") && e.Mode == 0o644 && e.Size > leastSize && e.Size < mostSize {
			long = append(long, e.Path)
		}
	}
	if len(long) < n+shared {
		return generated{}, skip(fmt.Sprintf("the tree has %d files for generated patches, not %d", len(long), n+shared))
	}
	g := generator{src: tree.Src(), now: map[string]string{}}
	var list strings.Builder
	out := generated{files: map[string][]byte{}}
	for i := range n {
		before, after := map[string]patch.File{}, map[string]patch.File{}
		err := g.edit(i, long[(i+shared)*(len(long)/(n+shared))], before, after, 20, 90)
		if err == nil && i%3 == 0 {
			err = g.edit(i, long[i%shared], before, after, 40+7*i)
		}
		if err != nil {
			return generated{}, err
		}
		d, err := series.Render(ctx, before, after, series.Mail{})
		if err != nil {
			return generated{}, err
		}
		name := fmt.Sprintf("%04d-generated.patch", i+1)
		out.files[name] = fmt.Appendf(nil, "From: A <a@example.com>\nSubject: [PATCH %d/%d] bench: change %d\n\nA patch to measure with.\n\n"+
			"Signed-off-by: A <a@example.com>\n---\n%s\n%s-- \n2.39.5\n", i+1, n, i+1, d.Stat, d.Text)
		list.WriteString(name + "\n")
	}
	out.files["series"], out.names = []byte(list.String()), g.names
	return out, nil
}

// generator knows what the patches so far have made of the tree's files.
type generator struct {
	src   string
	now   map[string]string
	names []string
}

func (g *generator) edit(i int, name string, before, after map[string]patch.File, places ...int) error {
	if _, ok := g.now[name]; !ok {
		text, err := os.ReadFile(filepath.Join(g.src, name))
		if err != nil {
			return disk(err)
		}
		g.now[name] = string(text)
		g.names = append(g.names, name)
	}
	before[name] = patch.File{Data: []byte(g.now[name]), Mode: 0o644}
	lines := strings.SplitAfter(g.now[name], "\n")
	for _, at := range places {
		at %= len(lines) - 1
		lines[at] += fmt.Sprintf("/* patch %d, line %d */\n", i, at)
	}
	g.now[name] = strings.Join(lines, "")
	after[name] = patch.File{Data: []byte(g.now[name]), Mode: 0o644}
	return nil
}

// salted is the series with other words in each mail, so that what was kept
// of it does not serve.
func (g generated) salted(salt string) map[string][]byte {
	files := map[string][]byte{}
	for name, text := range g.files {
		files[name] = []byte(strings.Replace(string(text), "A patch to measure with.", "A patch to measure with: "+salt+".", 1))
	}
	return files
}

// reset makes a tree one that nothing was ever applied to, the times of the
// files that a series touched included.
func reset(ctx context.Context, tree unpack.Tree, scratch string) error {
	if err := writeSeries(scratch, map[string][]byte{"series": nil}); err != nil {
		return err
	}
	if _, err := patch.Apply(ctx, patch.Params{Tree: tree, Series: scratch}); err != nil {
		return err
	}
	for _, name := range []string{"objects", "series.json"} { // package patch's
		if err := os.RemoveAll(filepath.Join(tree.Root, name)); err != nil {
			return disk(err)
		}
	}
	entries, err := unpack.ReadManifest(tree.Manifest())
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(tree.Src(), e.Path)
		info, err := os.Lstat(path)
		if err != nil || e.Mode&fs.ModeSymlink != 0 || info.ModTime().UnixNano() == e.MTime {
			continue
		}
		at := time.Unix(0, e.MTime)
		if err := os.Chtimes(path, at, at); err != nil {
			return disk(err)
		}
	}
	edits, err := patch.Edits(ctx, tree)
	if err == nil && len(edits) > 0 {
		err = fmt.Errorf("the tree %s is not as it was unpacked: %v", tree.Src(), edits[0])
	}
	return err
}

// readSeries reads the files of a folder of patches.
func readSeries(dir string) (map[string][]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, disk(err)
	}
	files := map[string][]byte{}
	for _, e := range entries {
		if e.Type().IsRegular() {
			if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
				return nil, disk(err)
			}
		}
	}
	return files, nil
}

// writeSeries makes a folder of patches hold just these files.
func writeSeries(dir string, files map[string][]byte) error {
	if err := os.RemoveAll(dir); err != nil {
		return disk(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return disk(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return disk(err)
		}
	}
	return nil
}

// digest tells one series from another.
func digest(files map[string][]byte) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(h, "%q %q\n", name, files[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}
