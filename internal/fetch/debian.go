package fetch

import (
	"archive/tar"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"bzmage/internal/fault"
	"bzmage/internal/fetch/disk"
	"bzmage/internal/fetch/pipe"
	"bzmage/internal/run"
)

// aptSilence ends an apt-get that says nothing for this long.
const aptSilence = 3 * time.Minute

// packageIndex is the index of the store that this source keeps.
const packageIndex = "package"

// installedIndex is the index with the sha256 of what dpkg has the md5 of.
const installedIndex = "installed"

var (
	rePackage  = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)
	reUpstream = regexp.MustCompile(`^[0-9]{1,4}(\.[0-9]{1,4}){1,3}$`)
)

// errNoDpkg says that this machine's distribution is not Debian's family.
var errNoDpkg = errors.New("this machine has no dpkg and apt")

// debianPaths is where dpkg and apt keep things.
type debianPaths struct {
	root  string   // in which usr/src lies
	admin string   // dpkg's database
	apt   []string // options for apt-get and apt-cache
}

func defaultDebianPaths() debianPaths { return debianPaths{root: "/", admin: "/var/lib/dpkg"} }

// packageSource takes the tarball out of Debian's linux-source-X.Y: the
// installed package's, else that of the package apt would install, which is
// downloaded into the cache without being installed.
type packageSource struct {
	*fetcher
	name string
}

// tarball is the file of the package, as a path below the root.
func (s *packageSource) tarball() string { return "usr/src/" + s.Line.Package + ".tar.xz" }

func (s *packageSource) available(ctx context.Context) error {
	if v, err := s.installed(ctx); err == nil && s.accepts(v) == nil {
		if _, err := os.Stat(filepath.Join(s.debian.root, s.tarball())); err == nil {
			return nil
		}
	}
	v, err := s.candidate(ctx)
	if err == nil && s.Offline {
		err = errOffline
		if r, ok := s.store.lookup(packageIndex, s.Line.Package+"="+v); ok {
			_, err = s.store.find(r.SHA256)
		}
	}
	return err
}

func (s *packageSource) fetch(ctx context.Context) (Archive, error) {
	v, err := s.installed(ctx)
	if err == nil {
		err = s.accepts(v)
	}
	if err == nil {
		a, err := s.fromInstalled(ctx, v)
		if err == nil || ctx.Err() != nil {
			return a, err
		}
		s.Log.Warnf("installed package %s: %v; downloading it", s.Line.Package, err)
	}
	if v, err = s.candidate(ctx); err != nil {
		return Archive{}, err
	}
	return s.fromApt(ctx, v)
}

// accepts says whether the line takes the package's release.
func (s *packageSource) accepts(version string) error {
	release, err := upstream(version)
	if err != nil {
		return err
	}
	return s.Line.Accepts(release)
}

// upstream returns the release in a Debian version, [epoch:]release[-revision]
// (deb-version(7)): 6.1.192-2 is of 6.1.192.
func upstream(version string) (string, error) {
	_, rest, ok := strings.Cut(version, ":")
	if !ok {
		rest = version
	}
	if i := strings.LastIndexByte(rest, '-'); i >= 0 {
		rest = rest[:i]
	}
	if !reUpstream.MatchString(rest) {
		return "", fmt.Errorf("package version %q names no kernel release", version)
	}
	return rest, nil
}

func (s *packageSource) archive(path, sum, version string) (Archive, error) {
	release, err := upstream(version)
	if err != nil {
		return Archive{}, err
	}
	return Archive{
		Path: path, Release: release, SHA256: sum,
		Source: s.name, Origin: s.Line.Package + "=" + version, Proofs: []string{AptSigned},
	}, nil
}

// output runs one of dpkg's or apt's programs.
func (s *packageSource) output(ctx context.Context, argv ...string) (string, error) {
	if !rePackage.MatchString(s.Line.Package) {
		return "", fault.New(fault.Usage, "correct package in kernels.toml", "%q is not a package name", s.Line.Package)
	}
	out, err := run.Output(ctx, run.Cmd{Argv: argv, Env: run.Env(), Silence: aptSilence})
	if errors.Is(err, exec.ErrNotFound) {
		return "", errNoDpkg
	}
	return out, err
}

func (s *packageSource) dpkgQuery(ctx context.Context, args ...string) (string, error) {
	return s.output(ctx, append([]string{"dpkg-query", "--admindir=" + s.debian.admin}, args...)...)
}

func (s *packageSource) apt(program string, args ...string) []string {
	argv := append([]string{program}, s.debian.apt...)
	return append(argv, args...)
}

// installed returns the version of the installed package.
func (s *packageSource) installed(ctx context.Context) (string, error) {
	out, err := s.dpkgQuery(ctx, "-W", "-f", `${db:Status-Abbrev} ${Version}\n`, s.Line.Package)
	if errors.Is(err, errNoDpkg) || ctx.Err() != nil {
		return "", err
	}
	// "ii": wanted and installed; "hi": held and installed.
	status, version, _ := strings.Cut(out, " ")
	if err != nil || status != "ii" && status != "hi" {
		return "", fmt.Errorf("package %s is not installed", s.Line.Package)
	}
	return strings.TrimSpace(version), nil
}

// fromInstalled delivers the installed tarball where it lies, once it has
// the md5 that dpkg recorded from the package that apt had verified.
func (s *packageSource) fromInstalled(ctx context.Context, version string) (Archive, error) {
	list, err := s.dpkgQuery(ctx, "--control-show", s.Line.Package, "md5sums")
	if err != nil {
		return Archive{}, fmt.Errorf("read its md5sums: %w", err)
	}
	want := ""
	for line := range strings.Lines(list) {
		if sum, name, _ := strings.Cut(strings.TrimRight(line, "\n"), "  "); name == s.tarball() {
			want = sum
		}
	}
	if want == "" {
		return Archive{}, fmt.Errorf("dpkg has no md5 of /%s", s.tarball())
	}
	file := filepath.Join(s.debian.root, s.tarball())
	if r, ok := s.store.lookup(installedIndex, version+" "+want); ok {
		// These bytes had the md5 when all of them were read.
		if sum, err := s.store.hashes.SumContext(ctx, file); err == nil && sum == r.SHA256 {
			return s.archive(file, sum, version)
		}
	}
	m, h := md5.New(), sha256.New()
	if err := readAll(ctx, file, io.MultiWriter(m, h)); err != nil {
		return Archive{}, err
	}
	if got := hexSum(m); got != want {
		return Archive{}, fmt.Errorf("%s has changed since it was installed: md5 %s, dpkg says %s", file, got, want)
	}
	if err := s.noteInstalled(ctx, file, version+" "+want, hexSum(h)); err != nil {
		return Archive{}, err
	}
	return s.archive(file, hexSum(h), version)
}

// noteInstalled remembers which sha256 goes with the md5 that dpkg has.
func (s *packageSource) noteInstalled(ctx context.Context, file, key, sum string) error {
	if s.Look {
		return nil
	}
	if _, err := s.store.hashes.SumContext(ctx, file); err != nil {
		return err
	}
	return s.store.remember(installedIndex, key, record{SHA256: sum, Origin: file})
}

// candidate returns the version that apt would install, if the line takes it.
func (s *packageSource) candidate(ctx context.Context) (string, error) {
	out, err := s.output(ctx, s.apt("apt-cache", "policy", s.Line.Package)...)
	if err != nil {
		return "", fmt.Errorf("ask apt for %s: %w", s.Line.Package, err)
	}
	version := ""
	for line := range strings.Lines(out) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "Candidate: "); ok && v != "(none)" {
			version = v
		}
	}
	if version == "" {
		return "", fault.New(fault.Source, "sudo apt-get update, or go tool mage setup", "apt knows no package %s", s.Line.Package)
	}
	return version, s.accepts(version)
}

// fromApt delivers the tarball of a version that is not installed.
func (s *packageSource) fromApt(ctx context.Context, version string) (Archive, error) {
	origin := s.Line.Package + "=" + version
	key := safeName(origin)
	if !s.Look {
		unlock, err := s.store.lock(ctx, key, s.lim)
		if err != nil {
			return Archive{}, err
		}
		defer unlock()
	}
	if r, path, err := s.store.recall(ctx, packageIndex, origin); err == nil {
		return s.archive(path, r.SHA256, version)
	}
	if s.Offline {
		return Archive{}, errOffline
	}
	scratch := filepath.Join(s.store.dir, "partial", key+".apt")
	if err := os.RemoveAll(scratch); err != nil { // a killed run's
		return Archive{}, err
	}
	if err := s.store.mkdir(scratch); err != nil {
		return Archive{}, err
	}
	defer os.RemoveAll(scratch)
	deb, err := s.download(ctx, origin, scratch)
	if err != nil {
		return Archive{}, err
	}
	file := filepath.Join(scratch, "tarball")
	sum, err := s.extract(ctx, deb, file)
	if err != nil {
		return Archive{}, disk.Classify(fmt.Errorf("take /%s out of %s: %w", s.tarball(), origin, err), s.store.dir)
	}
	name := s.Line.Package + "_" + strings.ReplaceAll(version, ":", "_") + ".tar.xz"
	path, err := s.store.put(file, sum, name)
	if err != nil {
		return Archive{}, err
	}
	if err := s.store.remember(packageIndex, origin, record{SHA256: sum, Origin: origin}); err != nil {
		return Archive{}, err
	}
	return s.archive(path, sum, version)
}

// download gets the .deb into the folder scratch. Apt checks it against its
// signed lists and takes no package that is in none.
func (s *packageSource) download(ctx context.Context, origin, scratch string) (string, error) {
	if err := s.room(ctx, origin); err != nil {
		return "", err
	}
	s.Log.Infof("downloading the package %s", origin)
	options := []string{"-q", "-o", "Acquire::Retries=2", "-o", "APT::Get::AllowUnauthenticated=false"}
	if os.Geteuid() == 0 {
		// Root's apt downloads as the user _apt, who may not write here.
		options = append(options, "-o", "APT::Sandbox::User=root")
	}
	argv := s.apt("apt-get", append(options, "download", origin)...)
	if err := run.Run(ctx, run.Cmd{Argv: argv, Dir: scratch, Env: run.Env(), Silence: aptSilence}); err != nil {
		return "", fault.New(fault.Source, "sudo apt-get update, then run the same again", "download the package %s: %w", origin, err)
	}
	debs, err := filepath.Glob(filepath.Join(scratch, "*.deb"))
	if err != nil || len(debs) != 1 {
		return "", fmt.Errorf("apt-get left %d packages where one was asked for", len(debs))
	}
	return debs[0], nil
}

// room makes sure that the .deb and the tarball in it, which is almost all
// of it, find room.
func (s *packageSource) room(ctx context.Context, origin string) error {
	out, err := s.output(ctx, s.apt("apt-cache", "show", origin)...)
	if err != nil {
		return fmt.Errorf("ask apt for %s: %w", origin, err)
	}
	for line := range strings.Lines(out) {
		if v, ok := strings.CutPrefix(line, "Size: "); ok {
			size, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			if err == nil && size < s.lim.maxBytes {
				return disk.Need(s.store.dir, 2*size+s.lim.reserve)
			}
		}
	}
	return disk.Need(s.store.dir, s.lim.reserve)
}

// extract copies the tarball out of a .deb and returns its sha256.
func (s *packageSource) extract(ctx context.Context, deb, to string) (string, error) {
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return "", err
	}
	defer out.Close()
	h := sha256.New()
	var size int64
	cmd := run.Cmd{Argv: []string{"dpkg-deb", "--fsys-tarfile", deb}, Env: run.Env()}
	err = pipe.Read(ctx, cmd, func(r io.Reader) error {
		files := tar.NewReader(r)
		for {
			head, err := files.Next()
			if errors.Is(err, io.EOF) {
				return errors.New("it is not there")
			}
			if err != nil {
				return err
			}
			if head.Typeflag == tar.TypeReg && path.Clean(head.Name) == s.tarball() {
				size, err = io.Copy(io.MultiWriter(out, h), io.LimitReader(files, s.lim.maxBytes))
				return err
			}
		}
	})
	if err == nil && size == s.lim.maxBytes {
		err = errors.New("it is larger than any kernel")
	}
	return hexSum(h), errors.Join(err, out.Close())
}
