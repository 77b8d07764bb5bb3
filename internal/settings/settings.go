// Package settings reads what the user set in the environment: the one place
// that does, but for secrets, which only the packages are to see that need
// them: tokens internal/fetch and internal/publish, keys internal/sign.
// [Table] documents it; the README prints that table.
package settings

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"bzmage/internal/arch"
	"bzmage/internal/ccache"
	"bzmage/internal/farm"
	"bzmage/internal/fault"
	"bzmage/internal/kernels"
	"bzmage/internal/toolchain"
)

// Settings are the user's choices, checked.
type Settings struct {
	Kernel       string      // name of a line; empty: the first that can be had
	Lines        []string    // names of lines that a pipeline is for; empty: all
	Archs        []arch.Arch // at least one
	Flavour      string
	Toolchain    toolchain.Toolchain
	Jobs         int
	Checks       Checks
	Bench        Bench
	KernelSource string // absolute path of a tarball or folder; empty: none
	Cache        string // folder for downloads, shared by all checkouts
	Offline      bool   // nothing is asked of any network
	CI           bool   // a missing tool is a failure, output is plain
	NoColor      bool
	CoverageMin  *float64   // percent of the series' lines; nil: what the flavour asks for
	Sharing      Sharing    // ccache and a farm
	Time         *time.Time // what is built says it was built then; nil: at the newest patch's date
}

// Row documents one setting.
type Row struct{ Name, Values, Default, Text string }

// Table returns the settings there are.
func Table() []Row {
	return []Row{
		{"KERNEL", "a line of configs/kernels.toml", "the first whose source can be had", "the kernel line; when set, no other is ever taken"},
		{"BZMAGE_LINES", "lines of configs/kernels.toml", "all", "the lines that `ci:matrix` makes jobs for"},
		{"ARCH", strings.Join(append(arch.Names(), "all"), ", "), "all", "what to build for"},
		{"FLAVOUR", "a flavour of configs/kernels.toml", "release", "the variant of the config"},
		{"TOOLCHAIN", toolchain.Values, "gcc", "what compiles the kernel, its host programs too"},
		{"PATCH_COVERAGE_MIN", "0 to 100", "the flavour's, in kernels.toml", "how many percent of the series' executable lines the checks must run"},
		{"JOBS", "1 or more", "the number of CPUs, more with a FARM", "how many commands run at once, over all arches"},
		{"CCACHE", "on, off, auto", "auto", "ccache before all compilers: auto where it is installed; its cache lies in bzmage/ccache"},
		{"CCACHE_REMOTE", ccache.RemoteValues, "none", "a cache shared with others, behind one's own"},
		{"FARM", farm.Values, "none", "machines that compile for this one"},
		{"KERNEL_SOURCE", "a tarball or a folder", "none", "build this source; it is recorded as unverified and never written to"},
		{"VERIFY_RUN", "a regular expression, as of go test -run", "all checks", "runs these checks only; such a verdict says so, and none is kept"},
		{"VERIFY_COUNT", "1 to 1000", "1", "runs the checks so many times; one that fails once has failed"},
		{"VERIFY_SHELL", "1", "not set", "after the checks, a shell in the guest; on a terminal, with one ARCH"},
		{"BENCH_RUN", "a regular expression", "all rows", "measures these rows of mage bench only"},
		{"BENCH_COUNT", "1 to 100", "3; 1 of what takes minutes", "how often mage bench measures each row"},
		{"SOURCE_DATE_EPOCH", "seconds since 1970", "the newest patch's date", "what is built says that it was built then"},
		{"SIGN_KEY", "a key, or the file of one", "none", "signs releases: OpenPGP, minisign or SSH"},
		{"SIGN_KEY_PASSWORD", "its password", "none", "unlocks `SIGN_KEY`"},
		{"PUBLISH_TO", "github:owner/name or gitlab:group/name", "where the pipeline runs, or origin", "where releases and proposals go"},
		{"OFFLINE", "1", "not set", "ask no network for a source: the cache, KERNEL_SOURCE and installed packages only"},
		{"GITHUB_TOKEN", "a token", "none", "publishes to GitHub; asks it with a higher rate limit"},
		{"GITLAB_TOKEN", "a token", "CI_JOB_TOKEN", "publishes to GitLab"},
		{"XDG_CACHE_HOME", "a folder", "~/.cache", "downloads lie in bzmage/ below it"},
		{"CI", "true", "not set", "plain output; a tool that is missing fails a test"},
		{"NO_COLOR", "anything", "not set", "no colours on a terminal"},
	}
}

// Read reads the settings through getenv, which is [os.Getenv] outside of
// tests, and checks them against the lines and flavours of file.
func Read(getenv func(string) string, file kernels.File) (Settings, error) {
	s := Settings{
		Kernel:  getenv("KERNEL"),
		Flavour: getenv("FLAVOUR"),
		CI:      isTrue(getenv("CI")),
		NoColor: getenv("NO_COLOR") != "",
	}
	if _, ok := file.Line(s.Kernel); s.Kernel != "" && !ok {
		return s, unknown("KERNEL", s.Kernel, file.LineNames())
	}
	var err error
	if s.Lines, err = readLines(getenv("BZMAGE_LINES"), file); err != nil {
		return s, err
	}
	if s.Flavour == "" {
		s.Flavour = "release"
	}
	if _, ok := file.Flavours[s.Flavour]; !ok {
		return s, unknown("FLAVOUR", s.Flavour, file.FlavourNames())
	}
	var ok bool
	if s.Toolchain, ok = toolchain.Parse(getenv("TOOLCHAIN")); !ok {
		return s, fault.New(fault.Usage, "TOOLCHAIN=llvm", "unknown TOOLCHAIN=%s; there are %s", getenv("TOOLCHAIN"), toolchain.Values)
	}
	if s.Offline, err = readOffline(getenv("OFFLINE")); err != nil {
		return s, err
	}
	if s.Time, err = readTime(getenv("SOURCE_DATE_EPOCH")); err != nil {
		return s, err
	}
	if s.CoverageMin, err = readCoverage(getenv("PATCH_COVERAGE_MIN"), s, file); err != nil {
		return s, err
	}
	if s.Archs, err = readArch(getenv("ARCH")); err != nil {
		return s, err
	}
	if s.Sharing, err = readSharing(getenv); err != nil {
		return s, err
	}
	if s.Jobs, err = readJobs(getenv("JOBS"), s.Sharing.Farm); err != nil {
		return s, err
	}
	if s.Checks, err = readChecks(getenv); err != nil {
		return s, err
	}
	if s.Bench, err = readBench(getenv); err != nil {
		return s, err
	}
	if s.KernelSource, err = readSource(getenv("KERNEL_SOURCE")); err != nil {
		return s, err
	}
	s.Cache, err = cacheDir(getenv)
	return s, err
}

func unknown(name, value string, known []string) error {
	return fault.New(fault.Usage, name+"="+known[0], "unknown %s=%s; there are %s", name, value, strings.Join(known, ", "))
}

// readLines reads names of lines, with commas or blanks between them.
func readLines(value string, file kernels.File) ([]string, error) {
	names := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
	for _, n := range names {
		if _, ok := file.Line(n); !ok {
			return nil, unknown("BZMAGE_LINES", n, file.LineNames())
		}
	}
	return names, nil
}

func readArch(value string) ([]arch.Arch, error) {
	if value == "" || value == "all" {
		return arch.All(), nil
	}
	a, ok := arch.Find(value)
	if !ok {
		return nil, unknown("ARCH", value, append(arch.Names(), "all"))
	}
	return []arch.Arch{a}, nil
}

func readJobs(value string, f farm.Farm) (int, error) {
	if value == "" {
		return f.Jobs(runtime.NumCPU()), nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > 4096 {
		return 0, fault.New(fault.Usage, "JOBS="+strconv.Itoa(runtime.NumCPU()), "JOBS=%s is not a number from 1 to 4096", value)
	}
	return n, nil
}

func readOffline(value string) (bool, error) {
	if value == "" {
		return false, nil
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		return false, unknown("OFFLINE", value, []string{"1", "0"})
	}
	return on, nil
}

func readSource(value string) (string, error) {
	if value == "" {
		return "", nil
	}
	path, err := filepath.Abs(value)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", fault.New(fault.Usage, "give a kernel tarball or the top folder of a kernel tree", "KERNEL_SOURCE=%s cannot be read: %w", value, plainly(err))
	}
	return path, nil
}

func cacheDir(getenv func(string) string) (string, error) {
	if dir := getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "bzmage"), nil
	}
	if home := getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".cache", "bzmage"), nil
	}
	return "", fault.New(fault.Usage, "XDG_CACHE_HOME=/var/tmp", "no folder for downloads: neither XDG_CACHE_HOME nor HOME is set")
}

// plainly takes the call and the path off an error of the file system.
func plainly(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

func isTrue(v string) bool {
	b, err := strconv.ParseBool(v)
	return err == nil && b
}
