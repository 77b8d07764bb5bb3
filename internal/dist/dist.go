// Package dist packs built kernels for those who install them: a raw image,
// a config, an archive, a deb and an rpm for each target, its vmlinux apart,
// and once the series and the manifest of the source.
//
// In go built targets; out comes a folder of files, the same bytes from the
// same inputs, and a list of them. The folder changes in one step.
package dist

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"bzmage/internal/arch"
	"bzmage/internal/build"
	"bzmage/internal/fault"
	"bzmage/internal/plain"
	"bzmage/internal/release"
)

// Target is a built kernel to pack.
type Target struct {
	Arch    arch.Arch
	Built   build.Result
	BuildID string // of vmlinux; empty: it has none
	Root    string // what [Install] filled
}

// Params is what a folder is made of.
type Params struct {
	Dir      string // the folder to make; what is there is replaced
	Name     string // uname -r of the kernels
	Base     string // the kernel release below the series
	Revision string // goes up with each commit, so that a package of a later one is newer: digits
	Time     time.Time
	Targets  []Target
	Source   release.Source
	Series   string            // the folder of the series
	Status   []release.Patch   // what became of each patch
	Reports  map[string]string // more files, by name: where they lie
	URL      string            // where the project is; may be empty
}

// Make makes the folder and returns its files, sorted by name.
func Make(ctx context.Context, p Params) ([]release.File, error) {
	if p.Time.Unix() < 0 || p.Name == "" || len(p.Targets) == 0 {
		return nil, fault.New(fault.Internal, "", "pack: no name, no targets, or a time before 1970")
	}
	fresh := p.Dist("new")
	if err := errors.Join(os.RemoveAll(fresh), os.MkdirAll(fresh, 0o755)); err != nil {
		return nil, machine(err)
	}
	m := maker{p: p, dir: fresh}
	for _, t := range p.Targets {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		if err := m.target(t); err != nil {
			return nil, machine(err)
		}
	}
	if err := errors.Join(m.series(), m.source(), m.reports()); err != nil {
		return nil, machine(err)
	}
	slices.SortFunc(m.files, func(a, b release.File) int { return strings.Compare(a.Name, b.Name) })
	if err := os.RemoveAll(p.Dir); err != nil {
		return nil, machine(err)
	}
	return m.files, machine(os.Rename(fresh, p.Dir))
}

// Dist returns the name of a folder beside the one to make.
func (p Params) Dist(suffix string) string { return p.Dir + "." + suffix }

func machine(err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Machine, "free some disk space, or look at who owns the build folder", "pack: %w", err)
}

// maker makes the files of a folder.
type maker struct {
	p     Params
	dir   string
	files []release.File
}

// target makes the files of one target.
func (m *maker) target(t Target) error {
	image, name := t.Built.Image, m.p.Name
	tree, err := m.installed(t)
	if err != nil {
		return err
	}
	debug := m.debug(t)
	stem := "linux-" + name + "-" + t.Arch.Name
	return errors.Join(
		m.copy(image+"-"+name+"-"+t.Arch.Name, release.Image, t, t.Built.Path(image)),
		m.copy("config-"+name+"-"+t.Arch.Name, release.Config, t, t.Built.Path("config")),
		m.write(stem+".tar.zst", release.Archive, t.Arch.Name, func(w io.Writer) error { return writeTar(w, tree, m.p.Time) }),
		m.write(stem+"-debug.tar.zst", release.Debug, t.Arch.Name, func(w io.Writer) error { return writeTar(w, debug, m.p.Time) }),
		m.write(m.debName(t), release.PackageFile, t.Arch.Name, func(w io.Writer) error { return m.deb(w, t, tree) }),
		m.write(m.rpmName(t), release.PackageFile, t.Arch.Name, func(w io.Writer) error { return m.rpm(w, t, tree) }),
	)
}

func (m *maker) copy(name, kind string, t Target, from string) error {
	return m.write(name, kind, t.Arch.Name, func(w io.Writer) error { return copyFrom(w, from) })
}

func copyFrom(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() // only read
	_, err = io.Copy(w, f)
	return err
}

// write makes one file and notes its hash.
func (m *maker) write(name, kind, archName string, f func(io.Writer) error) error {
	out, err := os.OpenFile(filepath.Join(m.dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	h := sha256.New()
	count := &counter{w: io.MultiWriter(out, h)}
	err = f(count)
	if err = errors.Join(err, out.Chmod(0o644), out.Sync(), out.Close()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	m.files = append(m.files, release.File{Name: name, Size: count.n, SHA256: hex.EncodeToString(h.Sum(nil)), Kind: kind, Arch: archName})
	return nil
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// series packs the folder of the series, and what is known of its patches.
func (m *maker) series() error {
	top := "patches-" + m.p.Name
	var list []entry
	err := filepath.WalkDir(m.p.Series, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(m.p.Series, path)
		list = append(list, entry{Path: top + "/" + filepath.ToSlash(rel), Mode: 0o644, From: path})
		return err
	})
	if err != nil {
		return err
	}
	table, err := m.status()
	if err != nil {
		return err
	}
	for name, text := range table {
		list = append(list, entry{Path: top + "/" + name, Mode: 0o644, Text: text})
	}
	return m.write(top+".tar.zst", release.Patches, "", func(w io.Writer) error { return writeTar(w, list, m.p.Time) })
}

// status is the table of the series, for people and for programs.
func (m *maker) status() (map[string][]byte, error) {
	text, err := json.MarshalIndent(m.p.Status, "", "  ")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "PATCH\tSTATE\tSHA256\tSUBJECT")
	for _, p := range m.p.Status {
		fmt.Fprintf(tw, "%s\t%s\t%.12s\t%s\n", plain.Line(p.Name, 200), p.State, p.SHA256, plain.Line(p.Subject, 200))
	}
	err = tw.Flush()
	return map[string][]byte{"status.json": append(text, '\n'), "status.txt": b.Bytes()}, err
}

func (m *maker) source() error {
	text, err := json.MarshalIndent(m.p.Source, "", "  ")
	if err != nil {
		return err
	}
	return m.write("source-"+m.p.Name+".json", release.Manifest, "", func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
}

func (m *maker) reports() error {
	for name, path := range m.p.Reports {
		if err := m.write(name, release.Report, "", func(w io.Writer) error { return copyFrom(w, path) }); err != nil {
			return err
		}
	}
	return nil
}
