package bench

import (
	"context"
	"fmt"

	"bzmage/internal/arch"
)

// ready brings both sides to where everything is built, not timed.
func (l *lab) ready(ctx context.Context) error {
	if err := l.ours.bzmage(ctx, nil, "verify"); err != nil {
		return err
	}
	files, err := readSeries(l.ours.path(l.p.Line.Patches))
	if err != nil {
		return err
	}
	want, err := l.plain.now()
	if err != nil {
		return err
	}
	want.Series = digest(files)
	var is state
	_ = readJSON(l.plain.stateFile(), &is) // one that is not there is another one
	if is != want {
		if err := l.plain.pristine(ctx); err != nil {
			return err
		}
		if err := l.plain.use(l.ours.path(l.p.Line.Patches)); err != nil {
			return err
		}
		if err := l.plain.forget(); err != nil {
			return err
		}
		if err := l.plain.push(ctx); err != nil {
			return err
		}
	}
	// make knows itself what is left to be done.
	if err := l.plain.configureAll(ctx); err != nil {
		return err
	}
	if err := l.plain.makeAll(ctx); err != nil {
		return err
	}
	return l.plain.remember(want)
}

// cold goes from an archive in the cache to all verdicts.
func (l *lab) cold(ctx context.Context) (pair, error) {
	if err := l.warm(); err != nil {
		return pair{}, err
	}
	unpack := "tar xf"
	if l.p.Archive.Folder {
		unpack = "cp -a"
	}
	files, err := readSeries(l.ours.path(l.p.Line.Patches))
	if err != nil {
		return pair{}, err
	}
	return pair{
		ours: side{what: "`bzmage verify` without a build folder",
			ready: func(context.Context, int) error { return l.ours.clean() },
			work:  func(ctx context.Context, _ int) error { return l.ours.bzmage(ctx, nil, "verify") }},
		other: side{what: fmt.Sprintf("`%s`, `quilt push -a`, `make olddefconfig` and `make -j%d` for %s one after the other, `qemu` for each", unpack, l.p.Set.Jobs, names(l.p.Set.Archs)),
			ready: func(context.Context, int) error {
				if err := l.plain.wipe(); err != nil {
					return err
				}
				return writeSeries(l.plain.series(), files)
			},
			work: func(ctx context.Context, _ int) error {
				for _, step := range []func(context.Context) error{l.plain.unpack, l.plain.push, l.plain.configureAll, l.plain.makeAll, l.plain.bootAll} {
					if err := step(ctx); err != nil {
						return err
					}
				}
				return nil
			}},
		after: func(context.Context) error {
			is, err := l.plain.now()
			if err != nil {
				return err
			}
			is.Series = digest(files)
			return l.plain.remember(is)
		},
	}, nil
}

// edit changes a patch and goes to all verdicts.
func (l *lab) edit(ctx context.Context) (pair, error) {
	patches := l.ours.path(l.p.Line.Patches)
	files, err := readSeries(patches)
	if err != nil {
		return pair{}, err
	}
	name, ok := firstEdit(files)
	if !ok {
		return pair{}, skip("no patch of " + l.p.Line.Patches + " adds a function to a .c file")
	}
	if err := l.ready(ctx); err != nil {
		return pair{}, err
	}
	if err := l.plain.forget(); err != nil {
		return pair{}, err
	}
	write := func(dir string, n int) error {
		changed := map[string][]byte{}
		for k, v := range files {
			changed[k] = v
		}
		text, _ := edited(string(files[name]), n+1)
		changed[name] = []byte(text)
		return writeSeries(dir, changed)
	}
	return pair{
		ours: side{what: "`bzmage verify` after the edit",
			ready: func(_ context.Context, n int) error { return write(patches, n) },
			work:  func(ctx context.Context, _ int) error { return l.ours.bzmage(ctx, nil, "verify") }},
		other: side{what: fmt.Sprintf("`quilt pop -a`, the edit, `quilt push -a`, `make -j%d` for %s one after the other, `qemu` for each", l.p.Set.Jobs, names(l.p.Set.Archs)),
			work: func(ctx context.Context, n int) error {
				if err := l.plain.pop(ctx); err != nil {
					return err
				}
				if err := write(l.plain.series(), n); err != nil {
					return err
				}
				for _, step := range []func(context.Context) error{l.plain.push, l.plain.makeAll, l.plain.bootAll} {
					if err := step(ctx); err != nil {
						return err
					}
				}
				return nil
			}},
		after: l.unedit,
	}, nil
}

// unedit takes the edited series out of the plain tree.
func (l *lab) unedit(ctx context.Context) error {
	if err := l.plain.pop(ctx); err != nil {
		return err
	}
	is, err := l.plain.now()
	if err != nil {
		return err
	}
	return l.plain.remember(is)
}

// nothing does it all again with nothing changed.
func (l *lab) nothing(ctx context.Context, argv ...string) (pair, error) {
	if err := l.ready(ctx); err != nil {
		return pair{}, err
	}
	if err := l.ours.run(ctx, nil, argv...); err != nil { // mage compiles the magefile once
		return pair{}, err
	}
	what := "`bzmage verify`"
	if argv[0] != l.p.Program {
		what = "`go tool mage verify`"
	}
	return pair{
		ours:  side{what: what, work: func(ctx context.Context, _ int) error { return l.ours.run(ctx, nil, argv...) }},
		other: side{what: fmt.Sprintf("`make -j%d` for %s one after the other, nothing booted", l.p.Set.Jobs, names(l.p.Set.Archs)), work: func(ctx context.Context, _ int) error { return l.plain.makeAll(ctx) }},
	}, nil
}

// oneTarget builds one arch where the source is unpacked and patched.
func (l *lab) oneTarget(ctx context.Context) (pair, error) {
	if err := l.ready(ctx); err != nil {
		return pair{}, err
	}
	a := l.p.Set.Archs[0]
	return pair{
		ours: l.build("`ARCH="+a.Name+" bzmage build`", a),
		other: side{what: fmt.Sprintf("`make olddefconfig` and `make -j%d` for %s", l.p.Set.Jobs, a.Name),
			ready: func(context.Context, int) error { return l.plain.cleanObj(a) },
			work: func(ctx context.Context, _ int) error {
				if err := l.plain.configure(ctx, a, l.dir("config-"+a.Name)); err != nil {
					return err
				}
				return l.plain.make(ctx, a)
			}},
	}, l.keepConfig(a)
}

// build is bzmage building from an unpacked tree, for each of the arches in a
// run of its own.
func (l *lab) build(what string, runs ...arch.Arch) side {
	return side{what: what,
		ready: func(context.Context, int) error { return l.ours.clean("tree") },
		work: func(ctx context.Context, _ int) error {
			for _, a := range runs {
				if err := l.ours.bzmage(ctx, []string{"ARCH=" + a.Name}, "build"); err != nil {
					return err
				}
			}
			return nil
		}}
}

// targets builds all targets at once, and one after the other.
func (l *lab) targets(ctx context.Context, n int) (pair, error) {
	if have := len(l.p.Set.Archs); have != n {
		return pair{}, skip(fmt.Sprintf("targets of one run, which has one line and one flavour: %d", have))
	}
	if err := l.ours.bzmage(ctx, nil, "patch"); err != nil {
		return pair{}, err
	}
	both := pair{other: l.build("`bzmage build` for "+names(l.p.Set.Archs)+" one after the other", l.p.Set.Archs...)}
	both.ours = side{what: "`bzmage build` for " + names(l.p.Set.Archs), ready: both.other.ready,
		work: func(ctx context.Context, _ int) error { return l.ours.bzmage(ctx, nil, "build") }}
	return both, nil
}

// ccache goes from a cleaned checkout to all verdicts, with and without what
// ccache has.
func (l *lab) ccache(ctx context.Context) (pair, error) {
	if !l.p.CCache {
		return pair{}, skip("this bzmage does not know ccache")
	}
	if err := l.warm(); err != nil {
		return pair{}, err
	}
	with := []string{"CCACHE=on"}
	if err := l.ours.clean(); err != nil {
		return pair{}, err
	}
	l.p.Log.Info("bench: ccache: filling the cache")
	if err := l.ours.bzmage(ctx, with, "verify"); err != nil {
		return pair{}, err
	}
	clean := func(context.Context, int) error { return l.ours.clean() }
	return pair{
		ours:  side{what: "`bzmage verify` without a build folder, ccache filled", ready: clean, work: func(ctx context.Context, _ int) error { return l.ours.bzmage(ctx, with, "verify") }},
		other: side{what: "the same with `CCACHE=off`", ready: clean, work: func(ctx context.Context, _ int) error { return l.ours.bzmage(ctx, nil, "verify") }},
	}, nil
}

// keepConfig keeps the final .config of a target outside of bzmage's build
// folder, which the row cleans.
func (l *lab) keepConfig(a arch.Arch) error {
	b, err := l.ours.built(a)
	if err != nil {
		return err
	}
	return disk(copyFile(l.dir("config-"+a.Name), b.Path("config")))
}
