package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"bzmage/internal/arch"
	"bzmage/internal/fault"
	"bzmage/internal/kernels"
	"bzmage/internal/key"
	"bzmage/internal/keyring"
	"bzmage/internal/publish"
	"bzmage/internal/series"
	"bzmage/internal/settings"
	"bzmage/internal/update"
)

// UpdateParams says where proposals go and how their kernels are made.
type UpdateParams struct {
	Remote   Remote
	Requests publish.Requests
	Build    func(ctx context.Context, p Project, verify bool) (Built, error) // nil: [Project.Make]
}

// UpdatePR proposes the newest release of each watched line that has a newer
// one, in a checkout of its own below build/update; what cannot be proposed is
// an issue. The user's files are not touched: the remote's default branch is
// what is updated. The error is that of every line that is not well.
func (p Project) UpdatePR(ctx context.Context, out io.Writer, u UpdateParams) error {
	if p.Settings.KernelSource != "" {
		return fault.New(fault.Usage, "unset KERNEL_SOURCE", "update:pr builds releases of kernel.org only, and KERNEL_SOURCE is set")
	}
	if u.Build == nil {
		u.Build = func(ctx context.Context, q Project, verify bool) (Built, error) { return q.Make(ctx, verify) }
	}
	var errs []error
	for _, l := range p.watched() {
		if err := p.updateLine(ctx, out, u, l.Name); err != nil {
			errs = append(errs, fmt.Errorf("line %s: %w", l.Name, err))
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return errors.Join(errs...)
}

func (p Project) updateLine(ctx context.Context, out io.Writer, u UpdateParams, name string) error {
	c, err := openClone(ctx, p.build("update", name, "checkout"), u.Remote, name)
	if err != nil {
		return err
	}
	q, line, err := p.inClone(c.dir, name)
	if err != nil {
		return err
	}
	n, err := q.news(ctx, line)
	if err != nil {
		return err
	}
	if err := u.tell(ctx, out, n); err != nil {
		return err
	}
	if n.Unknown != "" && !n.Newer {
		return update.Err([]update.News{n})
	}
	if !n.Newer {
		fmt.Fprintf(out, "line %s: %s: %s\n", name, n.Pinned, n.What())
		return u.Requests.Settle(ctx, update.Marker("conflict", name), "Nothing newer than "+n.Pinned+" is left to move to.")
	}
	return q.propose(ctx, out, u, c, line, n.Newest)
}

// tell opens an issue for what no newer release mends, and settles those that
// are over.
func (u UpdateParams) tell(ctx context.Context, out io.Writer, n update.News) error {
	if n.Unknown != "" {
		return nil
	}
	for _, i := range []struct {
		why, title string
		is         bool
	}{
		{"eol", "linux " + n.Line + " is at its end of life", n.Ended && !n.Newer},
		{"withdrawn", "linux " + n.Pinned + " was withdrawn", n.Withdrawn != "" && !n.Newer},
	} {
		marker := update.Marker(i.why, n.Line)
		if !i.is {
			if err := u.Requests.Settle(ctx, marker, "This is so no more."); err != nil {
				return err
			}
			continue
		}
		address, err := u.Requests.Report(ctx, publish.Issue{Marker: marker, Title: i.title, Body: n.Body()})
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "line %s: %s: %s\n", n.Line, i.title, address)
	}
	return nil
}

// inClone is the project of the checkout in dir, for all archs of one line.
func (p Project) inClone(dir, name string) (Project, kernels.Line, error) {
	q := p
	q.Root, q.Module, q.Work = dir, dir, ""
	q.Settings.Kernel, q.Settings.Archs, q.Settings.Checks, q.Settings.Flavour = name, arch.All(), settings.Checks{Count: 1}, "release"
	q.chosen, q.Hashes, q.Terminal = &chosen{}, key.NewHashes(q.build("hashes.json")), nil
	var err error
	if q.File, err = kernels.Load(filepath.Join(dir, "configs", "kernels.toml")); err != nil {
		return q, kernels.Line{}, err
	}
	if q.Keys, err = keyring.Load(filepath.Join(dir, "configs", "keys")); err != nil {
		return q, kernels.Line{}, err
	}
	line, ok := q.File.Line(name)
	if !ok {
		return q, line, fault.New(fault.Usage, "push configs/kernels.toml", "the default branch has no line %s", name)
	}
	return q, line, nil
}

// propose moves the line to the release and says how it went.
func (p Project) propose(ctx context.Context, out io.Writer, u UpdateParams, c *clone, line kernels.Line, release string) error {
	old, oldErr := u.Build(ctx, p, false)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := p.KernelsPin(ctx, release, out); err != nil {
		return err
	}
	q, pinned, err := p.inClone(c.dir, line.Name)
	if err != nil {
		return err
	}
	src, err := q.Fetch(ctx)
	if err != nil {
		return err
	}
	pr := update.Proposal{
		Line: line.Name, From: line.Release, To: release, Address: q.File.Address(pinned, release), SHA256: pinned.SHA256,
		Proofs: src.Tree.Archive.Proofs, SignedBy: src.Tree.Archive.SignedBy,
	}
	if pr.Rebased, err = series.Rebase(ctx, src.Tree, q.path(pinned.Patches)); err != nil {
		return err
	}
	pr.Rebased.Report.Line, pr.Rebased.Report.Folder = pinned.Name, pinned.Patches
	marker := update.Marker("conflict", line.Name)
	if err := q.writeRebased(pr.Rebased, pinned, pinned); err != nil {
		if pr.Rebased.Err() == nil {
			return err
		}
		address, issueErr := u.Requests.Report(ctx, publish.Issue{Marker: marker, Title: pr.Title() + ": the series does not fit", Body: pr.Conflict()})
		fmt.Fprintf(out, "line %s: linux %s: the series does not fit: %s\n", line.Name, release, address)
		return errors.Join(err, issueErr)
	}
	built, buildErr := u.Build(ctx, q, true)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if fault.KindOf(buildErr) == fault.Machine && buildErr != nil {
		return buildErr // says nothing of the release
	}
	pr.Err, pr.Verdicts = q.forOthers(buildErr), built.Verdicts
	compare(&pr, old, built, q.forOthers(oldErr))
	_, pushed, err := c.save(ctx, pr.Message(), "configs/kernels.toml", pinned.Patches)
	if err != nil {
		return errors.Join(buildErr, err)
	}
	address, err := u.Requests.Propose(ctx, publish.Proposal{Branch: c.branch, Base: c.base, Title: pr.Title(), Body: pr.Body(), Draft: buildErr != nil})
	if err != nil {
		return errors.Join(buildErr, err)
	}
	how := "as it was"
	if pushed {
		how = "pushed"
	}
	fmt.Fprintf(out, "line %s: %s: %s (%s)\n", line.Name, pr.Title(), address, how)
	return errors.Join(buildErr, u.Requests.Settle(ctx, marker, "The series fits Linux "+release+" now: "+address))
}
