package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/renameio/v2"
	"github.com/hashicorp/go-version"

	"bzmage/internal/fault"
	"bzmage/internal/fetch"
	"bzmage/internal/kernels"
	"bzmage/internal/keyring"
	"bzmage/internal/unpack"
)

// KernelsList prints each line: what is pinned, what kernel.org has, and what
// is proved; and the keys that prove it.
func (p Project) KernelsList(ctx context.Context, out io.Writer) error {
	known, err := p.releases(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		p.UI.Log.Infof("kernel.org's list of releases cannot be had: %s", strings.Join(strings.Fields(err.Error()), " "))
	}
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "LINE\tPINNED\tNEWEST\tEND OF LIFE\tDEMANDED\tPROVED")
	for _, l := range p.File.Lines {
		newest, eol := p.newest(l, known)
		if err != nil {
			newest = "?"
		}
		demand := strings.Join(l.Demand, ", ")
		if demand == "" {
			demand = kernels.Pinned + ", " + kernels.TarSigned + " if to be had"
		}
		row(tw, l.Name, l.Release, newest, eol, demand, p.made(l))
	}
	fmt.Fprintln(tw, "\nKEY\tSIGNS\tFINGERPRINT\tSTATE")
	for _, k := range p.Keys.List {
		row(tw, k.Name, ringText(k.Ring), k.Fingerprint, keyState(k))
	}
	return tw.Flush()
}

// releases asks the sources of the lines for kernel.org's releases.json.
func (p Project) releases(ctx context.Context) ([]fetch.Known, error) {
	var errs []error
	for _, l := range p.File.Lines {
		params := p.fetchParams(l)
		params.Fresh = len(errs) == 0
		known, err := fetch.Releases(ctx, params)
		if err == nil || ctx.Err() != nil {
			return known, err
		}
		errs = append(errs, err)
	}
	return nil, errs[0]
}

// newest returns what kernel.org has of a line, and whether it is alive.
func (p Project) newest(l kernels.Line, known []fetch.Known) (release, eol string) {
	release, eol = "not listed", l.EOL
	if eol == "" {
		eol = "?"
	}
	for _, k := range known {
		if l.Check(k.Version) != nil {
			continue
		}
		release = k.Version
		switch {
		case l.EOL == "" && k.EOL:
			eol = "yes"
		case l.EOL == "":
			eol = "no"
		}
		return release, eol
	}
	if len(known) > 0 && l.EOL == "" {
		eol = "yes, or never released"
	}
	return release, eol
}

// made says which proofs were made of the line's trees.
func (p Project) made(l kernels.Line) string {
	var all []string
	for _, t := range unpack.Trees(p.build("tree", l.Name)) {
		text := t.Release + ": " + strings.Join(orNone(t.Archive.Proofs), ", ")
		if !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	if len(all) == 0 {
		return "not unpacked yet"
	}
	return strings.Join(all, "; ")
}

func ringText(ring string) string {
	if ring == keyring.Sums {
		return "lists of sha256"
	}
	return "releases"
}

func keyState(k keyring.Key) string {
	switch {
	case k.Problem != "":
		return k.Problem
	case k.Expires.IsZero():
		return "good"
	}
	return "good until " + k.Expires.Format(time.DateOnly)
}

// keyFindings says which keys cannot be used. A line can be built without
// them, from its pin.
func (p Project) keyFindings() []finding {
	var all []finding
	for _, k := range p.Keys.List {
		all = append(all, finding{what: "key of " + k.Name, has: keyState(k) + ", for " + ringText(k.Ring), ok: k.Problem == "", advice: true})
	}
	return all
}

var reRelease = regexp.MustCompile(`^[0-9]{1,3}\.[0-9]{1,4}(\.[0-9]{1,4})?$`)

// KernelsPin pins a release, or the newest one that a constraint such as
// "~> 5.4.0" allows: its archive is fetched and all demanded proofs are made,
// and only then are the two values in kernels.toml replaced.
func (p Project) KernelsPin(ctx context.Context, want string, out io.Writer) error {
	release, err := p.wanted(ctx, want)
	if err != nil {
		return err
	}
	line, err := p.lineOf(release)
	if err != nil {
		return err
	}
	line.Release = release
	p.UI.Log.Infof("line %s: getting linux %s", line.Name, release)
	params := p.fetchParams(line)
	params.Progress = p.progress("fetch", "fetched")
	a, err := fetch.Candidate(ctx, params)
	p.UI.Progress("fetch", "")
	if err != nil {
		return err
	}
	if a.Signature != "" {
		line.SHA256 = a.SHA256
		a, err = unpack.CheckSignature(ctx, unpack.Params{
			Archive: a, Line: line, Dir: p.build("tree", line.Name), Keys: p.Keys.Ring(keyring.Developers),
			Log: p.UI.Log, Progress: p.progress("check", "checked"),
		})
		p.UI.Progress("check", "")
		if err != nil {
			return err
		}
	}
	return p.writePin(line, a, out)
}

// writePin replaces the two values of the line, if the archive was proved.
func (p Project) writePin(line kernels.Line, a fetch.Archive, out io.Writer) error {
	if !a.Has(fetch.SumsSigned) && !a.Has(fetch.TarSigned) {
		return fault.New(fault.Source, "", "nothing but the server says that %s is linux %s", a.Origin, line.Release)
	}
	if !a.Has(fetch.Pinned) {
		a.Proofs = append([]string{fetch.Pinned}, a.Proofs...) // by what is written now
	}
	if err := p.proved(line, a); err != nil {
		return err
	}
	path := p.path("configs", "kernels.toml")
	info, err := os.Stat(path)
	if err != nil {
		return fault.New(fault.Usage, "", "pin: %w", err)
	}
	// It is read only now: somebody may have edited it meanwhile.
	old, err := os.ReadFile(path)
	if err != nil {
		return fault.New(fault.Usage, "", "pin: %w", err)
	}
	text, err := kernels.Pin(string(old), line.Name, line.Release, a.SHA256)
	if err != nil {
		return fault.New(fault.Usage, fmt.Sprintf("release = %q, sha256 = %q", line.Release, a.SHA256), "%s: %w", path, err)
	}
	if text == string(old) {
		_, err = fmt.Fprintf(out, "line %s is pinned to %s already\n", line.Name, line.Release)
		return err
	}
	if err := renameio.WriteFile(path, []byte(text), info.Mode().Perm(), renameio.IgnoreUmask()); err != nil {
		return fault.New(fault.Machine, "make "+path+" writable", "pin: %w", err)
	}
	_, err = fmt.Fprintf(out, "line %s: %s, sha256 %s (%s)\n", line.Name, line.Release, a.SHA256, strings.Join(a.Proofs, ", "))
	return err
}

// lineOf returns the line a release belongs to.
func (p Project) lineOf(release string) (kernels.Line, error) {
	for _, l := range p.File.Lines {
		if l.Check(release) == nil {
			return l, nil
		}
	}
	major, rest, _ := strings.Cut(release, ".")
	minor, _, _ := strings.Cut(rest, ".")
	name := major + "." + minor
	return kernels.Line{}, fault.New(fault.Usage, "add this to configs/kernels.toml, and a series to patches/"+name+":\n\n"+kernels.Block(name, release),
		"linux %s belongs to no line of configs/kernels.toml; there are %s", release, strings.Join(p.File.LineNames(), ", "))
}

// wanted returns the release that the user asks for by name or by constraint.
func (p Project) wanted(ctx context.Context, want string) (string, error) {
	if reRelease.MatchString(want) {
		return want, nil
	}
	constraint, err := version.NewConstraint(want)
	if err != nil {
		return "", fault.New(fault.Usage, `mage kernels:pin 5.4.301, or mage kernels:pin "~> 5.4.0"`, "%q is neither a release nor a constraint: %w", want, err)
	}
	known, errKnown := p.releases(ctx)
	var names []string
	for _, k := range known {
		names = append(names, k.Version)
	}
	ours := func(release string) bool { _, err := p.lineOf(release); return err == nil }
	if release := fetch.NewestOf(names, constraint, ours); release != "" {
		return release, nil
	}
	// A line at its end of life is in no releases.json, but in the lists.
	names = nil
	errs := []error{errKnown}
	for _, l := range p.File.Lines {
		listed, err := fetch.Listed(ctx, p.fetchParams(l))
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		if names = append(names, listed...); err != nil && len(errs) == 1 {
			errs = append(errs, err) // the others say the same
		}
	}
	if release := fetch.NewestOf(names, constraint, ours); release != "" {
		return release, nil
	}
	reason := errors.Join(errs...)
	if reason == nil {
		reason = errors.New("releases.json and the signed lists have none")
	}
	return "", fault.New(fault.Source, "name the release: mage kernels:pin "+p.File.Lines[0].Release,
		"no release of lines %s is known that %q allows:\n%w", strings.Join(p.File.LineNames(), ", "), want, reason)
}
