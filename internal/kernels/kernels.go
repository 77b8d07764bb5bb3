// Package kernels reads configs/kernels.toml: the kernel lines bzmage can
// build, where their sources come from, and the flavours of their configs.
//
// The reading is strict: a key nobody reads, a line without patches, a source
// that is not described are errors that name the place.
package kernels

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-version"

	"bzmage/internal/fault"
	"bzmage/internal/strict"
)

// File is configs/kernels.toml.
type File struct {
	Lines    []Line             `toml:"line"`
	Sources  map[string]Source  `toml:"source"`
	Flavours map[string]Flavour `toml:"flavour"`
}

// Line is a kernel release line, such as 5.4.
type Line struct {
	Name         string   `toml:"name"`         // "5.4"
	Release      string   `toml:"release"`      // the pinned release, "5.4.302"
	SHA256       string   `toml:"sha256"`       // of linux-<release>.tar.xz as kernel.org publishes it
	EOL          string   `toml:"eol"`          // the day the line's end of life began, "2025-12-03"; empty: it has not, or releases.json knows
	Demand       []string `toml:"demand"`       // proofs an archive of the pinned release must have; see [Proofs]. Empty: pinned, and tar-signed where a signature can be had
	Accept       string   `toml:"accept"`       // releases a distribution may give instead, "~> 6.1.0"; empty: only the pinned one
	Sources      []string `toml:"sources"`      // names of sources, tried in this order
	Package      string   `toml:"package"`      // the distribution's package, "linux-source-6.1"
	Patches      string   `toml:"patches"`      // the folder of the series
	Base         string   `toml:"base"`         // the make target the fragments are laid over, "tinyconfig"
	Fragments    []string `toml:"fragments"`    // config fragments; {arch} stands for the arch
	LocalVersion string   `toml:"localversion"` // appended to the release, "-bzmage"
	Guest        Guest    `toml:"guest"`        // what it is booted in
}

// Source is a place kernels come from.
type Source struct {
	Kind       string   `toml:"kind"`       // cache, http, github or package
	URLs       []string `toml:"urls"`       // http: {release} and {major} are filled in; tried in order
	Releases   string   `toml:"releases"`   // http: address of kernel.org's releases.json; may be empty
	Repository string   `toml:"repository"` // github: owner/name
	API        string   `toml:"api"`        // github: base address of an Enterprise server; empty: github.com
}

// Flavour is a variant of a line's config.
type Flavour struct {
	Fragments []string  `toml:"fragments"` // laid over the line's
	Guest     Guest     `toml:"guest"`     // laid over the line's
	Coverage  *Coverage `toml:"coverage"`  // nil: the guest does not measure which lines of the series it runs
}

var (
	reName   = regexp.MustCompile(`^[0-9]+\.[0-9]+$`)
	reSHA256 = regexp.MustCompile(`^[0-9a-f]{64}$`)
	reWord   = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	reLocal  = regexp.MustCompile(`^(-[A-Za-z0-9.]+)*$`)
)

// Proofs that an archive of kernel.org can have; a line's demand names them.
const (
	Pinned     = "pinned"      // its sha256 is the line's
	SumsSigned = "sums-signed" // its sha256 is in kernel.org's signed list
	TarSigned  = "tar-signed"  // a developer signed its uncompressed tar
)

// Proofs are the words of demand.
func Proofs() []string { return []string{Pinned, SumsSigned, TarSigned} }

// SourceKinds are the kinds of source there are.
func SourceKinds() []string { return []string{"cache", "http", "github", "package"} }

// Load reads and checks the file at path. Its errors are the user's.
func Load(path string) (File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return File{}, fault.New(fault.Usage, "run mage in the top folder of a checkout", "read the kernel lines: %w", err)
	}
	f, err := Parse(string(text))
	if err != nil {
		return File{}, fault.New(fault.Usage, "correct "+path, "%s: %w", path, err)
	}
	return f, nil
}

// Parse reads the text of a kernels.toml and returns all that is wrong with it.
func Parse(text string) (File, error) {
	var f File
	errs, err := strict.Decode(text, &f)
	if err != nil {
		return File{}, err
	}
	if len(f.Lines) == 0 {
		errs = append(errs, errors.New("no [[line]]"))
	}
	seen := map[string]bool{}
	for _, l := range f.Lines {
		if seen[l.Name] {
			errs = append(errs, fmt.Errorf("line %s stands there twice", l.Name))
		}
		seen[l.Name] = true
		errs = append(errs, f.checkLine(l)...)
	}
	for name, s := range f.Sources {
		errs = append(errs, s.check(name)...)
	}
	for name, flavour := range f.Flavours {
		errs = append(errs, flavour.Guest.check(fmt.Sprintf("flavour %q", name))...)
		errs = append(errs, flavour.Coverage.check(name)...)
		if !reWord.MatchString(name) {
			errs = append(errs, fmt.Errorf("flavour %q: a name is small letters, digits and dashes", name))
		}
	}
	if _, ok := f.Flavours["release"]; !ok {
		errs = append(errs, errors.New("no [flavour.release], which is the default flavour"))
	}
	return f, errors.Join(errs...)
}

func (f File) checkLine(l Line) []error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("line %q: "+format, append([]any{l.Name}, args...)...))
	}
	if !reName.MatchString(l.Name) {
		bad("a name is MAJOR.MINOR, such as 5.4")
		return errs
	}
	if err := l.Check(l.Release); err != nil {
		bad("release: %v", err)
	}
	if !reSHA256.MatchString(l.SHA256) {
		bad("sha256 is 64 small hex digits, not %q", l.SHA256)
	}
	if l.Accept != "" {
		if _, err := version.NewConstraint(l.Accept); err != nil {
			bad("accept: %v", err)
		}
	}
	if _, err := time.Parse(time.DateOnly, l.EOL); l.EOL != "" && err != nil {
		bad("eol is a day such as 2025-12-03, not %q", l.EOL)
	}
	for i, d := range l.Demand {
		if !slices.Contains(Proofs(), d) || slices.Contains(l.Demand[:i], d) {
			bad("demand: %q is unknown or stands there twice; there are %s", d, strings.Join(Proofs(), ", "))
		}
	}
	for _, s := range l.Sources {
		src, ok := f.Sources[s]
		if !ok {
			bad("source %q is not described by a [source.%s]", s, s)
		}
		if src.Kind == "package" && l.Package == "" {
			bad("source %q needs a package", s)
		}
	}
	for field, v := range map[string]string{"patches": l.Patches, "base": l.Base} {
		if v == "" {
			bad("%s is missing", field)
		}
	}
	if len(l.Sources) == 0 {
		bad("sources is missing")
	}
	if !reLocal.MatchString(l.LocalVersion) {
		bad("localversion %q: it begins with - and holds letters, digits and dots", l.LocalVersion)
	}
	return append(errs, l.Guest.check(fmt.Sprintf("line %q", l.Name))...)
}

func (s Source) check(name string) []error {
	var errs []error
	if !slices.Contains(SourceKinds(), s.Kind) {
		errs = append(errs, fmt.Errorf("source %q: unknown kind %q; there are %s", name, s.Kind, strings.Join(SourceKinds(), ", ")))
	}
	if s.Kind == "http" && len(s.URLs) == 0 {
		errs = append(errs, fmt.Errorf("source %q: urls is missing", name))
	}
	if s.Kind == "github" && strings.Count(s.Repository, "/") != 1 {
		errs = append(errs, fmt.Errorf("source %q: repository is owner/name, not %q", name, s.Repository))
	}
	return errs
}

// Check says whether release belongs to the line.
func (l Line) Check(release string) error {
	v, err := version.NewVersion(release)
	if err != nil {
		return fmt.Errorf("%q is not a kernel release: %w", release, err)
	}
	c, err := version.NewConstraint("~> " + l.Name + ".0")
	if err != nil {
		return err
	}
	if !c.Check(v.Core()) {
		return fmt.Errorf("%s is not a release of line %s", release, l.Name)
	}
	return nil
}

// Accepts says whether a distribution may give release for the pinned one.
func (l Line) Accepts(release string) error {
	if release == l.Release {
		return nil
	}
	if err := l.Check(release); err != nil {
		return err
	}
	if l.Accept == "" {
		return fmt.Errorf("line %s is pinned to %s, not %s", l.Name, l.Release, release)
	}
	c, err := version.NewConstraint(l.Accept)
	if err != nil {
		return err
	}
	if v := version.Must(version.NewVersion(release)); !c.Check(v) {
		return fmt.Errorf("release %s is outside %q, which line %s accepts", release, l.Accept, l.Name)
	}
	return nil
}

// Line returns the line of that name.
func (f File) Line(name string) (Line, bool) {
	i := slices.IndexFunc(f.Lines, func(l Line) bool { return l.Name == name })
	if i < 0 {
		return Line{}, false
	}
	return f.Lines[i], true
}

// LineNames returns the names of the lines, in the file's order.
func (f File) LineNames() []string {
	var names []string
	for _, l := range f.Lines {
		names = append(names, l.Name)
	}
	return names
}

// FlavourNames returns the names of the flavours, sorted.
func (f File) FlavourNames() []string {
	var names []string
	for n := range f.Flavours {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
