package pipeline

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bzmage/internal/boot"
	"bzmage/internal/fault"
	"bzmage/internal/publish"
)

func TestUpdateCheck(t *testing.T) {
	for _, tt := range []struct {
		name, kernel string
		noSumsKey    bool
		change       func(u *upstream)
		code         int
		text         string
	}{
		{name: "newer in the list", kernel: "5.4", code: 20, text: "5.4.2"},
		{name: "newer in releases.json", kernel: "6.1", code: 20, text: "newer release"},
		{name: "the last of a line whose end is written down", kernel: "5.4", change: func(u *upstream) { u.pin("5.4", "5.4.2") }, text: "the last release"},
		{name: "up to date", kernel: "6.1", change: func(u *upstream) { u.pin("6.1", "6.1.2") }, text: "up to date"},
		{name: "end of life", kernel: "6.1", change: func(u *upstream) {
			u.pin("6.1", "6.1.2")
			u.files["/releases.json"] = []byte(`{"releases":[{"version":"6.1.2","iseol":true}]}`)
		}, code: 20, text: "end of life"},
		{name: "another hash", kernel: "6.1", change: func(u *upstream) { u.pin("6.1", "6.1.2"); u.File.Lines[1].SHA256 = strings.Repeat("0", 64) }, code: 20, text: "withdrawn: the signed list says its sha256"},
		{name: "not listed any more", kernel: "5.4", change: func(u *upstream) { u.pin("5.4", "5.4.1"); u.File.Lines[0].Release = "5.4.0" }, code: 20, text: "later releases and not this one"},
		{name: "unreachable", change: func(u *upstream) { clear(u.files) }, code: 4, text: "not known"},
		{name: "offline", kernel: "6.1", change: func(u *upstream) { u.pin("6.1", "6.1.2"); u.Settings.Offline = true }, code: 4, text: "not known"},
		{name: "no key of the list, and releases.json does not have it", kernel: "5.4", noSumsKey: true, code: 4, text: "not known"},
		{name: "no key of the list, and releases.json has it", kernel: "6.1", noSumsKey: true, change: func(u *upstream) { u.pin("6.1", "6.1.2") }, text: "up to date"},
		{name: "a list of another's", kernel: "5.4", change: func(u *upstream) {
			u.files["/v5.x/sha256sums.asc"] = u.dev.Clearsigned(t, strings.Repeat("0", 64)+"  linux-5.4.9.tar.xz\n")
		}, code: 4, text: "not known"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := newUpstream(t, !tt.noSumsKey)
			u.Settings.Kernel = tt.kernel
			if tt.change != nil {
				tt.change(u)
			}
			var table, list bytes.Buffer
			err := u.UpdateCheck(t.Context(), &table, false)
			if code := codeOf(err); code != tt.code || !strings.Contains(table.String(), tt.text) {
				t.Errorf("exit code %d, want %d: %v\n%s", code, tt.code, err, &table)
			}
			if err2 := u.UpdateCheck(t.Context(), &list, true); codeOf(err2) != tt.code || !strings.Contains(list.String(), `"pinned"`) {
				t.Errorf("-json: %v\n%s", err2, &list)
			}
		})
	}
}

func codeOf(err error) int {
	if err == nil {
		return 0
	}
	return fault.KindOf(err).Code()
}

// pin pins a release of the test's kernel.org.
func (u *upstream) pin(line, release string) {
	for i := range u.File.Lines {
		if l := &u.File.Lines[i]; l.Name == line {
			l.Release, l.SHA256 = release, sumOf(u.files["/v"+line[:1]+".x/linux-"+release+".tar.xz"])
		}
	}
}

// board keeps requests and issues as a host does, and counts what changes.
type board struct {
	requests, issues map[string]string // branch or marker: what it says
	changes          int
	fail             error
}

func (b *board) put(m map[string]string, name, text string) (string, error) {
	if b.fail != nil {
		return "", b.fail
	}
	if m[name] != text {
		m[name], b.changes = text, b.changes+1
	}
	return "https://host/" + name, nil
}

func (b *board) Propose(_ context.Context, p publish.Proposal) (string, error) {
	return b.put(b.requests, p.Branch, fmt.Sprintf("draft %v\n%s -> %s\n%s", p.Draft, p.Title, p.Base, p.Body))
}

func (b *board) Report(_ context.Context, i publish.Issue) (string, error) {
	return b.put(b.issues, i.Marker, i.Title+"\n"+i.Body)
}

func (b *board) Settle(_ context.Context, marker, _ string) error {
	if _, ok := b.issues[marker]; ok {
		delete(b.issues, marker)
		b.changes++
	}
	return nil
}

// watch is an upstream, a remote that pins its 5.4.1, and what is made of it.
type watch struct {
	*upstream
	t      *testing.T
	bare   string
	board  *board
	failed error // of the next builds that are verified
}

func newWatch(t *testing.T) *watch {
	u := newUpstream(t, true)
	w := &watch{upstream: u, t: t, bare: filepath.Join(t.TempDir(), "origin.git"), board: &board{requests: map[string]string{}, issues: map[string]string{}}}
	for _, r := range []string{"5.4.1", "5.4.2"} {
		w.publish(r, "one\ntwo\nthree\n")
	}
	text := strings.Replace(u.toml(t), u.File.Lines[0].SHA256, sumOf(u.files["/v5.x/linux-5.4.1.tar.xz"]), 1)
	u.write(t, u.Root, text)
	dir := filepath.Join(u.Root, "patches", "5.4")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	w.put("patches/5.4/series", "0001-a.patch\n")
	w.put("patches/5.4/0001-a.patch", "From: A <a@localhost>\nSubject: [PATCH] doc: say <b>four</b> to @all | `x`\n\nWhy.\n\nSigned-off-by: A <a@localhost>\n---\n--- a/notes\n+++ b/notes\n@@ -2,6 +2,7 @@\n one\n two\n three\n+four\n x\n y\n z\n")
	w.put(".gitignore", "/build/\n/cache/\n")
	w.git("init", "-q", "-b", "trunk")
	w.git("add", "-A")
	w.git("commit", "-qm", "Begin")
	w.git("clone", "-q", "--bare", u.Root, w.bare)
	u.Settings.Kernel = "5.4"
	return w
}

func (w *watch) put(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.Root, name), []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *watch) git(args ...string) string {
	w.t.Helper()
	out, err := exec.Command("git", append([]string{"-C", w.Root, "-c", "user.name=T", "-c", "user.email=t@localhost"}, args...)...).CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// publish puts a signed release with these notes on kernel.org.
func (w *watch) publish(release, notes string) {
	w.t.Helper()
	notes = "begin\n" + notes + "x\ny\nz\nend\n"
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	r := tar.NewReader(bytes.NewReader(tinyTar(w.t, release)))
	for h, err := r.Next(); err == nil; h, err = r.Next() {
		_ = tw.WriteHeader(h)
		var body bytes.Buffer
		_, _ = body.ReadFrom(r)
		_, _ = tw.Write(body.Bytes())
	}
	_ = tw.WriteHeader(&tar.Header{Name: "linux-" + release + "/notes", Mode: 0o644, Size: int64(len(notes)), Typeflag: tar.TypeReg})
	_, _ = tw.Write([]byte(notes))
	_ = tw.Close()
	base := "/v5.x/linux-" + release
	w.files[base+".tar.xz"], w.files[base+".tar.sign"] = packed(b.Bytes()), w.dev.Detached(w.t, b.Bytes())
	list := ""
	for name, data := range w.files {
		if strings.HasSuffix(name, ".tar.xz") && strings.HasPrefix(name, "/v5.x/") {
			list += sumOf(data) + "  " + filepath.Base(name) + "\n"
		}
	}
	w.files["/v5.x/sha256sums.asc"] = w.sums.Clearsigned(w.t, list)
}

// run is one update:pr, whose kernels are made by a function.
func (w *watch) run() error {
	var out bytes.Buffer
	err := w.UpdatePR(w.t.Context(), &out, UpdateParams{Remote: Remote{URL: w.bare, User: "x", Token: "secret"}, Requests: w.board,
		Build: func(_ context.Context, q Project, verify bool) (Built, error) {
			l, _ := q.File.Line("5.4")
			b := Built{Configs: map[string][]byte{"arm64": []byte("CONFIG_A=y\n")}, Warnings: map[string][]string{"arm64": {"old"}}}
			if !verify {
				return b, nil
			}
			b.Configs["arm64"] = []byte("CONFIG_A=y\nCONFIG_NEW=y\n")
			b.Warnings["arm64"] = append(b.Warnings["arm64"], "a.c: warning: ``` new")
			b.Verdicts = []boot.Verdict{{Line: "5.4", Arch: "arm64", Flavour: "release", Release: l.Release, Verdict: boot.Pass}}
			return b, w.failed
		}})
	w.t.Logf("%v\n%s", err, &out)
	return err
}

func (w *watch) branch() string {
	out, _ := exec.Command("git", "-C", w.bare, "rev-parse", "--verify", "-q", "refs/heads/bzmage/update-5.4").Output()
	return strings.TrimSpace(string(out))
}

func (w *watch) at(ref, path string) string {
	out, _ := exec.Command("git", "-C", w.bare, "show", ref+":"+path).Output()
	return string(out)
}

func (w *watch) request() string { return w.board.requests["bzmage/update-5.4"] }

// A newer release is one request; the same again changes nothing; a still
// newer one refreshes it. The user's own files stay, dirty as they are.
func TestUpdatePR(t *testing.T) {
	w := newWatch(t)
	w.put("patches/5.4/series", "# edited, not committed\n")
	before := w.git("status", "--porcelain")
	w.board.fail = errors.New("cut off")
	if err := w.run(); err == nil || w.branch() == "" || w.request() != "" {
		t.Fatalf("between push and request: %v", err)
	}
	w.board.fail = nil
	pushed := w.branch()
	if err := w.run(); err != nil || w.branch() != pushed {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"draft false", "linux 5.4.1 → 5.4.2 -> trunk", "sums-signed, tar-signed", "| 0001-a.patch | clean |", "1 added", "NEW", "````text\narm64: a.c: warning: ``` new", "| pass |"} {
		if !strings.Contains(w.request(), want) {
			t.Errorf("the request lacks %q:\n%s", want, w.request())
		}
	}
	if !strings.Contains(w.at(pushed, "configs/kernels.toml"), `release = "5.4.2" # the last`) {
		t.Error("the branch does not pin it")
	}
	changes := w.board.changes
	if err := w.run(); err != nil || w.branch() != pushed || w.board.changes != changes {
		t.Errorf("again: %v; changes %d", err, w.board.changes-changes)
	}
	w.publish("5.4.3", "zero\none\ntwo\nthree\n")
	if err := w.run(); err != nil || w.branch() == pushed || len(w.board.requests) != 1 || !strings.Contains(w.request(), "5.4.3") || !strings.Contains(w.request(), "1 hunks moved") {
		t.Errorf("newer again: %v\n%s", err, w.request())
	}
	if after := w.git("status", "--porcelain"); after != before {
		t.Errorf("the checkout changed: %s", after)
	}
	// The remote's own main branch was not moved, and the branch is one commit on it.
	if n := w.git("--git-dir", w.bare, "rev-list", "--count", "trunk..bzmage/update-5.4"); n != "1" {
		t.Errorf("%s commits", n)
	}
}

func TestUpdatePRUpstream(t *testing.T) {
	w := newWatch(t)
	w.publish("5.4.2", "one\ntwo\nthree\nfour\n")
	if err := w.run(); err != nil || !strings.Contains(w.request(), "dropped: ") {
		t.Errorf("got %v\n%s", err, w.request())
	}
	if w.at(w.branch(), "patches/5.4/0001-a.patch") != "" || strings.Contains(w.at(w.branch(), "patches/5.4/series"), "0001") {
		t.Error("the patch is still there")
	}
}

// What does not fit is an issue, which the first run that fits settles.
func TestUpdatePRConflict(t *testing.T) {
	w := newWatch(t)
	w.publish("5.4.2", "one\nTWO\nthree\n")
	for range 2 {
		err := w.run()
		issue := w.board.issues["bzmage-update-conflict-5.4"]
		if codeOf(err) != 5 || w.branch() != "" || w.request() != "" || w.board.changes != 1 || !strings.Contains(issue, "TWO") || !strings.Contains(issue, "+four") {
			t.Fatalf("got %v, %d changes\n%s", err, w.board.changes, issue)
		}
	}
	w.publish("5.4.3", "one\ntwo\nthree\n")
	if err := w.run(); err != nil || len(w.board.issues) != 0 || w.request() == "" {
		t.Errorf("got %v, %v", err, w.board.issues)
	}
}

// A kernel that fails is a draft, with the fault's exit code.
func TestUpdatePRFails(t *testing.T) {
	w := newWatch(t)
	w.failed = fault.New(fault.CheckFailed, "", "TestRand failed, see %s/build/log", w.build("update", "5.4", "checkout"))
	if err := w.run(); codeOf(err) != 10 || !strings.Contains(w.request(), "draft true") || !strings.Contains(w.request(), "TestRand failed, see ") {
		t.Errorf("got %v\n%s", err, w.request())
	}
	if strings.Contains(w.request(), w.Root) {
		t.Errorf("it names a folder of this machine:\n%s", w.request())
	}
	w.failed = nil
	if err := w.run(); err != nil || !strings.Contains(w.request(), "draft false") {
		t.Errorf("got %v\n%s", err, w.request())
	}
}

// A machine that fails says nothing of a release, and nothing is proposed.
func TestUpdatePRMachine(t *testing.T) {
	w := newWatch(t)
	w.failed = fault.New(fault.Machine, "", "no space left")
	if err := w.run(); codeOf(err) != 3 || w.branch() != "" || w.board.changes != 0 {
		t.Errorf("got %v", err)
	}
}

// A branch that a person has pushed to is not pushed over.
func TestUpdatePRKeepsPeoplesWork(t *testing.T) {
	w := newWatch(t)
	w.git("commit", "-q", "--allow-empty", "-m", "Mine")
	w.git("push", "-q", w.bare, "HEAD:refs/heads/bzmage/update-5.4")
	mine := w.branch()
	if err := w.run(); codeOf(err) != 2 || w.branch() != mine || w.request() != "" {
		t.Errorf("got %v", err)
	}
}

// An end of life and a withdrawn release are issues while they are so.
func TestUpdatePRIssues(t *testing.T) {
	w := newWatch(t)
	delete(w.files, "/v5.x/linux-5.4.2.tar.xz")
	w.publish("5.4.1", "other bytes\n")
	if err := w.run(); err != nil || !strings.Contains(w.board.issues["bzmage-update-withdrawn-5.4"], "sha256") || w.branch() != "" {
		t.Errorf("got %v, %v", err, w.board.issues)
	}
	clear(w.files)
	if err := w.run(); codeOf(err) != 4 || len(w.board.issues) != 1 {
		t.Errorf("unreachable: %v, %v", err, w.board.issues)
	}
}

// The token is in git's environment alone, and only over https.
func TestRemoteEnv(t *testing.T) {
	for url, want := range map[string]bool{"https://github.com/a/b": true, "http://github.com/a/b": false, "/a/b": false, "git@github.com:a/b": false} {
		env := strings.Join(Remote{url, "u", "secret"}.env(), "\n")
		if got := strings.Contains(env, "Authorization: Basic dTpzZWNyZXQ="); got != want {
			t.Errorf("%s: %v", url, got)
		}
		if strings.Contains(env, "secret") {
			t.Errorf("%s: in the clear", url)
		}
	}
}
