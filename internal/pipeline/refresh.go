package pipeline

import (
	"context"
	"net/mail"
	"strings"
	"time"

	"bzmage/internal/fault"
	"bzmage/internal/run"
	"bzmage/internal/series"
)

// SeriesRefresh folds the edits made in the tree into the patches they belong
// to, or all into the one that is named.
func (p Project) SeriesRefresh(ctx context.Context, into string) error {
	params, folder, err := p.seriesParams(ctx)
	if err != nil {
		return err
	}
	wrote, err := series.Refresh(ctx, params, into)
	if err != nil {
		return err
	}
	if len(wrote) == 0 {
		p.UI.Log.Infof("refresh: every patch of %s is as the tree has it", folder)
		return nil
	}
	p.UI.Log.Infof("refresh: wrote %s in %s; what was there is in %s", strings.Join(wrote, ", "), folder, p.short(params.Backup))
	return nil
}

// SeriesNew makes a patch of the edits made in the tree.
func (p Project) SeriesNew(ctx context.Context, title string) error {
	params, folder, err := p.seriesParams(ctx)
	if err != nil {
		return err
	}
	from, err := author(ctx, p.Root)
	if err != nil {
		return err
	}
	name, renumbered, err := series.New(ctx, params, series.Draft{Title: strings.TrimSpace(title), From: from, Date: time.Now()})
	if err != nil {
		return err
	}
	p.UI.Log.Infof("new: %s/%s; write its message, and your Signed-off-by, above the line ---", folder, name)
	if renumbered > 0 {
		p.UI.Log.Infof("new: the subjects of the other %d patches count one more", renumbered)
	}
	return nil
}

// seriesParams fetches the tree and makes sure that it has a series applied:
// only then it is known what is an edit.
func (p Project) seriesParams(ctx context.Context) (series.Params, string, error) {
	src, err := p.Patch(ctx)
	if err != nil {
		return series.Params{}, "", err
	}
	backup, err := free(p.build("series", "refreshed-"+src.Series.Digest[:8]), nil)
	return series.Params{Tree: src.Tree, Folder: p.path(src.Line.Patches), Backup: backup}, src.Line.Patches, err
}

// author asks git who the user is, as git commit would.
func author(ctx context.Context, dir string) (mail.Address, error) {
	env := run.Env("HOME", "XDG_CONFIG_HOME", "GIT_AUTHOR_*", "EMAIL")
	ident, err := run.Output(ctx, run.Cmd{Argv: []string{"git", "var", "GIT_AUTHOR_IDENT"}, Dir: dir, Env: env})
	if err == nil {
		// name <address> seconds zone
		if at := strings.LastIndexByte(ident, '>'); at > 0 {
			name, address, _ := strings.Cut(ident[:at], "<")
			return mail.Address{Name: strings.TrimSpace(name), Address: address}, nil
		}
	}
	return mail.Address{}, fault.New(fault.Usage, `git config --global user.name "Your Name"; git config --global user.email you@example.com`,
		"git does not know who makes the patch: %w", err)
}
