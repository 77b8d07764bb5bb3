// Package dist makes the files of a release: in go built targets, the series
// and the source's manifest, out comes a folder of files and the list of them
// by hash. It knows no git, signs nothing and publishes nothing.
//
// The same inputs give the same bytes whatever the clock, the user, the umask,
// the host, the folder and the number of CPUs: every archive is written here,
// sorted, owned by root, with one date, by one thread.
package dist

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"bzmage/internal/arch"
	"bzmage/internal/build"
	"bzmage/internal/fault"
	"bzmage/internal/release"
	"bzmage/internal/series"
)

// Target is one built kernel.
type Target struct {
	Arch    arch.Arch
	Build   build.Result // what make left; each file must still have its hash
	Root    string       // what Install filled; empty: no modules and no device trees
	BuildID string       // that the guest said; vmlinux must have it. Empty: not checked
}

// Params is what a release is made of.
type Params struct {
	Dir      string // the folder to make; files of an earlier run are gone afterwards
	Base     string // the kernel release below the series, 5.4.302: the packages' version
	Revision string // the packages' revision, which later releases must have a greater one of; empty: Time as 202611231200
	Time     time.Time
	Targets  []Target

	SeriesFolder string
	Status       series.Report // of that very series
	Source       release.Source
	Reports      map[string]string // more files by name, such as verdicts: where each lies

	Maintainer  string // Name <address>
	URL         string // of the project; may be empty
	Description string // one line on what these kernels are
}

var (
	reName       = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~-]{0,63}$`) // UTS_RELEASE has 64 bytes
	reRevision   = regexp.MustCompile(`^[0-9][A-Za-z0-9.+~]*$`)
	reMaintainer = regexp.MustCompile(`^[^<>\x00-\x1f]+ <[^<>\s]+>$`)
	reLine       = regexp.MustCompile(`^[^\x00-\x1f]+$`)
	reNotInName  = regexp.MustCompile(`[^A-Za-z0-9._-]`)
)

// Make makes the files of a release in p.Dir, which changes in one step, and
// returns them sorted by name. A kernel that is not the one that was built is
// an error, and leaves the folder as it was.
func Make(ctx context.Context, p Params) ([]release.File, error) {
	p.Time = p.Time.UTC().Truncate(time.Second)
	p.Revision = cmp.Or(p.Revision, p.Time.Format("200601021504"))
	if err := p.check(); err != nil {
		return nil, err
	}
	fresh := p.Dir + ".new"
	if err := errors.Join(os.RemoveAll(fresh), os.MkdirAll(fresh, 0o755), os.Chmod(fresh, 0o755)); err != nil {
		return nil, machine(err)
	}
	w := &writer{ctx: ctx, dir: fresh}
	err := p.fill(w)
	if err == nil {
		err = machine(errors.Join(syncDir(fresh), build.Swap(fresh, p.Dir), syncDir(filepath.Dir(p.Dir))))
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(fresh))
	}
	slices.SortFunc(w.files, func(a, b release.File) int { return strings.Compare(a.Name, b.Name) })
	return w.files, nil
}

// check refuses what would give packages that nobody can install.
func (p Params) check() error {
	if len(p.Targets) == 0 {
		return fault.New(fault.Internal, "", "package: no kernels")
	}
	for what, bad := range map[string]bool{
		"base release " + p.Base:    !reName.MatchString(p.Base),
		"revision " + p.Revision:    !reRevision.MatchString(p.Revision),
		"maintainer":                !reMaintainer.MatchString(p.Maintainer),
		"description":               !reLine.MatchString(p.Description),
		"URL":                       p.URL != "" && !reLine.MatchString(p.URL),
		"time before 1970":          p.Time.Unix() < 0,
		"uname of the first kernel": !reName.MatchString(p.Targets[0].Build.Release),
	} {
		if bad {
			return fault.New(fault.Usage, "", "package: this %s will not do", fmt.Sprintf("%q", what))
		}
	}
	seen := map[string]bool{}
	for _, t := range p.Targets {
		id := t.Build.Release + " " + t.Arch.Name
		if t.Build.Arch != t.Arch.Name || seen[id] || !reName.MatchString(t.Build.Release) {
			return fault.New(fault.Usage, "give each flavour a localversion of its own in configs/kernels.toml",
				"package: there is another kernel %q for %s, or it is for another arch", t.Build.Release, t.Arch.Name)
		}
		seen[id] = true
	}
	return nil
}

// fill writes all files.
func (p Params) fill(w *writer) error {
	for _, t := range p.Targets {
		if err := p.target(w, t); err != nil {
			return fmt.Errorf("package %s for %s: %w", t.Build.Release, t.Arch.Name, err)
		}
	}
	uname := p.Targets[0].Build.Release
	if err := p.patches(w, uname); err != nil {
		return err
	}
	text, err := json.MarshalIndent(p.Source, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if err := w.add("source-"+uname+".json", release.Manifest, "", bytesTo(text)); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(p.Reports)) {
		if err := w.add(name, release.Report, "", fileTo(p.Reports[name], "")); err != nil {
			return err
		}
	}
	return nil
}

// target writes the files of one kernel.
func (p Params) target(w *writer, t Target) error {
	content, err := t.content()
	if err != nil {
		return err
	}
	debug, err := t.debug()
	if err != nil {
		return err
	}
	uname, a := t.Build.Release, t.Arch.Name
	pkg := p.pack(t, content)
	image, _ := t.Build.File(t.Build.Image)
	config, _ := t.Build.File("config")
	return errors.Join(
		w.add(image.Name+"-"+uname+"-"+a, release.Image, a, fileTo(t.Build.Path(image.Name), image.SHA256)),
		w.add("config-"+uname+"-"+a, release.Config, a, fileTo(t.Build.Path("config"), config.SHA256)),
		w.add("linux-"+uname+"-"+a+".tar.zst", release.Archive, a, archiveTo(content, p.Time)),
		w.add("linux-"+uname+"-"+a+"-debug.tar.zst", release.Debug, a, archiveTo(debug, p.Time)),
		w.add(pkg.Name+"_"+pkg.full()+"_"+t.Arch.GOARCH+".deb", release.PackageFile, a, pkg.deb),
		w.add(pkg.Name+"-"+pkg.full()+"."+pkg.rpmArch()+".rpm", release.PackageFile, a, pkg.rpm),
	)
}

// writer makes files in a folder, and keeps the list of them.
type writer struct {
	ctx   context.Context
	dir   string
	files []release.File
}

// add makes a file of what fill writes. A name keeps only what GitHub leaves
// as it is in the name of an asset.
func (w *writer) add(name, kind, arch string, fill func(io.Writer) error) (err error) {
	if err := w.ctx.Err(); err != nil {
		return context.Cause(w.ctx)
	}
	name = reNotInName.ReplaceAllString(name, ".")
	out, err := os.OpenFile(filepath.Join(w.dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return machine(err)
	}
	h, n := sha256.New(), counter(0)
	err = fill(io.MultiWriter(out, h, &n))
	if err = errors.Join(err, out.Chmod(0o644), out.Sync(), out.Close()); err != nil {
		return machine(fmt.Errorf("write %s: %w", name, err))
	}
	w.files = append(w.files, release.File{Name: name, Size: int64(n), SHA256: hex.EncodeToString(h.Sum(nil)), Kind: kind, Arch: arch})
	return nil
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// machine says that an error is this machine's fault, unless it is classified.
func machine(err error) error {
	if err == nil || errors.As(err, new(*fault.Error)) {
		return err
	}
	return fault.New(fault.Machine, "free some disk space", "package: %w", err)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
