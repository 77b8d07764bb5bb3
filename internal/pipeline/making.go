package pipeline

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"bzmage/internal/arch"
	"bzmage/internal/dist"
	"bzmage/internal/fault"
	"bzmage/internal/notes"
	"bzmage/internal/proof"
	"bzmage/internal/release"
	"bzmage/internal/report"
	"bzmage/internal/trace"
)

// make builds, verifies, packs and proves the release in the folder dir, with
// its notes beside it. The folder is there whole or as it was.
func (r *releasing) make(ctx context.Context, dir string) (release.Release, error) {
	k, rep, err := r.p.verifyAll(ctx)
	if k == nil {
		return release.Release{}, err
	}
	defer k.close()
	if err == nil && r.tag != "" {
		err = r.checkBuilt(ctx, k)
	}
	if err != nil {
		return release.Release{}, err
	}
	return r.packUp(ctx, k, rep, dir)
}

// checkBuilt asks the gates of the kernel of what was built.
func (r *releasing) checkBuilt(ctx context.Context, k *kernel) error {
	if err := r.checkSource(k.src); err != nil {
		return err
	}
	all, err := each(ctx, r.p, k.configure)
	if err != nil {
		return err
	}
	return k.checkSnapshots(all)
}

func (r *releasing) packUp(ctx context.Context, k *kernel, rep report.Report, dir string) (_ release.Release, err error) {
	defer trace.Stage(&ctx, "package")(&err)
	if err := r.lookBefore(ctx); err != nil {
		return release.Release{}, err
	}
	work := dir + ".making"
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return release.Release{}, fault.New(fault.Machine, "make "+r.p.build()+" writable", "package: %w", err)
	}
	bundle, err := k.pack(ctx, r, rep, work)
	if err != nil {
		return release.Release{}, err
	}
	if err := bundle.rel.Write(work); err != nil {
		return bundle.rel, err
	}
	inputs, err := k.proofInputs(ctx)
	if err != nil {
		return bundle.rel, err
	}
	err = proof.Write(ctx, work, proof.Params{
		Key: r.key, Parameters: k.parameters(), Inputs: inputs, Repository: r.state.Origin, Builder: builder(),
	})
	if err != nil {
		return bundle.rel, err
	}
	if err := r.writeNotes(bundle, rep, dir+".md"); err != nil {
		return bundle.rel, err
	}
	if err := errors.Join(os.RemoveAll(dir), os.Rename(work, dir)); err != nil {
		return bundle.rel, fault.New(fault.Machine, "look at who owns "+dir, "package: %w", err)
	}
	return bundle.rel, nil
}

// parameters are what the user chose that is in the release.
func (k *kernel) parameters() map[string]string {
	var archs []string
	for _, a := range k.p.Settings.Archs {
		archs = append(archs, a.Name)
	}
	return map[string]string{
		"KERNEL": k.src.Line.Name, "ARCH": strings.Join(archs, ","), "FLAVOUR": k.p.Settings.Flavour, "TOOLCHAIN": k.p.Settings.Toolchain.String(),
		"SOURCE_DATE_EPOCH": k.p.getenv("SOURCE_DATE_EPOCH"),
	}
}

// builder names this bzmage by its module's version.
func builder() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return ""
}

// proofInputs are the files that went into the release beside its source, its
// series and its tools: kernels.toml, the fragments, and bzmage itself.
func (k *kernel) proofInputs(context.Context) ([]proof.Input, error) {
	paths := []string{k.p.path("configs", "kernels.toml")}
	for _, a := range k.p.Settings.Archs {
		paths = append(paths, k.fragments(a)...)
	}
	var all []proof.Input
	seen := map[string]bool{}
	for _, path := range paths {
		sum, err := hashOf(path)
		if err != nil {
			return nil, fault.New(fault.Machine, "run the same again", "hash what went in: %w", err)
		}
		if !seen[path] {
			all = append(all, proof.Input{Name: k.p.short(path), SHA256: sum})
		}
		seen[path] = true
	}
	program, err := k.p.program()
	return append(all, proof.Input{Name: "bzmage", SHA256: program}), err
}

// writeNotes writes the notes of the release beside its folder.
func (r *releasing) writeNotes(bundle bundle, rep report.Report, path string) error {
	patches, err := notes.FromFolder(r.p.path(r.line.Patches))
	if err != nil {
		return err
	}
	p := notes.Params{Now: bundle.rel, Patches: patches, Configs: bundle.configs, Verdicts: rep.Verdicts, Before: r.before}
	p.Verify.Address = r.place.Web
	if r.key != nil {
		p.Verify.Kind, p.Verify.Keys, p.Verify.Signer = r.key.Kind, []string{r.key.ID}, r.key.Who
		if p.Verify.Signer == "" {
			p.Verify.Signer = "releaser" // who it is stands beside the key in a file of allowed signers
		}
		p.Verify.Signature, p.Verify.Public = proof.Sums+r.key.Suffix(), "configs/keys/release/"+r.key.PublicName()
	}
	var text strings.Builder
	if err := notes.Write(&text, p); err != nil {
		return err
	}
	return writeFile(path, []byte(text.String()))
}

// makePackages packs what was built, for a second build to compare.
func makePackages(ctx context.Context, k *kernel) ([]string, error) {
	dir := k.p.build("packages", k.src.Line.Name)
	rel, _, err := k.document(&releasing{p: k.p, line: k.src.Line})
	if err != nil {
		return nil, err
	}
	targets, err := each(ctx, k.p, func(ctx context.Context, a arch.Arch) (dist.Target, error) {
		b, err := k.build(ctx, a)
		if err != nil {
			return dist.Target{}, err
		}
		return k.distTarget(ctx, a, b)
	})
	if err != nil {
		return nil, err
	}
	p, err := k.distParams(ctx, rel, dir)
	if err != nil {
		return nil, err
	}
	p.Targets = targets
	_, err = dist.Make(ctx, p)
	return []string{k.p.short(dir)}, err
}
