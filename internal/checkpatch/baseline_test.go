package checkpatch

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"bzmage/internal/fault"
)

func TestParseBaseline(t *testing.T) {
	for name, tc := range map[string]struct{ text, says string }{
		"empty":         {"# none yet\n", ""},
		"good":          {"[[accept]]\npatch = 'a.patch'\ntype = 'LONG_LINE'\ntext = \"+\\tx\"\nreason = 'a table'\n", ""},
		"no reason":     {"[[accept]]\npatch = 'a.patch'\ntype = 'LONG_LINE'\n", "number 1, of LONG_LINE in a.patch: it gives no reason"},
		"empty reason":  {"[[accept]]\npatch = 'a.patch'\ntype = 'LONG_LINE'\nreason = \" \\t\"\n", "it gives no reason"},
		"no patch":      {"[[accept]]\ntype = 'LONG_LINE'\nreason = 'r'\n", "it names no patch"},
		"no type":       {"[[accept]]\npatch = 'a'\nreason = 'r'\n", "it names no type"},
		"odd type":      {"[[accept]]\npatch = 'a'\ntype = 'ANY*'\nreason = 'r'\n", "it names no type"},
		"unknown key":   {"[[accept]]\npatch = 'a'\ntype = 'A'\nreason = 'r'\nline = 3\n", "unknown key accept.line"},
		"unknown table": {"[[accepted]]\npatch = 'a'\n", "unknown key accepted"},
		"no TOML":       {"[[accept\n", "at its line 2: "},
		"wrong kind":    {"[[accept]]\npatch = 3\n", "patch"},
	} {
		accepts, err := parseBaseline(tc.text)
		if (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, want %q", name, err, tc.says)
		}
		if name == "good" {
			want := []Accept{{"a.patch", "LONG_LINE", "+\tx", "a table"}}
			if d := cmp.Diff(want, accepts); d != "" {
				t.Error(d)
			}
		}
	}
}

// A finding is new, is accepted by what was offered to paste, stays accepted
// when its line moves, and leaves the entry behind when it is gone.
func TestBaseline(t *testing.T) {
	// Objects to each line with a TEH in it, and to the whole.
	tree := fake(t, `open(my $in, '<', $ARGV[-1]); my $n = 0;
		while (<$in>) { print "$ARGV[-1]:$.: CHECK:TEH: teh\n" if /TEH/; $n = $.; }
		print "$ARGV[-1]:$n: ERROR:MISSING_SIGN_OFF: none\n"; exit 1;`)
	bad := edit(t, "\tx = 1;\n", "\tx = \"TEH \\\"\"; \n+\tx = \"TEH \\\"\"; \n")
	var log bytes.Buffer
	p := Params{Tree: tree, Series: seriesOf(t, map[string]string{"a.patch": bad, "b.patch": good}), Folder: "patches/x",
		Patches: []string{"a.patch"}, LogDir: t.TempDir(), Reports: t.TempDir(), Log: logrus.New()}
	p.Log.SetOutput(&log)
	run := func(what string, fresh, accepted, stale int) Result {
		t.Helper()
		log.Reset()
		res, err := Run(t.Context(), p)
		if (fault.KindOf(err) == fault.Checkpatch) != (fresh > 0) || err != nil && fault.KindOf(err) != fault.Checkpatch {
			t.Errorf("%s: %v", what, err)
		}
		if n := len(res.New()); n != fresh || len(res.Findings)-n != accepted || len(res.Stale) != stale {
			t.Errorf("%s: %d new, %d accepted, %d stale, want %d, %d, %d: %v", what, n, len(res.Findings)-n, len(res.Stale), fresh, accepted, stale, res.Findings)
		}
		return res
	}
	first := run("without a baseline", 3, 0, 0)
	baseline := filepath.Join(p.Series, baselineName)
	offered := readFile(t, filepath.Join(p.Reports, acceptName))
	write1(t, baseline, offered)
	if _, err := Run(t.Context(), p); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "it gives no reason") {
		t.Errorf("pasted without a reason: %v", err)
	}
	pasted := strings.ReplaceAll(offered, `reason = ""`, `reason = "so it is"`)
	write1(t, baseline, pasted)
	run("pasted", 0, 3, 0)

	// Two lines more in the message, and two before the line: all moves.
	write1(t, filepath.Join(p.Series, "a.patch"), strings.Replace(strings.Replace(strings.Replace(bad,
		"The value", "Really.\n\nThe value", 1), "@@ -1,4 +1,5 @@", "@@ -1,4 +1,7 @@", 1), "+\tx", "+\tint y;\n+\n+\tx", 1))
	moved := run("moved", 0, 3, 0)
	for i, f := range moved.Findings {
		was := first.Findings[i]
		if f.Fingerprint != was.Fingerprint || f.Line == was.Line {
			t.Errorf("moved: %+v was %+v", f, was)
		}
	}
	if f := moved.Findings; f[0].Fingerprint == f[1].Fingerprint {
		t.Errorf("two findings have one fingerprint: %+v", f)
	}

	// A third such line is new, as each entry accepts one.
	write1(t, filepath.Join(p.Series, "a.patch"), strings.Replace(bad, "+\tx", "+\tx = \"TEH \\\"\"; \n+\tx", 1))
	run("a third", 1, 3, 0)
	write1(t, filepath.Join(p.Series, "a.patch"), strings.Replace(bad, "TEH", "the", 1))
	run("one is gone", 0, 2, 1)
	if !strings.Contains(log.String(), "accepts TEH in a.patch, which is not found there any more: delete its [[accept]]") {
		t.Errorf("log: %s", log.String())
	}
	write1(t, filepath.Join(p.Series, "series"), "b.patch\n")
	p.Patches = nil
	run("the patch is gone", 1, 0, 3)
}

func FuzzBaseline(f *testing.F) {
	f.Add("[[accept]]\npatch = 'a.patch'\ntype = 'LONG_LINE'\ntext = \"+\\tx\"\nreason = 'a table'\n")
	f.Fuzz(func(t *testing.T, text string) {
		accepts, err := parseBaseline(text)
		if err != nil {
			return
		}
		for _, a := range accepts {
			if a.Patch == "" || a.Type == "" || strings.TrimSpace(a.Reason) == "" {
				t.Errorf("%+v", a)
			}
		}
	})
}

// An entry accepts just what it says, and is stale only if its patch was
// looked at or is not in the series.
func TestSettle(t *testing.T) {
	finding := Finding{Patch: "a.patch", Type: "A", Text: "+x"}
	for name, tc := range map[string]struct {
		entry           Accept
		accepted, stale bool
	}{
		"the finding":           {Accept{"a.patch", "A", "+x", "r"}, true, false},
		"another text":          {Accept{"a.patch", "A", "+x ", "r"}, false, true},
		"no text":               {Accept{"a.patch", "A", "", "r"}, false, true},
		"another type":          {Accept{"a.patch", "B", "+x", "r"}, false, true},
		"a patch not there":     {Accept{"c.patch", "A", "+x", "r"}, false, true},
		"a patch not looked at": {Accept{"b.patch", "A", "+x", "r"}, false, false},
	} {
		found := []Finding{finding}
		stale := settle(found, []Accept{tc.entry}, []document{{name: "a.patch"}, {name: "b.patch"}}, []string{"a.patch"})
		if (found[0].Accepted == "r") != tc.accepted || (len(stale) == 1) != tc.stale {
			t.Errorf("%s: accepted %q, stale %v", name, found[0].Accepted, stale)
		}
	}
}

// What checkpatch says at the end of a patch is not about its last line, also
// where that line is one of the tree; and all findings are in order of lines.
func TestFindingsOfTheWhole(t *testing.T) {
	text, _, _ := strings.Cut(edit(t, "Signed-off-by: A Person <a@example.com>\n", "Fixes: x\n"), "-- \n")
	tree := fake(t, `print "$ARGV[-1]:5: ERROR:A: a\n$ARGV[-1]:22: ERROR:MISSING_SIGN_OFF: none\n"; exit 1;`)
	res, err := Run(t.Context(), Params{Tree: tree, Series: seriesOf(t, map[string]string{"a.patch": text}), LogDir: t.TempDir()})
	if fault.KindOf(err) != fault.Checkpatch {
		t.Fatal(err)
	}
	var got []string
	for _, f := range res.Findings {
		got = append(got, f.Type+" "+f.place()+" "+f.Text)
	}
	if d := cmp.Diff([]string{"A the mail ", "FIXES_TAG the mail Fixes: x", "MISSING_SIGN_OFF the mail "}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
