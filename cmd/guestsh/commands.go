package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func help(w io.Writer, _ io.Reader, _ []string) error {
	_, err := fmt.Fprintln(w, "The checks once more: /init -test.v -test.run=NAME (in /verify). Commands: ls, cat, ps, dmesg, those of a POSIX shell, and the programs in /bin.")
	return err
}

// ls lists folders and files with mode and size.
func ls(w io.Writer, _ io.Reader, paths []string) error {
	var errs []error
	for _, path := range paths {
		names := []string{path}
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			entries, err := os.ReadDir(path)
			errs = append(errs, err)
			names = names[:0]
			for _, e := range entries {
				names = append(names, filepath.Join(path, e.Name()))
			}
		}
		for _, name := range names {
			info, err := os.Lstat(name)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			shown := info.Name()
			if to, err := os.Readlink(name); err == nil {
				shown += " -> " + to
			}
			fmt.Fprintf(w, "%v %9d %s\n", info.Mode(), info.Size(), shown)
		}
	}
	return errors.Join(errs...)
}

func cat(w io.Writer, in io.Reader, paths []string) error {
	if len(paths) == 0 && in != nil {
		_, err := io.Copy(w, in)
		return err
	}
	var errs []error
	for _, path := range paths {
		f, err := os.Open(path)
		if err == nil {
			_, err = io.Copy(w, f)
			f.Close() // only read
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// ps lists all processes: number, parent, state, name, command line.
func ps(w io.Writer, _ io.Reader, _ []string) error {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return err
	}
	pid := func(path string) int {
		n, _ := strconv.Atoi(strings.Split(path, "/")[2])
		return n
	}
	slices.SortFunc(stats, func(a, b string) int { return pid(a) - pid(b) })
	for _, path := range stats {
		text, err := os.ReadFile(path)
		i := bytes.LastIndexByte(text, ')')
		if err != nil || i < 0 {
			continue // it has ended
		}
		f := strings.Fields(string(text[i+1:]))
		_, name, _ := strings.Cut(string(text[:i+1]), " ")
		cmdline, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		fmt.Fprintf(w, "%5d %5s %s %-18s %s\n", pid(path), f[1], f[0], name, bytes.ReplaceAll(cmdline, []byte{0}, []byte{' '}))
	}
	return nil
}

// dmesg prints the kernel's messages. See syslog(2), SYSLOG_ACTION_READ_ALL.
func dmesg(w io.Writer, _ io.Reader, _ []string) error {
	buf := make([]byte, 1<<20)
	n, err := unix.Klogctl(unix.SYSLOG_ACTION_READ_ALL, buf)
	if err != nil {
		return err
	}
	_, err = w.Write(buf[:n])
	return err
}
