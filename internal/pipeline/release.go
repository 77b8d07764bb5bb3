package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"

	"bzmage/internal/dist"
	"bzmage/internal/fault"
	"bzmage/internal/proof"
	"bzmage/internal/publish"
	"bzmage/internal/repo"
	"bzmage/internal/sign"
)

// releaseKeys is the folder of the keys that releases of this checkout are
// signed with: the public parts.
func (p Project) releaseKeys() string { return p.path("configs", "keys", "release") }

// signKey returns the key that SIGN_KEY is or names.
func (p Project) signKey() (*sign.Key, error) {
	text := p.getenv("SIGN_KEY")
	if text == "" {
		return nil, fault.New(fault.Usage, "SIGN_KEY=<file of an OpenPGP, minisign or SSH key>, see docs/release.md", "SIGN_KEY is not set: a release is signed")
	}
	return sign.Load(text, []byte(p.getenv("SIGN_KEY_PASSWORD")))
}

// ReleaseKey prints the public part of SIGN_KEY, as configs/keys/release has it.
func (p Project) ReleaseKey(w io.Writer) error {
	key, err := p.signKey()
	if err != nil {
		return err
	}
	_, err = w.Write(key.Public())
	return err
}

// ReleasePreflight asks everything that a release demands and that can be known
// before the kernel is compiled, and prints a row for each.
func (p Project) ReleasePreflight(ctx context.Context, w io.Writer) (err error) {
	defer p.traced(&ctx)(&err)
	r := &releasing{p: p}
	if err := r.open(ctx, r.cheapGates(), w); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return r.open(ctx, r.kernelGates(), w)
}

// Release takes the line from its tag to a published release: all gates, the
// verdicts, the packages, the proofs, and the host. Nothing is public before
// the last step. Run again after any failure it goes on where it was.
func (p Project) Release(ctx context.Context, w io.Writer) (_ publish.Result, err error) {
	defer p.traced(&ctx)(&err)
	r := &releasing{p: p}
	if err := r.open(ctx, r.cheapGates(), w); err != nil {
		return publish.Result{}, err
	}
	dir := p.build("release", r.line.Name, r.tag)
	rel, err := r.make(ctx, dir)
	if err != nil {
		return publish.Result{}, err
	}
	if err := r.still(ctx); err != nil {
		return publish.Result{}, err
	}
	if err := r.checkOwn(ctx, dir, w); err != nil {
		return publish.Result{}, err
	}
	return r.publish(ctx, dir, rel)
}

// ReleaseSnapshot makes the whole release of what is in the checkout, and
// publishes nothing: with any source, with or without a tag, signed only if
// there is a key.
func (p Project) ReleaseSnapshot(ctx context.Context, w io.Writer) (err error) {
	defer p.traced(&ctx)(&err)
	r := &releasing{p: p}
	if r.line, _, err = p.choose(ctx); err != nil {
		return err
	}
	if p.getenv("SIGN_KEY") != "" {
		if r.key, err = p.signKey(); err != nil {
			return err
		}
	}
	if r.state, err = repo.Read(ctx, p.Root); err != nil {
		p.UI.Log.Warnf("the snapshot names no commit: %v", err)
	}
	dir := p.build("snapshot", r.line.Name)
	rel, err := r.make(ctx, dir)
	if err != nil {
		return err
	}
	p.UI.Log.Infof("snapshot: %d files in %s; its notes are in %s.md", len(rel.Files), p.short(dir), p.short(dir))
	return dist.Table(w, dist.Sizes(rel.Files, r.releaseBefore()))
}

// still makes sure that the checkout is what it was when the gates were asked.
func (r *releasing) still(ctx context.Context) error {
	now, err := repo.Read(ctx, r.p.Root)
	if err != nil {
		return err
	}
	if now.Commit != r.state.Commit || !now.Clean() {
		return fault.New(fault.Usage, "check the tag out again and run the same", "the checkout changed while the release was made: commit %.12s, %d files differ", now.Commit, len(now.Dirty))
	}
	return nil
}

// checkOwn has the release checked as those will who download it: what does
// not convince us is not published.
func (r *releasing) checkOwn(ctx context.Context, dir string, w io.Writer) error {
	trusted, err := sign.Trusted(r.p.releaseKeys())
	if err != nil {
		return err
	}
	table, err := proof.Check(ctx, dir, trusted)
	return errors.Join(err, table.Write(w))
}
