package patch

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// forms are the ways a patch of git's may come to us. git says whether one
// applies, and what it makes, with the arguments given.
var forms = map[string]struct {
	strip int
	diff  []string
	apply []string
	edit  func(string) string
	crlf  bool // git takes the line ends off first
}{
	"-p0":     {0, []string{"--no-prefix"}, []string{"-p0"}, nil, false},
	"plain":   {1, []string{"--no-renames"}, nil, plainly, false},
	"windows": {1, nil, nil, func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }, true},
	"binary":  {1, []string{"--binary"}, nil, nil, false},
	"a mail":  {1, nil, nil, func(s string) string { return mailHead + s + "-- \n2.39.5\n\n" }, false},
	"-U1":     {1, []string{"-U1"}, nil, nil, false},
	"-U8":     {1, []string{"-U8", "--patience"}, nil, nil, false},
}

const mailHead = "From 0 Mon Sep 17 00:00:00 2001\nFrom: A <a@example.com>\nSubject: [PATCH] x\n\nBody\n---\n a | 2 +-\n 1 file changed\n\n"

// plainly takes git's headers off, where the diff says all without them.
func plainly(p string) string {
	var out []string
	for _, part := range strings.SplitAfter(p, "\ndiff --git ") {
		if !strings.Contains(part, "\n--- ") || strings.Contains(part, "mode 1007") || strings.Contains(part, "old mode") || strings.Contains(part, `"a/`) {
			return p
		}
		body := part[strings.Index(part, "\n--- ")+1:]
		out = append(out, strings.TrimSuffix(body, "diff --git "))
	}
	return "Index: x\n=========\n" + strings.Join(out, "")
}

// Over patches of each form: what we take for clean or offset, git applies to
// the same bytes; what git refuses is none of these. What we call upstream git
// can take back.
func TestStatesAgreeWithGit(t *testing.T) {
	rounds := uint64(60)
	if testing.Short() {
		rounds = 8
	}
	d := differ{newRepo(t)}
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			count := map[State]int{}
			for seed := range rounds {
				w := &world{r: rand.New(rand.NewPCG(seed, 21))}
				before := w.files()
				after := w.changed(before)
				text := d.between(before, after, form.diff...)
				if text == "" {
					continue
				}
				raw := text
				if form.edit != nil {
					text = form.edit(text)
				}
				if !form.crlf {
					raw = text
				}
				for _, files := range []content{before, after, w.drifted(before), w.drifted(after)} {
					st := one(t, d, files, text, raw, form.strip, form.apply)
					count[st]++
				}
			}
			t.Log(count)
			if count[Clean] < int(rounds)/2 || count[Conflict] < 2 || count[Upstream] < int(rounds)/8 || name != "windows" && count[Refused] > int(rounds)/2 {
				t.Errorf("%v: the test has lost its balance", count)
			}
		})
	}
}

// one tries one patch and compares with git.
func one(t *testing.T, d differ, files content, text, raw string, strip int, args []string) State {
	t.Helper()
	p := parseAll([]patchFile{{entry: entry{name: "p", strip: strip}, text: text}})
	dr := newDraft(inMemory(files))
	list, err := replay(t.Context(), dr, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	st := list[0]
	file := filepath.Join(t.TempDir(), "patch")
	if err := os.WriteFile(file, []byte(raw), 0o644); err != nil {
		t.Fatal(err)
	}
	d.reset(files)
	switch {
	case st.State == Upstream:
		if _, err := d.try(slices.Concat([]string{"apply", "-R", "--check"}, args, []string{file})...); err != nil {
			t.Errorf("upstream, but git cannot take it back: %v\n%s", err, raw)
		}
		return st.State
	case !st.Applies():
		return st.State
	}
	if _, err := d.try(slices.Concat([]string{"apply"}, args, []string{file})...); err != nil {
		t.Errorf("%s, but git refuses it: %v\n%s", st.State, err, raw)
		return st.State
	}
	if diff := cmp.Diff(read(t, d.dir), overlay(files, drafted(dr))); diff != "" {
		t.Errorf("%s, offset %d (-git +ours):\n%s\n%s", st.State, st.Offset, diff, raw)
	}
	return st.State
}

// between returns git's diff from one set of files to another.
func (d differ) between(before, after content, args ...string) string {
	d.t.Helper()
	a, b := d.tree(before), d.tree(after)
	p, err := d.try(slices.Concat([]string{"diff-tree", "-p", "-r", "-M30"}, args, []string{a, b})...)
	if err != nil {
		d.t.Fatal(err)
	}
	return p
}

// Patches of files that have Windows line ends themselves, and patches whose
// lines a mailer gave such ends.
func TestWindowsLineEnds(t *testing.T) {
	dos := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	base, other := "1\n2\n3\n4\n5\n", "1\n2\nx\n4\n5\n"
	unix := diff(t, content{"f": base}, content{"f": other})
	wins := diff(t, content{"f": dos(base)}, content{"f": dos(other)})
	created := diff(t, content{"f": base}, content{"f": other, "n": "new\n"})
	alone := diff(t, content{"f": base}, content{"f": base, "n": "new\n"})
	for name, tc := range map[string]struct {
		file, patch string
		state       State
		want        content
	}{
		"LF patch of a CRLF file":     {dos(base), wins, Clean, content{"f": dos(other)}},
		"LF patch of an LF file":      {base, unix, Clean, content{"f": other}},
		"CR in hunks of an LF file":   {base, wins, Conflict, content{}},
		"no CR in hunks of CRLF file": {dos(base), unix, Conflict, content{}},
		"CRLF patch of an LF file":    {base, dos(unix), Clean, content{"f": other}},
		"CRLF patch of a CRLF file":   {dos(base), dos(unix), Clean, content{"f": dos(other)}},
		"CRLF patch of both kinds":    {dos(base) + "unix\n", dos(unix), Conflict, content{}},
		"a new file follows":          {base, dos(created), Clean, content{"f": other, "n": "new\n"}},
		"a new file follows CRLF":     {dos(base), dos(created), Clean, content{"f": dos(other), "n": "new\r\n"}},
		"a new file alone":            {base, dos(alone), Conflict, content{}},
		"upstream":                    {other, dos(unix), Upstream, content{}},
	} {
		t.Run(name, func(t *testing.T) {
			list, got := try(t, content{"f": tc.file}, tc.patch)
			if list[0].State != tc.state {
				t.Errorf("%+v", list[0])
			}
			if tc.state == Conflict {
				got = content{}
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("files (-want +got):\n%s", d)
			}
			if whole := !strings.Contains(strings.ReplaceAll(tc.patch, "\r\n", ""), "\n"); whole != (len(list[0].Notes) == 1) {
				t.Errorf("notes %q", list[0].Notes)
			}
		})
	}
	var e *RejectError
	list, _ := try(t, content{"f": base}, dos(alone))
	if err := (Report{Patches: list}).Err(); !errors.As(err, &e) || !strings.Contains(fmt.Sprint(err), "nothing tells whether the new file should") {
		t.Errorf("%v", err)
	}
}
