package checkpatch

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bzmage/internal/fault"
	"bzmage/internal/run"
	"bzmage/internal/testkernel"
	"bzmage/internal/unpack"
)

// parts are the files of a kernel that checkpatch.pl needs.
func parts() []string {
	return []string{"MAINTAINERS", "scripts/checkpatch.pl", "scripts/spelling.txt", "scripts/const_structs.checkpatch", "scripts/get_maintainer.pl"}
}

// realTree returns a tree with the checkpatch of line 6.1, from the
// distribution.
func realTree(t testing.TB) unpack.Tree {
	t.Helper()
	if testing.Short() {
		t.Skip("needs the source of a kernel")
	}
	for _, tool := range []string{"perl", "tar", "xz"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, tool)
		}
	}
	ball := testkernel.Archive(t).Path
	tree := newTree(t)
	args := []string{"tar", "-C", tree.Src(), "--strip-components=1", "--wildcards", "--occurrence=1", "-xf", ball}
	for _, name := range parts() {
		args = append(args, "linux-*/"+name)
	}
	if err := run.Run(t.Context(), run.Cmd{Argv: args, Env: run.Env()}); err != nil {
		t.Fatal(err)
	}
	return tree
}

// realTree54 is the same of line 5.4, where KERNEL_SOURCE names a folder with it.
func realTree54(t testing.TB) unpack.Tree {
	t.Helper()
	if testing.Short() {
		t.Skip("needs the source of a kernel")
	}
	source := os.Getenv("KERNEL_SOURCE")
	if release, err := unpack.Release(t.Context(), source); err != nil || !strings.HasPrefix(release, "5.4.") {
		t.Skipf("KERNEL_SOURCE is no 5.4 tree: %q %v", release, err)
	}
	if fi, err := os.Stat(source); err != nil || !fi.IsDir() {
		t.Skip("KERNEL_SOURCE is no folder")
	}
	tree := newTree(t)
	for _, name := range parts() {
		write1(t, filepath.Join(tree.Src(), name), readFile(t, filepath.Join(source, name)))
	}
	return tree
}

// newTree returns a folder that checkpatch.pl takes for a kernel tree.
func newTree(t testing.TB) unpack.Tree {
	t.Helper()
	tree := unpack.Tree{Root: t.TempDir()}
	for _, name := range strings.Fields("COPYING CREDITS Kbuild Makefile README") {
		write1(t, filepath.Join(tree.Src(), name), "x\n")
	}
	for _, name := range strings.Fields("Documentation arch include drivers fs init ipc kernel lib") {
		write1(t, filepath.Join(tree.Src(), name, "Makefile"), "x\n")
	}
	write1(t, filepath.Join(tree.Src(), "drivers/net/ethernet/8390/8390.c"), "x\n")
	write1(t, filepath.Join(tree.Src(), "Documentation/devicetree/bindings/vendor-prefixes.yaml"), "x\n")
	write1(t, filepath.Join(tree.Src(), "include/linux/page.h"), "#define SetPageX(p) 1\n")
	return tree
}

// TestRealScript has the scripts of two lines look at what they fail to see
// when they are not asked in the right way.
func TestRealScript(t *testing.T) {
	for line, makeTree := range map[string]func(testing.TB) unpack.Tree{"6.1": realTree, "5.4": realTree54} {
		t.Run(line, func(t *testing.T) {
			tree := makeTree(t)
			realScript(t, tree)
			realScriptAlone(t, tree)
		})
	}
}

func realScript(t *testing.T, tree unpack.Tree) {
	// An option file in the tree must not count.
	write1(t, filepath.Join(tree.Src(), ".checkpatch.conf"), "--ignore TRAILING_WHITESPACE,MISSING_SIGN_OFF\n")
	bad := strings.NewReplacer("x = 1;", "x = 1; ", "Signed-off-by: A Person <a@example.com>\n", "", "never set", "never recieved").Replace(good)
	for name, tc := range map[string]struct {
		text string
		want string // "LEVEL TYPE line place", one a line; of the whole set for ""
		says string // of the error; empty: it is one of findings
	}{
		"good.patch": {good, "", ""},
		"bad.patch":  {bad, "ERROR TRAILING_WHITESPACE 20 kernel/x.c:4\nERROR MISSING_SIGN_OFF 24 the mail\nWARNING TYPO_SPELLING 6 the mail", ""},
		"text.patch": {"no diff\n", "ERROR NOT_UNIFIED_DIFF 1 the mail\nERROR NO_DIFF 1 the mail", ""},
		// The script says nothing of these three, and exits with 0.
		"0000-cover-letter.patch": {"no diff\n", "ERROR NO_DIFF 1 the mail", ""},
		"plain.patch":             {good[strings.Index(good, "diff --git"):], "ERROR MAIL_HEADER 1 kernel/x.c\nERROR NO_MESSAGE 1 kernel/x.c", ""},
		"empty.patch":             {"", "", "the file is empty"},
		// Only in the top folder of a kernel get_maintainer.pl knows this.
		"obsolete.patch": {strings.ReplaceAll(good, "kernel/x.c", "drivers/net/ethernet/8390/8390.c"),
			"WARNING OBSOLETE 13 drivers/net/ethernet/8390/8390.c", ""},
		// The message names a folder, which must not be one of this machine.
		"dt.patch": {strings.Replace(good, "x = 1;", ".compatible = \"none,x\";", 1),
			"WARNING UNDOCUMENTED_DT_STRING 21 kernel/x.c:4", ""},
		// What include/ has is no mistake of the patch.
		"camel.patch":   {strings.Replace(good, "x = 1;", "SetPageX(OtherCase);", 1), "CHECK CAMELCASE 21 kernel/x.c:4", ""},
		"page.patch":    {strings.Replace(good, "x = 1;", "SetPageX(x);", 1), "", ""},
		"shell.patch":   {strings.ReplaceAll(good, "kernel/x.c", "x;touch${IFS}pwned;"), "", "line 13: checkpatch would hand the name"},
		"windows.patch": {strings.ReplaceAll(good, "\n", "\r\n"), "ERROR CRLF 1 the mail\nERROR DOS_LINE_ENDINGS 21 kernel/x.c:4", ""},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := Run(t.Context(), Params{Tree: tree, Series: seriesOf(t, map[string]string{name: tc.text}), LogDir: t.TempDir()})
			if tc.says != "" {
				if fault.KindOf(err) != fault.Checkpatch || !strings.Contains(err.Error(), tc.says) {
					t.Errorf("error %v, want %q", err, tc.says)
				}
				return
			}
			if (tc.want == "") != (err == nil) || err != nil && fault.KindOf(err) != fault.Checkpatch {
				t.Errorf("error %v", err)
			}
			var got []string
			for _, f := range res.Findings {
				got = append(got, fmt.Sprintf("%s %s %d %s", f.Level, f.Type, f.Line, f.place()))
			}
			for _, f := range res.Findings {
				if strings.Contains(f.Message, tree.Root) {
					t.Errorf("a path of this machine: %s", f)
				}
			}
			for want := range strings.SplitSeq(tc.want, "\n") {
				if want != "" && !slices.Contains(got, want) {
					t.Errorf("no finding %q in %q", want, got)
				}
			}
		})
	}
}

// realScriptAlone pins the ways in which the scripts fail open, so that a
// release that mends one is noticed, and the guard can go; and sees each
// guard at work that is not about a patch.
func realScriptAlone(t *testing.T, tree unpack.Tree) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"good.patch": good, "bad.patch": strings.Replace(good, "x = 1;", "x = 1; ", 1), "empty.patch": "",
		"x-cover-letter.patch": "no diff\n", "plain.patch": good[strings.Index(good, "diff --git"):]} {
		write1(t, filepath.Join(dir, name), text)
	}
	silent := func(what, patch string) {
		t.Helper()
		var out, stderr limited
		err := run.Run(t.Context(), run.Cmd{Argv: argv(filepath.Join(dir, patch)), Dir: dir,
			Env: run.Env("HOME=" + dir), Stdout: &out, Stderr: &stderr})
		if err != nil || out.String() != "" {
			t.Errorf("%s: the script says something now: %q, %v", what, out.String(), err)
		}
	}
	if err := os.Symlink(tree.Src(), filepath.Join(dir, treeLink)); err != nil {
		t.Fatal(err)
	}
	silent("no text", "empty.patch")
	silent("no diff", "x-cover-letter.patch")
	silent("no message", "plain.patch")
	write1(t, filepath.Join(dir, ".checkpatch.conf"), "--ignore TRAILING_WHITESPACE\n")
	silent("an option file", "bad.patch")

	for _, name := range []string{"spelling.txt", "const_structs.checkpatch"} {
		path := filepath.Join(tree.Src(), "scripts", name)
		text := readFile(t, path)
		remove(t, path)
		silent("no "+name, "good.patch")
		_, err := Run(t.Context(), Params{Tree: tree, Series: seriesOf(t, map[string]string{"a.patch": good}), LogDir: t.TempDir()})
		if fault.KindOf(err) != fault.Machine || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
		write1(t, path, text)
	}
}
