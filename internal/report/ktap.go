package report

import (
	"fmt"
	"io"
	"strings"

	"bzmage/internal/boot"
	"bzmage/internal/event"
	"bzmage/internal/plain"
)

// KTAP writes the verdicts in the Kernel Test Anything Protocol, version 1
// (Documentation/dev-tools/ktap.rst): one test a target, in it one named
// "boot" and one a check, in that its parts. The kernel's own reader takes it:
// tools/testing/kunit/kunit.py parse verdict.ktap.
func KTAP(w io.Writer, verdicts []boot.Verdict) error {
	var root ktap
	for _, v := range verdicts {
		root.parts = append(root.parts, targetTAP(v))
	}
	var b strings.Builder
	root.plan(&b, "")
	_, err := io.WriteString(w, b.String())
	return err
}

// ktap is one test.
type ktap struct {
	name  string // of the check, whole
	title string // what is left of the name below the parent's
	bad   bool
	note  string   // behind the name: a directive and its text
	lines []string // of diagnostic
	parts []*ktap
}

func targetTAP(v boot.Verdict) *ktap {
	root := &ktap{title: v.Target(), bad: v.Verdict != boot.Pass}
	root.lines = append(root.lines, "verdict: "+v.Verdict, "release: "+v.Release, "sha256 of the image: "+v.SHA256["image"])
	for _, p := range v.Times.Points() {
		root.lines = append(root.lines, fmt.Sprintf("%s after %.3f s", p.Name, p.Seconds))
	}
	up := &ktap{title: "boot"}
	if v.Verdict != boot.Pass && v.Verdict != boot.CheckFailed {
		up.bad, up.note, up.lines = true, "ERROR "+v.Verdict+": "+v.Reason, v.Tail
	}
	root.parts = []*ktap{up}
	byName := map[string]*ktap{}
	for _, c := range v.Checks {
		root.add(checkTAP(c), byName)
	}
	for _, name := range v.Missing {
		if byName[name] == nil {
			root.add(&ktap{name: name, title: name, bad: true, note: "ERROR the check did not run to its end"}, byName)
		}
	}
	return root
}

func checkTAP(c event.Check) *ktap {
	k := &ktap{name: c.Name, title: c.Name}
	switch c.Status {
	case event.Pass:
	case event.Skip:
		k.note = "SKIP " + reason(c)
	case event.Fail:
		k.bad, k.lines = true, strings.Split(cut(c.Output, junitOutput), "\n")
	default:
		k.bad, k.note, k.lines = true, "ERROR the check did not end", strings.Split(cut(c.Output, junitOutput), "\n")
	}
	return k
}

// add puts a check below the nearest one that it is a part of.
func (k *ktap) add(c *ktap, byName map[string]*ktap) {
	byName[c.name] = c
	for at := len(c.name) - 1; at > 0; at-- {
		if c.name[at] != '/' {
			continue
		}
		if parent := byName[c.name[:at]]; parent != nil {
			c.title = c.name[at+1:]
			parent.parts = append(parent.parts, c)
			return
		}
	}
	k.parts = append(k.parts, c)
}

// plan writes the tests in k. Two spaces are one level.
func (k *ktap) plan(b *strings.Builder, indent string) {
	fmt.Fprintf(b, "%sKTAP version 1\n%s1..%d\n", indent, indent, len(k.parts))
	for i, p := range k.parts {
		p.result(b, indent, i+1)
	}
}

func (k *ktap) result(b *strings.Builder, indent string, n int) {
	if len(k.parts) > 0 {
		// Readers count what has no parts: a test that fails of itself would
		// be lost between parts that pass.
		if k.bad && !k.partFails() {
			k.parts = append(k.parts, &ktap{title: "itself", bad: true})
		}
		k.plan(b, indent+"  ")
	}
	for _, line := range k.lines {
		if line = diagnostic.Replace(plain.Line(line, maxMessage)); line != "" {
			fmt.Fprintf(b, "%s# %s\n", indent, line)
		}
	}
	ok := "ok"
	if k.bad {
		ok = "not ok"
	}
	fmt.Fprintf(b, "%s%s %d %s", indent, ok, n, describe(k.title))
	if k.note != "" {
		fmt.Fprintf(b, " # %s", describe(k.note))
	}
	b.WriteByte('\n')
}

func (k *ktap) partFails() bool {
	for _, p := range k.parts {
		if p.bad {
			return true
		}
	}
	return false
}

// describe returns a text for a line of result.
func describe(text string) string {
	return description.Replace(diagnostic.Replace(plain.Line(text, maxMessage)))
}

// description keeps a text apart from what follows it: it may hold no "#",
// which in the name of a part that Go made unique is "#01".
var description = strings.NewReplacer("%", "%25", "#", "%23")

// diagnostic takes from a text what the kernel's reader takes for a header of
// tests, or for the end of them all.
var diagnostic = strings.NewReplacer("Subtest:", "Subtest", "List of all partitions:", "List of all partitions",
	"not syncing: VFS:", "not syncing, VFS:", "System halted", "system halted", "KTAP version", "KTAP, version", "TAP version", "TAP, version")
