package pipeline

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"bzmage/internal/fault"
	"bzmage/internal/notes"
	"bzmage/internal/proof"
	"bzmage/internal/publish"
	"bzmage/internal/release"
	"bzmage/internal/repo"
	"bzmage/internal/sign"
	"bzmage/internal/trace"
)

// lookBefore finds the release before this one: its series and pin in git, and
// its release.json and configs where it was published. Only the notes are made
// of it, so that what of it cannot be had is told and left out.
func (r *releasing) lookBefore(ctx context.Context) error {
	if r.state.Commit == "" {
		return nil
	}
	tag, commit, ok, err := r.state.Previous(ctx, func(tag string) bool {
		of, known := r.p.File.LineOfTag(tag)
		return known && of.Name == r.line.Name
	})
	if err != nil && r.tag == "" {
		r.p.UI.Log.Warnf("what changed since the last release is not known: %v", err)
		return ctx.Err()
	}
	if err != nil || !ok {
		return err
	}
	before, err := notes.BeforeFromGit(ctx, r.p.Root, commit, r.line.Patches, "configs/kernels.toml", r.line.Name)
	if err != nil {
		return err
	}
	before.Tag = tag
	if err := r.published(ctx, tag, &before); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.p.UI.Log.Warnf("sizes and configs are not compared with %s: %v", tag, err)
	}
	r.before = &before
	return nil
}

// published fills in what the host has of the release before.
func (r *releasing) published(ctx context.Context, tag string, before *notes.Before) error {
	if r.host == nil {
		return errors.New("a snapshot asks no host")
	}
	dir, err := os.MkdirTemp(r.p.build(), "before-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	wanted := func(name string) bool { return name == release.FileName || strings.HasPrefix(name, "config-") }
	if _, err := publish.Download(ctx, r.host, tag, dir, wanted); err != nil {
		return err
	}
	old, err := release.Load(dir)
	if err != nil {
		return err
	}
	before.Release, before.BaseRelease, before.Configs = &old, old.Base, map[string][]byte{}
	for _, f := range old.Files {
		if f.Kind != release.Config {
			continue
		}
		path := filepath.Join(dir, f.Name)
		if sum, err := hashOf(path); err != nil || sum != f.SHA256 {
			return errors.Join(err, errors.New(f.Name+" is not what its release.json says"))
		}
		if before.Configs[f.Arch], err = os.ReadFile(path); err != nil {
			return err
		}
	}
	return nil
}

// filesBefore are the files of the release before, if they are known.
func (r *releasing) filesBefore() []release.File {
	if r.before == nil || r.before.Release == nil {
		return nil
	}
	return r.before.Release.Files
}

// publish puts the folder up.
func (r *releasing) publish(ctx context.Context, dir string, rel release.Release) (_ publish.Result, err error) {
	defer trace.Stage(&ctx, "publish")(&err)
	text, err := os.ReadFile(dir + ".md")
	if err != nil {
		return publish.Result{}, fault.New(fault.Machine, "run the same again", "read the notes: %w", err)
	}
	p := publish.Params{
		Description: publish.Description{Tag: r.tag, Commit: r.state.Commit, Title: "Linux " + rel.Name + " (" + r.tag + ")", Notes: string(text)},
		Dir:         dir, Log: r.p.UI.Log,
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return publish.Result{}, fault.New(fault.Machine, "run the same again", "publish: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path)
		if err != nil {
			return publish.Result{}, fault.New(fault.Machine, "run the same again", "publish: %w", err)
		}
		sum, err := hashOf(path)
		if err != nil {
			return publish.Result{}, fault.New(fault.Machine, "run the same again", "publish: %w", err)
		}
		f, known := rel.File(e.Name())
		p.Files = append(p.Files, publish.File{Name: e.Name(), Size: info.Size(), SHA256: sum, Run: !known && e.Name() != proof.SBOM || f.Kind == release.Report})
	}
	r.p.UI.Log.Infof("publish: %d files to %s", len(p.Files), r.host.Name())
	return publish.Publish(ctx, r.host, p)
}

// ReleaseCheck is what whoever gets a release runs: what is a folder or a tag,
// whose release is downloaded. It prints what was proved and what not.
func (p Project) ReleaseCheck(ctx context.Context, what string, json bool, w io.Writer) error {
	keys, err := sign.Trusted(p.releaseKeys())
	if err != nil {
		return err
	}
	dir := what
	if info, err := os.Stat(what); err != nil || !info.IsDir() {
		var remove func()
		if dir, remove, err = p.download(ctx, what); err != nil {
			return err
		}
		defer remove()
	}
	table, err := proof.Check(ctx, dir, keys)
	if ctx.Err() != nil {
		return err
	}
	if dir != what && err == nil && table.Tag != what {
		table.Rows = append(table.Rows, proof.Row{What: "tag", State: proof.Wrong, Text: "it is the release of tag " + table.Tag})
		err = fault.New(fault.Unproved, "do not use it", "what is published as %s is the release of tag %s", what, table.Tag)
	}
	if json {
		return errors.Join(err, table.JSON(w))
	}
	return errors.Join(err, table.Write(w))
}

// download gets the published release of a tag into a new folder.
func (p Project) download(ctx context.Context, tag string) (dir string, remove func(), err error) {
	state, err := repo.Read(ctx, p.Root)
	if err != nil {
		p.UI.Log.Debugf("no checkout of git: %v", err)
	}
	place, err := publish.Open(p.getenv, state.Origin)
	if err != nil {
		return "", nil, err
	}
	if err := os.MkdirAll(p.build(), 0o755); err != nil {
		return "", nil, fault.New(fault.Machine, "make "+p.build()+" writable", "download a release: %w", err)
	}
	dir, err = os.MkdirTemp(p.build(), "check-")
	if err != nil {
		return "", nil, fault.New(fault.Machine, "make "+p.build()+" writable", "download a release: %w", err)
	}
	remove = func() { _ = os.RemoveAll(dir) }
	p.UI.Log.Infof("release: getting %s from %s", tag, place.Host.Name())
	if _, err := publish.Download(ctx, place.Host, tag, dir, nil); err != nil {
		remove()
		return "", nil, err
	}
	return dir, remove, nil
}
