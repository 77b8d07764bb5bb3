package proof

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"bzmage/internal/release"
	"bzmage/internal/run"
)

// Packages returns the distribution's packages that programs belong to: dpkg's,
// or rpm's. Where neither is, or a program is of no package, there is nothing
// to say.
func Packages(ctx context.Context, programs []string) ([]release.Package, error) {
	distro, version := osRelease()
	var all []release.Package
	for _, path := range programs {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
		p, ok := packageOf(ctx, path)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if p.Distro, p.Release = distro, version; ok && !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b release.Package) int { return strings.Compare(a.Name+" "+a.Arch, b.Name+" "+b.Arch) })
	return all, nil
}

func packageOf(ctx context.Context, path string) (release.Package, bool) {
	env := run.Env()
	if _, err := exec.LookPath("dpkg-query"); err == nil {
		owner, err := run.Output(ctx, run.Cmd{Argv: []string{"dpkg-query", "-S", path}, Env: env})
		name, _, ok := strings.Cut(owner, ": ")
		if err != nil || !ok || strings.ContainsAny(name, ", \n") {
			return release.Package{}, false
		}
		text, err := run.Output(ctx, run.Cmd{Argv: []string{"dpkg-query", "-W", "-f", "${Package} ${Version} ${Architecture}", name}, Env: env})
		return packageFrom(text), err == nil && len(strings.Fields(text)) == 3
	}
	text, err := run.Output(ctx, run.Cmd{Argv: []string{"rpm", "-q", "--qf", "%{NAME} %{VERSION}-%{RELEASE} %{ARCH}", "-f", path}, Env: env})
	return packageFrom(text), err == nil && len(strings.Fields(text)) == 3
}

func packageFrom(text string) release.Package {
	f := append(strings.Fields(text), "", "", "")
	return release.Package{Name: f[0], Version: f[1], Arch: f[2]}
}

// osRelease returns ID and VERSION_ID of os-release(5).
func osRelease() (id, version string) {
	f, err := os.Open("/etc/os-release")
	if err != nil {
		return "linux", ""
	}
	defer f.Close() // only read
	for rows := bufio.NewScanner(f); rows.Scan(); {
		name, value, _ := strings.Cut(rows.Text(), "=")
		switch value = strings.Trim(value, `"'`); name {
		case "ID":
			id = value
		case "VERSION_ID":
			version = value
		}
	}
	return id, version
}
