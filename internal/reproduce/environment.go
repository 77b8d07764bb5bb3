package reproduce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"bzmage/internal/run"
)

// What of the environment is changed, and how: one function a property. bzmage
// itself hides most of these from the kernel's make (see package run); that it
// hides them all is what a second build proves.

// ahead is what the clock of the second build is ahead by. Behind would make
// files that are older than what they were made of.
const ahead = "+400d"

// timed are the programs that get the other clock, with all that they start.
func timed() []string { return []string{"make", "tar", "cpio", "ar", "dpkg-deb", "rpmbuild"} }

// clock puts programs into PATH that run the real ones by another clock.
// Go's programs have no libc, and keep the real one.
func (s *Second) clock(ctx context.Context) error {
	const now = "now"
	fake, err := exec.LookPath("faketime")
	if err != nil {
		s.change("clock", now, now, "faketime is not installed (setup does)")
		return nil
	}
	if err := run.Run(ctx, run.Cmd{Argv: []string{fake, "-f", ahead, "true"}, Env: run.Env()}); err != nil {
		s.change("clock", now, now, "faketime does not work here: "+err.Error())
		return ctx.Err()
	}
	for _, name := range timed() {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		// FAKE_UTIME: touch(1) would else give files the other clock's time, which is in make's future.
		text := fmt.Sprintf("#!/bin/sh\n[ -z \"$FAKETIME\" ] || exec %[2]s \"$@\"\nFAKE_UTIME=1 exec %[1]s --exclude-monotonic -f %[3]s %[2]s \"$@\"\n",
			run.Quote(fake), run.Quote(path), ahead)
		if err := os.WriteFile(filepath.Join(s.bin(), name), []byte(text), 0o755); err != nil {
			return err
		}
	}
	s.change("clock", now, "400 days ahead", "")
	return nil
}

func (s *Second) zone() {
	first := cmp.Or(os.Getenv("TZ"), "the machine's")
	for _, zone := range []string{"Pacific/Kiritimati", "America/Anchorage"} {
		if _, err := os.Stat(filepath.Join("/usr/share/zoneinfo", zone)); err == nil && zone != first {
			s.setting("TZ", first, zone)
			return
		}
	}
	s.setting("TZ", first, "LINT-14") // POSIX' form needs no files
}

// setting changes a variable.
func (s *Second) setting(name, first, second string) {
	s.env = append(s.env, name+"="+second)
	s.change(name, first, second, "")
}

func (s *Second) locale(ctx context.Context) {
	first := cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LANG"), "C")
	out, _ := run.Output(ctx, run.Cmd{Argv: []string{"locale", "-a"}, Env: run.Env()})
	s.setting("LC_ALL", first, chooseLocale(strings.Fields(out), first))
}

// chooseLocale returns a locale that is not the first: one of a language that
// sorts and writes numbers otherwise, if one is installed.
func chooseLocale(installed []string, first string) string {
	for _, language := range []string{"tr_", "de_", "sv_", "fr_", ""} {
		for _, name := range installed {
			if strings.HasPrefix(name, language) && name != "C" && name != "POSIX" && plainLocale(name) != plainLocale(first) {
				return name
			}
		}
	}
	if first == "C" {
		return "C.UTF-8"
	}
	return "C"
}

// plainLocale returns a name in which C.UTF-8 and C.utf8 are the one locale
// that they are.
func plainLocale(name string) string {
	return strings.ReplaceAll(strings.ToLower(name), "-", "")
}

func (s *Second) jobs() {
	second := 3
	if s.p.Jobs >= 3 {
		second = s.p.Jobs - 1
	}
	s.setting("JOBS", strconv.Itoa(s.p.Jobs), strconv.Itoa(second))
}

// hostName is what the second build's machine is called.
const hostName = "another-machine"

// host gives the second build a namespace with another host name
// (uts_namespaces(7)); who is not root needs a user namespace for it, and is
// root in there.
func (s *Second) host(ctx context.Context) {
	first, _ := os.Hostname()
	naming := []string{"sh", "-c", `hostname "$0" && exec "$@"`, hostName}
	way := append([]string{"unshare", "--uts", "--"}, naming...)
	if os.Geteuid() != 0 {
		way = append([]string{"unshare", "--map-root-user", "--uts", "--"}, naming...)
	}
	got, err := run.Output(ctx, run.Cmd{Argv: append(slices.Clone(way), "uname", "-n"), Env: run.Env()})
	if err != nil || got != hostName || first == hostName {
		s.change("host name", first, first, "no namespace of its own: "+reason(err))
		return
	}
	s.argv = append(s.argv, way...)
	s.change("host name", first, hostName, "")
}

// reason says in a few words why a program did not do.
func reason(err error) string {
	var exit *run.ExitError
	if errors.As(err, &exit) && len(exit.Tail) > 0 {
		return exit.Tail[len(exit.Tail)-1]
	}
	if err != nil {
		return err.Error()
	}
	return "it has no effect here"
}

func (s *Second) umask() {
	first, second := umaskOf(), "0077"
	if first == second {
		second = "0002"
	}
	s.argv = append(s.argv, "sh", "-c", `umask "$0" && exec "$@"`, second)
	s.change("umask", first, second, "")
}

// umaskOf returns this process' umask, which umask(2) cannot tell without
// changing it (proc(5), /proc/pid/status).
func umaskOf() string {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "Umask:"); ok {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// user has root's second build run by nobody, who may read all that root does
// (CAP_DAC_READ_SEARCH of capabilities(7): Go's modules and a source may lie in
// root's home) and write where it builds. It gives nobody the copy, so it is
// the last thing that is prepared.
func (s *Second) user(ctx context.Context) error {
	first := "unknown"
	if u, err := user.Current(); err == nil {
		first = u.Username
	}
	if err := s.shareCache(); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		second, why := first, "not root"
		if slices.Contains(s.argv, "--map-root-user") {
			second, why = "root, of a user namespace", ""
		}
		s.env = append(s.env, "USER=another", "LOGNAME=another")
		s.change("user", first, second, why)
		return nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		s.change("user", first, first, err.Error())
		return nil
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	way := []string{"setpriv", "--reuid=" + nobody.Uid, "--regid=" + nobody.Gid, "--clear-groups", "--pdeathsig=KILL"}
	capable := append(slices.Clone(way), "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
	for _, as := range [][]string{capable, way} {
		if err = s.reads(ctx, as); err == nil {
			s.argv = append(s.argv, as...)
			s.env = append(s.env, "USER=nobody", "LOGNAME=nobody")
			s.change("user", first, "nobody", "")
			return give(s.dir, uid, gid)
		}
	}
	s.env = append(s.env, "USER=another", "LOGNAME=another")
	s.change("user", first, first, "nobody cannot read what is needed: "+reason(err))
	return ctx.Err()
}

// reads says whether a user can read all that a build reads, and start go.
func (s *Second) reads(ctx context.Context, as []string) error {
	argv := append(append(slices.Clone(as), "ls", "-d", "--", s.program()), s.p.Reads...)
	for i, path := range s.p.Reads { // a folder is read, not only named
		argv[len(argv)-len(s.p.Reads)+i] = strings.TrimSuffix(path, "/") + "/."
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			argv[len(argv)-len(s.p.Reads)+i] = path
		}
	}
	if err := run.Run(ctx, run.Cmd{Argv: argv, Env: run.Env()}); err != nil {
		return err
	}
	return run.Run(ctx, run.Cmd{Argv: append(slices.Clone(as), "go", "version"), Dir: s.Root, Env: append([]string{"PATH=" + os.Getenv("PATH")}, s.env...)})
}

// shareCache gives the second build the downloads of the first, and what is
// known of them.
func (s *Second) shareCache() error {
	for _, name := range []string{"sha256", "index", "proof"} { // package fetch's
		if err := link(filepath.Join(s.p.Cache, name), filepath.Join(s.cache(), name)); err != nil {
			return fmt.Errorf("share the downloads: %w", err)
		}
	}
	return nil
}
