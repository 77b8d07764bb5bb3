package patch

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// world makes random files and random changes of them.
type world struct {
	r *rand.Rand
	n int // lines and files made so far, to make each unlike the others
}

// line is often like others: braces, blank lines, returns.
func (w *world) line() string {
	w.n++
	switch w.r.IntN(6) {
	case 0:
		return "\n"
	case 1:
		return []string{"}\n", "\treturn 0;\n", "#endif\n"}[w.r.IntN(3)]
	}
	return fmt.Sprintf("\tcall_%d(%d);\n", w.r.IntN(9), w.n)
}

func (w *world) text() string {
	var b strings.Builder
	for range w.r.IntN(60) {
		b.WriteString(w.line())
	}
	if w.r.IntN(5) == 0 {
		b.WriteString("no newline")
	}
	return b.String()
}

func (w *world) files() content {
	c := content{}
	for range 3 + w.r.IntN(4) {
		c[w.name()] = w.modes(w.text())
	}
	return c
}

func (w *world) modes(text string) string {
	if text == "" {
		text = "x\n" // in these tests no content means no file
	}
	if w.r.IntN(5) == 0 {
		return "exec:" + text
	}
	return text
}

func (w *world) name() string {
	w.n++
	return []string{"", "d/", "d/e/", "f g/", "ü/"}[w.r.IntN(5)] + fmt.Sprintf("f%d.c", w.n)
}

func (w *world) pick(c content) string {
	names := slices.Sorted(maps.Keys(c))
	return names[w.r.IntN(len(names))]
}

// edited changes one to three places of a text.
func (w *world) edited(text string) string {
	program, exec := cutExec(text)
	l := split(program)
	for range 1 + w.r.IntN(3) {
		at := w.r.IntN(len(l) + 1)
		switch end := min(at+w.r.IntN(3), len(l)); w.r.IntN(4) {
		case 0:
			l = slices.Delete(l, at, end)
		case 1:
			l = slices.Replace(l, at, end, w.line())
		default:
			l = slices.Insert(l, at, w.line(), w.line())
		}
	}
	for i := range l {
		if i < len(l)-1 && !strings.HasSuffix(l[i], "\n") {
			l[i] += "\n"
		}
	}
	if w.r.IntN(8) == 0 && len(l) > 0 {
		l[len(l)-1] = strings.TrimSuffix(l[len(l)-1], "\n")
	}
	out := strings.Join(l, "")
	if out == "" {
		out = "x\n"
	}
	if exec {
		return "exec:" + out
	}
	return out
}

// changed returns what one commit makes of the files.
func (w *world) changed(c content) content {
	c = maps.Clone(c)
	for range 1 + w.r.IntN(3) {
		n := w.pick(c)
		switch w.r.IntN(10) {
		case 0:
			c[w.name()] = w.modes(w.text())
		case 1:
			if len(c) > 2 {
				delete(c, n)
			}
		case 2, 3:
			c[w.name()] = w.edited(c[n])
			delete(c, n)
		case 4:
			if text, ok := cutExec(c[n]); ok {
				c[n] = text
			} else {
				c[n] = "exec:" + c[n]
			}
		default:
			c[n] = w.edited(c[n])
		}
	}
	return c
}

// drifted is another release of the files: lines before, lines between, and
// now and then another file.
func (w *world) drifted(c content) content {
	c = maps.Clone(c)
	for _, n := range slices.Sorted(maps.Keys(c)) {
		text, exec := cutExec(c[n])
		switch w.r.IntN(6) {
		case 0, 1:
			for range 1 + w.r.IntN(5) {
				text = w.line() + text
			}
		case 2:
			text = w.edited(text)
		case 3:
			if w.r.IntN(8) == 0 && len(c) > 2 {
				delete(c, n)
				continue
			}
		}
		if exec {
			text = "exec:" + text
		}
		c[n] = text
	}
	return c
}

// differ makes diffs and applies patches with git, in one repository.
type differ struct{ *repo }

func (d differ) tree(c content) string {
	d.t.Helper()
	d.reset(c)
	d.git("read-tree", "--empty")
	d.git("add", "-A")
	id, err := d.try("write-tree")
	if err != nil {
		d.t.Fatal(err)
	}
	return strings.TrimSpace(id)
}

// reset makes c the content of the work tree.
func (d differ) reset(c content) {
	d.t.Helper()
	list, err := os.ReadDir(d.dir)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, e := range list {
		if e.Name() != ".git" {
			if err := os.RemoveAll(filepath.Join(d.dir, e.Name())); err != nil {
				d.t.Fatal(err)
			}
		}
	}
	put(d.t, d.dir, c)
}

// series returns the patches that lead through states.
func (d differ) series(states []content) []string {
	d.t.Helper()
	var patches []string
	before := d.tree(states[0])
	for _, c := range states[1:] {
		after := d.tree(c)
		p, err := d.try("diff-tree", "-p", "-r", "-M30", "-C30", before, after)
		if err != nil {
			d.t.Fatal(err)
		}
		if p != "" {
			patches = append(patches, p)
		}
		before = after
	}
	return patches
}

// apply applies patches to c until one is refused, and returns the states.
func (d differ) apply(c content, patches []string) []content {
	d.t.Helper()
	d.reset(c)
	file := filepath.Join(d.t.TempDir(), "patch")
	var states []content
	for _, p := range patches {
		if err := os.WriteFile(file, []byte(p), 0o644); err != nil {
			d.t.Fatal(err)
		}
		if _, err := d.try("apply", file); err != nil {
			break
		}
		states = append(states, read(d.t, d.dir))
	}
	return states
}

// Ours and git's appliers agree: what git refuses is refused, what both accept
// gives the same bytes. Ours may refuse more, for the reasons it has on purpose.
func TestAgreesWithGit(t *testing.T) {
	d := differ{newRepo(t)}
	var agreed, refused, stricter int
	for seed := range uint64(80) {
		w := &world{r: rand.New(rand.NewPCG(seed, 7))}
		states := []content{w.files()}
		for range 2 + w.r.IntN(4) {
			states = append(states, w.changed(states[len(states)-1]))
		}
		patches := d.series(states)
		files := w.drifted(states[0])
		git := d.apply(files, patches)
		for i := range patches {
			out, applied, err := replayText(t, files, patches[:i+1]...)
			if i == len(git) {
				if err == nil {
					t.Fatalf("seed %d, patch %d: git refuses it, we do not\n%s", seed, i+1, patches[i])
				}
				refused++
				break
			}
			if err != nil {
				why := rejected(t, err)[0].Why
				if !strings.Contains(why, "it fits at line") {
					t.Errorf("seed %d, patch %d: git takes it, we do not: %v\n%s", seed, i+1, err, patches[i])
				}
				stricter++
				break
			}
			if diff := cmp.Diff(git[i], overlay(files, out)); diff != "" {
				t.Fatalf("seed %d, patch %d, offset %d (-git +ours):\n%s\n%s", seed, i+1, applied[i].Offset, diff, patches[i])
			}
			agreed++
		}
	}
	t.Logf("%d patches as with git, %d refused by both, %d by us only", agreed, refused, stricter)
	if agreed < 80 || refused < 20 || stricter > agreed/20 {
		t.Errorf("%d agreed, %d refused, %d stricter: the test has lost its balance", agreed, refused, stricter)
	}
}

// On the disk: series grow, shrink and change, in one tree, and after each
// step the tree is what git makes of it.
func TestTreeFollowsTheSeries(t *testing.T) {
	d := differ{newRepo(t)}
	for seed := range uint64(8) {
		w := &world{r: rand.New(rand.NewPCG(seed, 9))}
		states := []content{overlay(overlay(origin, content{"dts/link": ""}), w.files())}
		for range 5 {
			states = append(states, w.changed(states[len(states)-1]))
		}
		patches := d.series(states)
		git := append([]content{states[0]}, d.apply(states[0], patches)...)
		if len(git) != len(patches)+1 {
			t.Fatalf("seed %d: git refuses its own patch %d", seed, len(git))
		}
		tree := newTree(t, states[0])
		for range 8 {
			n := w.r.IntN(len(git))
			before, texts := mtimes(t, tree.Src()), read(t, tree.Src())
			res := mustApply(t, tree, newSeries(t, patches[:n]...))
			wantFiles(t, tree, git[n])
			after := mtimes(t, tree.Src())
			for name, text := range git[n] {
				was, had := cutExec(texts[name])
				is, has := cutExec(text)
				same := was == is && before[name].Equal(after[name])
				if texts[name] != "" && was == is && !same {
					t.Errorf("seed %d: %s has its content still, but a new mtime", seed, name)
				}
				if was != is && texts[name] != "" && !after[name].After(before[name]) {
					t.Errorf("seed %d: %s has new content, but no later mtime", seed, name)
				}
				if listed := slices.Contains(res.Changed, name); listed != (was != is || had != has) {
					t.Errorf("seed %d: %s listed as changed: %v", seed, name, listed)
				}
			}
			if edits := mustEdits(t, tree); len(edits) > 0 {
				t.Errorf("seed %d: edits %v", seed, edits)
			}
		}
	}
}
