package pipeline

import (
	"context"
	"os"
	"time"

	"bzmage/internal/arch"
	"bzmage/internal/boot"
	"bzmage/internal/build"
	"bzmage/internal/dist"
	"bzmage/internal/fault"
	"bzmage/internal/fetch"
	"bzmage/internal/patch"
	"bzmage/internal/proof"
	"bzmage/internal/release"
	"bzmage/internal/report"
	"bzmage/internal/tools"
)

// bundle is a release that lies in a folder, without what proves it.
type bundle struct {
	rel     release.Release
	configs map[string][]byte // by arch
}

// pack puts the files of the targets that passed into the folder dir.
func (k *kernel) pack(ctx context.Context, r *releasing, rep report.Report, dir string) (bundle, error) {
	res := bundle{configs: map[string][]byte{}}
	rel, revision, err := k.document(r)
	if err != nil {
		return res, err
	}
	targets, err := each(ctx, k.p, func(ctx context.Context, a arch.Arch) (packTarget, error) { return k.packTarget(ctx, a, rep) })
	if err != nil {
		return res, err
	}
	p := k.distParams(rel, dir)
	p.Revision, p.Reports, p.URL = revision, k.reportFiles(), r.place.Web
	for _, t := range targets {
		rel.Targets = append(rel.Targets, t.target)
		p.Targets = append(p.Targets, t.dist)
		text, err := os.ReadFile(t.dist.Built.Path("config"))
		if err != nil {
			return res, fault.New(fault.Machine, "run the same again", "read a config: %w", err)
		}
		res.configs[t.target.Arch] = text
	}
	rel.Files, err = dist.Make(ctx, p)
	res.rel = rel
	return res, err
}

// distParams says how the kernels are bundle; its revision is that of the
// series.
func (k *kernel) distParams(rel release.Release, dir string) dist.Params {
	return dist.Params{
		Dir: dir, Name: rel.Name, Base: rel.Base, Revision: revisionOf(rel.Time), Time: rel.Time, Source: rel.Source,
		Series: k.p.path(k.src.Line.Patches), Status: rel.Patches,
	}
}

// revisionOf makes the revision of packages of a date: digits that grow.
func revisionOf(date time.Time) string { return date.UTC().Format("20060102150405") }

// document is the release without its targets and files, and the revision of
// its packages: that of the commit, so that those of a later one are newer.
func (k *kernel) document(r *releasing) (release.Release, string, error) {
	rel := release.Release{
		Tag: r.tag, Line: k.src.Line.Name, Base: k.src.Tree.Release, Name: k.src.Tree.Release + k.src.Line.LocalVersion,
		Commit: r.state.Commit, Time: k.time().UTC().Truncate(time.Second), Source: k.sourceManifest(), Series: k.src.Series.Digest,
		Patches: []release.Patch{},
	}
	for _, a := range k.src.Series.Patches {
		text, err := os.ReadFile(k.p.path(k.src.Line.Patches, a.Name))
		if err != nil {
			return rel, "", fault.New(fault.Machine, "run the same again", "read a patch: %w", err)
		}
		state := patch.Clean
		if a.Offset != 0 {
			state = patch.Offset
		}
		rel.Patches = append(rel.Patches, release.Patch{Name: a.Name, Subject: a.Subject, State: string(state), Files: a.Files}.Describe(text))
	}
	if r.state.CommitTime.IsZero() {
		return rel, revisionOf(rel.Time), nil
	}
	return rel, revisionOf(r.state.CommitTime), nil
}

// sourceManifest says where the source came from. What is pinned or signed by
// a developer is the same bytes from wherever: it is named as kernel.org names
// it, so that the manifest does not depend on which mirror answered.
func (k *kernel) sourceManifest() release.Source {
	a := k.src.Tree.Archive
	s := release.Source{Release: k.src.Tree.Release, SHA256: a.SHA256, From: a.Source, Origin: a.Origin, Proofs: a.Proofs, SignedBy: a.SignedBy}
	if address := k.p.File.Address(k.src.Line, k.src.Tree.Release); address != "" && (a.Has(fetch.Pinned) || a.Has(fetch.TarSigned)) {
		s.From, s.Origin = "kernel.org", address
	}
	if a.Folder {
		s.Origin = "a folder" // whose path says nothing to anybody else
	}
	return s
}

// packTarget is a target as release.json has it, and as it is bundle.
type packTarget struct {
	target release.Target
	dist   dist.Target
}

// packTarget returns what is to be bundle of one target. Its image must be the
// one that the verdict is about.
func (k *kernel) packTarget(ctx context.Context, a arch.Arch, rep report.Report) (packTarget, error) {
	b, err := k.build(ctx, a) // keeps what is there
	if err != nil {
		return packTarget{}, err
	}
	var v boot.Verdict
	for _, each := range rep.Verdicts {
		if each.Arch == a.Name {
			v = each
		}
	}
	image, _ := b.File(b.Image)
	if v.Verdict != boot.Pass || v.SHA256["image"] != image.SHA256 || image.SHA256 == "" {
		return packTarget{}, fault.New(fault.NoVerdict, "KERNEL="+k.src.Line.Name+" go tool mage verify",
			"%s has no passing verdict for the image %s of sha256 %s", k.p.target(a), k.p.short(b.Path(b.Image)), image.SHA256)
	}
	packing, err := k.distTarget(ctx, a, b)
	if err != nil {
		return packTarget{}, err
	}
	packages, err := k.toolPackages(ctx, a)
	if err != nil {
		return packTarget{}, err
	}
	config, _ := b.File("config")
	pass, _, _ := v.Counts()
	t := release.Target{
		Arch: a.Name, Flavour: k.p.Settings.Flavour, Toolchain: k.p.Settings.Toolchain.String(), Image: b.Image, SHA256: image.SHA256,
		Config: config.SHA256, BuildID: v.BuildID, Compiler: b.Toolchain.Compiler, Linker: b.Toolchain.Linker,
		Packages: packages, Verdict: v.Verdict, Checks: pass,
	}
	return packTarget{t, packing}, nil
}

// distTarget installs what a kernel has beside its image, to be bundle with it.
func (k *kernel) distTarget(ctx context.Context, a arch.Arch, b build.Result) (dist.Target, error) {
	t := dist.Target{Arch: a, Built: b, BuildID: buildID(b.Path("vmlinux")), Root: k.out("root", k.p.target(a))}
	log, err := k.p.log(k.src.Line.Name, "install-"+k.p.target(a))
	if err != nil {
		return t, err
	}
	return t, dist.Install(ctx, dist.InstallParams{Make: k.make(a), Config: b.Path("config"), Name: b.Release, Root: t.Root, Log: log})
}

// toolPackages returns the distribution's packages that the target is built with.
func (k *kernel) toolPackages(ctx context.Context, a arch.Arch) ([]release.Package, error) {
	found, err := tools.Look(ctx, tools.Of(tools.Table([]arch.Arch{a}, k.p.Settings.Toolchain), tools.ForBuild), k.p.Settings.Toolchain.HostCompiler())
	if err != nil {
		return nil, err
	}
	var programs []string
	for _, f := range found {
		if f.Path != "" {
			programs = append(programs, f.Path)
		}
	}
	return proof.Packages(ctx, programs)
}

// reportFiles are the reports that go into a release, by the name they have there.
func (k *kernel) reportFiles() map[string]string {
	files := map[string]string{}
	for _, name := range []string{"verdict.json", "verdict.schema.json", "junit.xml", "verdict.ktap"} {
		files[name] = k.p.build("reports", k.src.Line.Name, name)
	}
	for _, a := range k.p.Settings.Archs {
		name := k.p.consoleName(a)
		files[name] = k.p.build("reports", k.src.Line.Name, name)
	}
	return files
}
