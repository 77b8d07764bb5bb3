package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"bzmage/internal/arch"
	"bzmage/internal/fault"
	"bzmage/internal/run"
	"bzmage/internal/unpack"
)

// rows returns what is measured, in the order in which it is.
func (l *lab) rows() []row {
	list := []row{{
		name: "fetch", title: "fetch and unpack, from a server on this machine", goal: Goal{Ratio: 1.05}, needs: []string{"curl", "tar", "xz"}, sides: l.fetch,
	}}
	for _, n := range []int{1, 10, 100, 300} {
		list = append(list, row{
			name: fmt.Sprintf("patches/%d", n), title: fmt.Sprintf("patches applied: %d", n), needs: []string{"quilt", "git", "tar"},
			sides: func(ctx context.Context) (pair, error) { return l.patches(ctx, n) },
		})
	}
	for _, n := range []int{1, 10, 100, 300} {
		list = append(list, row{
			name: fmt.Sprintf("checkpatch/%d", n), title: fmt.Sprintf("patches checkpatched: %d", n), needs: []string{"git", "perl"}, long: n >= 100,
			sides: func(ctx context.Context) (pair, error) { return l.checkpatch(ctx, n) },
		})
	}
	plain := []string{"quilt", "tar"}
	list = append(list,
		row{name: "cold", title: "cold to all verdicts", long: true, goal: Goal{Ratio: 0.88}, needs: plain, sides: l.cold},
		row{name: "edit", title: "one .c edited in a patch, to all verdicts", goal: Goal{Ratio: 0.5}, needs: plain, sides: l.edit},
		row{name: "nothing", title: "nothing changed", goal: Goal{Seconds: 1}, needs: plain,
			sides: func(ctx context.Context) (pair, error) { return l.nothing(ctx, l.p.Program, "verify") }},
		row{name: "nothing/mage", title: "nothing changed, by `go tool mage`", goal: Goal{Seconds: 1}, needs: plain,
			sides: func(ctx context.Context) (pair, error) { return l.nothing(ctx, "go", "tool", "mage", "verify") }},
	)
	for _, a := range l.p.Set.Archs {
		list = append(list, row{
			name: "boot/" + a.Name, title: "boot to verdict, without the checks' own time", goal: Goal{Ratio: 1.15},
			sides: func(ctx context.Context) (pair, error) { return l.boot(ctx, a) },
		})
	}
	return append(list,
		row{name: "targets/1", title: "one target built, the source being there", long: true, needs: plain, sides: l.oneTarget},
		row{name: "targets/2", title: "two targets built at once", long: true, sides: func(ctx context.Context) (pair, error) { return l.targets(ctx, 2) }},
		row{name: "targets/4", title: "four targets built at once", long: true, sides: func(ctx context.Context) (pair, error) { return l.targets(ctx, 4) }},
		row{name: "ccache", title: "clean with warm ccache, to all verdicts", long: true, goal: Goal{Ratio: 0.25}, needs: []string{"ccache"}, sides: l.ccache},
	)
}

// patches applies a generated series to a tree nothing was ever applied to.
func (l *lab) patches(ctx context.Context, n int) (pair, error) {
	tree, g, err := l.series(ctx, n)
	if err != nil {
		return pair{}, err
	}
	if err := l.plain.pristine(ctx); err != nil {
		return pair{}, err
	}
	if err := l.plain.forget(); err != nil {
		return pair{}, err
	}
	both := pair{
		ours: side{what: "`bzmage patch`", ready: func(ctx context.Context, _ int) error {
			if err := reset(ctx, tree, l.dir("empty")); err != nil {
				return err
			}
			return writeSeries(l.ours.path(l.p.Line.Patches), g.files)
		}, work: func(ctx context.Context, _ int) error { return l.ours.bzmage(ctx, nil, "patch") }},
		other: side{what: "`quilt push -a`", ready: func(ctx context.Context, _ int) error {
			if err := l.plain.pop(ctx); err != nil {
				return err
			}
			return writeSeries(l.plain.series(), g.files)
		}, work: func(ctx context.Context, _ int) error { return l.plain.push(ctx) }},
	}
	both.after = func(ctx context.Context) error {
		if err := reset(ctx, tree, l.dir("empty")); err != nil {
			return err
		}
		if err := l.plain.pop(ctx); err != nil {
			return err
		}
		is, err := l.plain.now()
		if err != nil {
			return err
		}
		return l.plain.remember(is)
	}
	return both, nil
}

// series generates a series over bzmage's own tree, which is left as it was
// unpacked.
func (l *lab) series(ctx context.Context, n int) (unpack.Tree, generated, error) {
	if err := l.ours.bzmage(ctx, nil, "fetch"); err != nil {
		return unpack.Tree{}, generated{}, err
	}
	tree, err := l.ours.tree()
	if err != nil {
		return unpack.Tree{}, generated{}, err
	}
	if err := reset(ctx, tree, l.dir("empty")); err != nil {
		return unpack.Tree{}, generated{}, err
	}
	g, err := generate(ctx, tree, n)
	return tree, g, err
}

// checkpatch looks at a generated series with one job and with all. It finds
// things in it, which is exit code 6 of bzmage.
func (l *lab) checkpatch(ctx context.Context, n int) (pair, error) {
	if l.p.Set.Jobs < 2 {
		return pair{}, skip("JOBS is 1: there is nothing to compare")
	}
	tree, g, err := l.series(ctx, n)
	if err != nil {
		return pair{}, err
	}
	jobs := func(jobs int) side {
		set := fmt.Sprintf("JOBS=%d", jobs)
		return side{what: "`" + set + " bzmage checkpatch`", ready: func(_ context.Context, i int) error {
			// Other words each time: nothing is there to be kept.
			return writeSeries(l.ours.path(l.p.Line.Patches), g.salted(fmt.Sprint(set, " ", i)))
		}, work: func(ctx context.Context, _ int) error {
			err := l.ours.bzmage(ctx, []string{set}, "checkpatch")
			var exit *run.ExitError
			if errors.As(err, &exit) && exit.Code == fault.Checkpatch.Code() {
				return nil
			}
			return err
		}}
	}
	return pair{ours: jobs(l.p.Set.Jobs), other: jobs(1), after: func(ctx context.Context) error { return reset(ctx, tree, l.dir("empty")) }}, nil
}

// boot compares a boot with one of a do-nothing init, on the same image, in
// the same machine. What the checks take is not counted: it is from the record
// that the first of them begins to the guest's last one.
func (l *lab) boot(ctx context.Context, a arch.Arch) (pair, error) {
	if err := l.ours.bzmage(ctx, nil, "verify"); err != nil {
		return pair{}, err
	}
	b, err := l.ours.built(a)
	if err != nil {
		return pair{}, err
	}
	nothing, err := l.nothingInit(ctx, a)
	if err != nil {
		return pair{}, err
	}
	return pair{
		ours: side{what: "`ARCH=" + a.Name + " bzmage verify -f`, QEMU's start to its end, less the checks", work: func(ctx context.Context, _ int) error {
			return l.ours.bzmage(ctx, []string{"ARCH=" + a.Name}, "verify", "-f")
		}, seconds: func() (float64, error) {
			v, err := l.verdict(a)
			if err == nil && (v.Times.Done == 0 || v.Times.FirstCheck == 0) {
				err = fmt.Errorf("the verdict of %s does not say when its checks began and ended", a.Name)
			}
			return v.Times.End - (v.Times.Done - v.Times.FirstCheck), err
		}},
		other: side{what: "`" + a.QEMU + "` with the same devices and an init that stops the machine", work: func(ctx context.Context, _ int) error {
			return l.plain.boot(ctx, a, b.Path(b.Image), nothing, false)
		}},
	}, nil
}

// names returns the names of arches in words.
func names(list []arch.Arch) string {
	var all []string
	for _, a := range list {
		all = append(all, a.Name)
	}
	return strings.Join(all, " and ")
}
