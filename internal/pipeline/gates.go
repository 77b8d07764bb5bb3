package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"bzmage/internal/arch"
	"bzmage/internal/config"
	"bzmage/internal/fault"
	"bzmage/internal/kernels"
	"bzmage/internal/notes"
	"bzmage/internal/plain"
	"bzmage/internal/publish"
	"bzmage/internal/repo"
	"bzmage/internal/sign"
	"bzmage/internal/tools"
)

// gate is one thing that a release demands. ask says what there is, or what is
// missing and the command that gets it.
type gate struct {
	name string
	ask  func(context.Context) (string, error)
}

// releasing is a release on its way: what its gates found out.
type releasing struct {
	p     Project
	line  kernels.Line
	state repo.State
	tag   string
	key   *sign.Key // nil: nothing is signed
	host  publish.Host
	place publish.Place

	before *notes.Before // the release before; nil: there is none
}

// cheapGates are asked before anything is fetched or built, in this order.
func (r *releasing) cheapGates() []gate {
	return []gate{
		{"line", r.askLine},
		{"settings", r.askSettings},
		{"git", r.askGit},
		{"key", r.askKey},
		{"host", r.askHost},
	}
}

// open asks all the gates and returns what they said, and the errors of all of
// them: who prepares a release wants to mend everything at once.
func (r *releasing) open(ctx context.Context, gates []gate, w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "GATE\tSTATE\tWHAT")
	var errs []error
	for _, g := range gates {
		has, err := g.ask(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		state := "open"
		if err != nil {
			state, has = "shut", firstOf(err)
			errs = append(errs, fmt.Errorf("%s: %w", g.name, err))
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\n", g.name, state, plain.Line(has, 200))
	}
	return errors.Join(append(errs, tw.Flush())...)
}

func firstOf(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// askLine demands that KERNEL is set: a release of whatever line could be had
// today would be another one tomorrow.
func (r *releasing) askLine(context.Context) (string, error) {
	line, ok := r.p.File.Line(r.p.Settings.Kernel)
	if !ok {
		return "", fault.New(fault.Usage, "KERNEL="+r.p.File.Lines[0].Name+" go tool mage release", "KERNEL is not set: a release says which line it is of")
	}
	r.line = line
	return fmt.Sprintf("%s, pinned to %s", line.Name, line.Release), nil
}

// askSettings demands that the settings leave nothing out.
func (r *releasing) askSettings(context.Context) (string, error) {
	s := r.p.Settings
	var errs []error
	refuse := func(bad bool, hint, text string) {
		if bad {
			errs = append(errs, fault.New(fault.Usage, hint, "%s", text))
		}
	}
	refuse(s.KernelSource != "", "unset KERNEL_SOURCE", "KERNEL_SOURCE is set: nothing proves what it holds, and a release needs a verified source")
	refuse(len(s.Archs) != len(arch.All()), "unset ARCH", "ARCH is set: a release has all arches")
	refuse(s.Flavour != "release", "unset FLAVOUR", "FLAVOUR="+s.Flavour+": a release is of flavour release")
	refuse(!s.Checks.All(), "unset VERIFY_RUN VERIFY_COUNT VERIFY_SHELL", "VERIFY_RUN, VERIFY_COUNT or VERIFY_SHELL is set: a release takes the verdict of all checks")
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	return fmt.Sprintf("all arches, flavour %s, %s, all checks", s.Flavour, s.Toolchain), nil
}

// askGit demands a clean checkout of a tag of the line.
func (r *releasing) askGit(ctx context.Context) (string, error) {
	state, err := repo.Read(ctx, r.p.Root)
	if err != nil {
		return "", err
	}
	r.state = state
	if !state.Clean() {
		const most = 10
		return "", fault.New(fault.Usage, "git status; git stash --include-untracked, or commit",
			"the checkout differs from its commit: %s", strings.Join(state.Dirty[:min(most, len(state.Dirty))], ", "))
	}
	r.tag, err = r.chooseTag(state.Tags)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("tag %s, commit %.12s, clean", r.tag, state.Commit), nil
}

// chooseTag returns the tag of HEAD that the release is of.
func (r *releasing) chooseTag(tags []string) (string, error) {
	own := r.p.File.TagsOf(r.line.Name, tags)
	want := r.p.pipelineTag()
	hint := "git tag -a v" + r.line.Release + r.line.LocalVersion + " -m 'linux " + r.line.Release + r.line.LocalVersion + "'"
	switch {
	case want != "":
		if slices.Contains(own, want) {
			return want, nil
		}
		return "", fault.New(fault.Usage, "git fetch --tags, and check the tag out", "the pipeline is for tag %s, which is not a tag of line %s at this commit", want, r.line.Name)
	case len(own) == 1:
		return own[0], nil
	case len(own) == 0 && len(tags) > 0:
		return "", fault.New(fault.Usage, hint, "the commit's tags are of other lines: %s", strings.Join(tags, ", "))
	case len(own) == 0:
		return "", fault.New(fault.Usage, hint, "the commit has no tag, and a release is of a tag")
	}
	return "", fault.New(fault.Usage, "git tag -d all but one, or set CI_COMMIT_TAG", "the commit has several tags of line %s: %s", r.line.Name, strings.Join(own, ", "))
}

// askKey demands a key that signs, and whose public part is in the checkout,
// where those look who check the release.
func (r *releasing) askKey(context.Context) (string, error) {
	key, err := r.p.signKey()
	if err != nil {
		return "", err
	}
	if err := key.Try(); err != nil {
		return "", err
	}
	r.key = key
	trusted, err := sign.Trusted(r.p.releaseKeys())
	if err != nil {
		return "", err
	}
	if !trusted.Has(key) {
		return "", fault.New(fault.Usage, "go tool mage release:key > configs/keys/release/"+key.PublicName()+", and commit it",
			"the public part of SIGN_KEY (%s) is not in configs/keys/release, where release:check looks", key.Identity)
	}
	return "signs, and its public part is in the checkout: " + key.String(), nil
}

// askHost demands a place to publish, and the right to.
func (r *releasing) askHost(ctx context.Context) (string, error) {
	if r.tag == "" {
		return "", fault.New(fault.Usage, "", "there is no tag to ask the host about")
	}
	place, err := publish.Open(r.p.getenv, r.state.Origin)
	if err != nil {
		return "", err
	}
	r.place, r.host = place, place.Host
	if err := r.host.Preflight(ctx, r.tag, r.state.Commit); err != nil {
		return "", err
	}
	return r.host.Name() + " lets us publish", nil
}

// kernelGates are asked of the kernel before it is compiled: its source, its
// series, checkpatch, its configs, and what is known of its verdicts.
func (r *releasing) kernelGates() []gate {
	var k *kernel
	return []gate{
		{"source", func(ctx context.Context) (_ string, err error) {
			if k, err = r.patched(ctx); err != nil {
				return "", err
			}
			a := k.src.Tree.Archive
			return fmt.Sprintf("Linux %s from %s: %s", k.src.Tree.Release, a.Source, strings.Join(a.Proofs, ", ")), r.checkSource(k.src)
		}},
		{"checkpatch", func(ctx context.Context) (string, error) {
			if k == nil {
				return "", errNoSource
			}
			res, err := r.p.checkpatch(ctx, k.src)
			return fmt.Sprintf("%d patches, nothing new found", len(res.Patches)), err
		}},
		{"config", func(ctx context.Context) (string, error) {
			if k == nil {
				return "", errNoSource
			}
			all, err := each(ctx, r.p, k.configure)
			if err == nil {
				err = k.checkSnapshots(all)
			}
			return "every option that was asked for is there", err
		}},
	}
}

// errNoSource is the answer of the gates that need the kernel's tree.
var errNoSource = errors.New("not known without the source")

// patched fetches and patches the line, and makes sure that a release may be
// made of it.
func (r *releasing) patched(ctx context.Context) (*kernel, error) {
	versions, err := r.p.need(ctx, tools.ForBuild, tools.ForBoot)
	if err != nil {
		return nil, err
	}
	src, err := r.p.Patch(ctx)
	if err != nil {
		return nil, err
	}
	return r.p.newKernel(src, versions), nil
}

// checkSource demands a source that is proved, and a tree that holds the
// series and nothing else.
func (r *releasing) checkSource(src Patched) error {
	if !src.Tree.Archive.Verified() {
		return fault.New(fault.Source, "KERNEL="+src.Line.Name+" go tool mage fetch", "the source is unverified: %s", src.Tree.Archive.Origin)
	}
	return wholeTree(src)
}

// checkSnapshots demands that a config is what its snapshot says, where one is
// committed.
func (k *kernel) checkSnapshots(all []config.Result) error {
	var errs []error
	for i, res := range all {
		name := snapshotName(target{k.src.Line.Name, k.p.Settings.Archs[i].Name, k.p.Settings.Flavour})
		old, err := os.ReadFile(k.p.path(name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		text, readErr := os.ReadFile(res.Path)
		if err := errors.Join(err, readErr); err != nil {
			return fault.New(fault.Machine, "", "compare a config with its snapshot: %w", err)
		}
		if d := config.Diff(old, text); !d.Empty() {
			errs = append(errs, fault.New(fault.Config, "KERNEL="+k.src.Line.Name+" go tool mage config:snapshot, and commit it",
				"the config of %s is not what %s says: %s", k.p.Settings.Archs[i].Name, name, d.Count()))
		}
	}
	return errors.Join(errs...)
}
