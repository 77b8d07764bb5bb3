package pipeline

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"bzmage/internal/arch"
	"bzmage/internal/config"
	"bzmage/internal/fault"
	"bzmage/internal/plain"
	"bzmage/internal/unpack"
)

// configured says how a target's configuration went.
func (k *kernel) configured(a arch.Arch, res config.Result) {
	log := k.p.UI.Log
	all := "all there"
	if n := len(res.Allowed); n > 0 {
		all = fmt.Sprintf("%d of them lost, as they may be", n)
	}
	log.Infof("config: %s: %d options asked for, %s%s", a.Name, res.Asked, all, ifKept(res.Kept))
	for _, l := range res.Allowed {
		log.Infof("config: %s: %s:%d: %s is lost (%s), which %s:%d allows: %s", a.Name, l.File, l.Line, l.Asked, l.Got, l.By.File, l.By.Line, l.By.Reason)
	}
	for _, s := range res.Stale {
		log.Warnf("config: %s: %s:%d: %s is not needed here: nothing of it was lost", a.Name, s.File, s.Line, s.Name)
	}
	name := snapshotName(target{k.src.Line.Name, a.Name, k.p.Settings.Flavour})
	old, err := os.ReadFile(k.p.path(name))
	if err != nil {
		return // there need not be one
	}
	text, err := os.ReadFile(res.Path)
	if d := config.Diff(old, text); err == nil && !d.Empty() {
		log.Warnf("config: %s: not what %s says (%s): go tool mage config:diff %s current", a.Name, name, d.Count(), name)
	}
}

// target is a line, arch and flavour; what is empty is not said.
type target struct{ line, arch, flavour string }

func (t target) String() string { return t.line + " " + t.arch + " " + t.flavour }

// or fills in from u what t does not say.
func (t target) or(u target) target {
	for _, f := range []struct{ to, from *string }{{&t.line, &u.line}, {&t.arch, &u.arch}, {&t.flavour, &u.flavour}} {
		if *f.to == "" {
			*f.to = *f.from
		}
	}
	return t
}

func snapshotName(t target) string {
	return "configs/snapshot/" + t.line + "-" + t.arch + "-" + t.flavour + ".config"
}

// side is one side of a comparison: a target or a file.
type side struct {
	target
	file string // a snapshot; empty: the target's own .config
	text []byte
}

const sideHint = "a side is a file such as configs/snapshot/6.1-x86_64-release.config, current (the target a file is named after), " +
	"or any of line/arch/flavour: 6.1, arm64, 6.1/x86_64/release"

// parseSide reads what a user calls a side.
func (p Project) parseSide(word string) (side, error) {
	var s side
	if word == "current" {
		return s, nil
	}
	if info, err := os.Stat(word); err == nil && info.Mode().IsRegular() {
		s.file = word
		name := strings.Split(strings.TrimSuffix(filepath.Base(word), ".config"), "-")
		if t, err := p.parseTarget(name); err == nil {
			s.target = t
		}
		s.text, err = os.ReadFile(word)
		if err != nil {
			return s, fault.New(fault.Usage, sideHint, "config:diff: %w", err)
		}
		return s, nil
	}
	t, err := p.parseTarget(strings.Split(word, "/"))
	if err != nil {
		return s, fault.New(fault.Usage, sideHint, "config:diff %s: %w", plain.Text(word), err)
	}
	s.target = t
	return s, nil
}

func (p Project) parseTarget(words []string) (target, error) {
	var t target
	for _, w := range words {
		field := &t.flavour
		if _, ok := p.File.Line(w); ok {
			field = &t.line
		} else if _, ok := arch.Find(w); ok {
			field = &t.arch
		} else if _, ok := p.File.Flavours[w]; !ok {
			return t, fmt.Errorf("%q is no file, line (%s), arch (%s) or flavour (%s)", plain.Text(w), strings.Join(p.File.LineNames(), ", "),
				strings.Join(arch.Names(), ", "), strings.Join(p.File.FlavourNames(), ", "))
		}
		if *field != "" {
			return t, fmt.Errorf("both %s and %s", *field, w)
		}
		*field = w
	}
	return t, nil
}

// ConfigDiff writes what differs between two configs. What one side does not
// say is taken from the other, and what neither says from the settings.
// Differences from a file are a fault of the config.
func (p Project) ConfigDiff(ctx context.Context, w io.Writer, from, to string) error {
	pairs, err := p.pairs(from, to)
	if err != nil {
		return err
	}
	if err := p.fill(ctx, pairs); err != nil {
		return err
	}
	drift := false
	for _, pair := range pairs {
		d := config.Diff(pair[0].text, pair[1].text)
		file := pair[0].file != "" || pair[1].file != ""
		if file {
			d.Toolchain = nil // a snapshot does not hold it
		}
		var table strings.Builder
		fmt.Fprintf(&table, "%s -> %s: %s\n", pair[0], pair[1], d.Count())
		if err := d.Table(&table); err != nil {
			return err
		}
		if _, err := io.WriteString(w, plain.Text(table.String())); err != nil {
			return fault.New(fault.Machine, "", "config:diff: %w", err)
		}
		drift = drift || file && !d.Empty()
	}
	if drift {
		return fault.New(fault.Config, "if that is meant: go tool mage config:snapshot, and commit it", "the config is not what the snapshot says")
	}
	return nil
}

// pairs returns what is to be compared: one pair, or one for each arch of the
// settings when no side names one.
func (p Project) pairs(from, to string) ([][2]side, error) {
	a, err := p.parseSide(from)
	if err != nil {
		return nil, err
	}
	b, err := p.parseSide(to)
	if err != nil {
		return nil, err
	}
	if from == "current" && b.file == "" || to == "current" && a.file == "" {
		return nil, fault.New(fault.Usage, sideHint, "config:diff: current is beside a file")
	}
	a.target, b.target = a.or(b.target), b.or(a.target)
	var pairs [][2]side
	for _, r := range p.Settings.Archs {
		rest := target{line: p.Settings.Kernel, arch: r.Name, flavour: p.Settings.Flavour}
		x, y := a, b
		x.target, y.target = a.or(rest), b.or(rest)
		pairs = append(pairs, [2]side{x, y})
		if a.arch != "" || a.file != "" && b.file != "" {
			break
		}
	}
	return pairs, nil
}

// String names the side for people.
func (s side) String() string {
	if s.file != "" {
		return s.file
	}
	return s.target.String()
}

// fill gives each side that is a target the text of its .config: kept, or made
// now. Targets of the same line and flavour are made at once.
func (p Project) fill(ctx context.Context, pairs [][2]side) error {
	made := map[target][]byte{}
	for i := range pairs {
		for j := range pairs[i] {
			s := &pairs[i][j]
			if s.file != "" {
				continue
			}
			if s.line == "" {
				line, _, err := p.choose(ctx)
				if err != nil {
					return err
				}
				s.line = line.Name
			}
			if made[s.target] == nil {
				if err := p.configsOf(ctx, s.target, pairs, made); err != nil {
					return err
				}
			}
			s.text = made[s.target]
		}
	}
	return nil
}

// configsOf makes the .config of t, and of all of its line and flavour that
// the pairs need.
func (p Project) configsOf(ctx context.Context, t target, pairs [][2]side, made map[target][]byte) error {
	p.Settings.Kernel, p.Settings.Flavour = t.line, t.flavour
	p.Settings.Archs = nil
	for _, a := range arch.All() {
		for _, pair := range pairs {
			if need := (target{t.line, a.Name, t.flavour}); need == t || need == pair[0].target || need == pair[1].target {
				p.Settings.Archs = append(p.Settings.Archs, a)
				break
			}
		}
	}
	if err := p.sourceOf(ctx, t.line); err != nil {
		return err
	}
	results, err := p.Config(ctx)
	if err != nil {
		return err
	}
	for i, r := range results {
		text, err := os.ReadFile(r.Path)
		if err != nil {
			return fault.New(fault.Machine, "", "read a .config: %w", err)
		}
		made[target{t.line, p.Settings.Archs[i].Name, t.flavour}] = text
	}
	return nil
}

// sourceOf drops a KERNEL_SOURCE that is of another line.
func (p *Project) sourceOf(ctx context.Context, name string) error {
	if p.Settings.KernelSource == "" {
		return nil
	}
	release, err := unpack.Release(ctx, p.Settings.KernelSource)
	if err != nil {
		return err
	}
	if line, _ := p.File.Line(name); line.Check(release) != nil {
		p.Settings.KernelSource = ""
	}
	return nil
}

// ConfigSnapshot writes the config of every target to configs/snapshot.
func (p Project) ConfigSnapshot(ctx context.Context) error {
	var src Patched
	patched := func(ctx context.Context) (_ Patched, err error) {
		src, err = p.Patch(ctx)
		return src, err
	}
	results, err := targets(ctx, p, patched, configures)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(p.path("configs", "snapshot"), 0o755); err != nil {
		return fault.New(fault.Machine, "make configs writable", "config:snapshot: %w", err)
	}
	for i, r := range results {
		t := target{src.Line.Name, p.Settings.Archs[i].Name, p.Settings.Flavour}
		text, err := os.ReadFile(r.Path)
		if err == nil {
			text = config.Snapshot(fmt.Sprintf("What %s is configured to, Linux %s; see config:diff in the README.", t, src.Tree.Release), text)
			err = renameio.WriteFile(p.path(snapshotName(t)), text, 0o644)
		}
		if err != nil {
			return fault.New(fault.Machine, "make configs/snapshot writable", "config:snapshot: %w", err)
		}
		p.UI.Log.Infof("config: %s is written", snapshotName(t))
	}
	return nil
}
