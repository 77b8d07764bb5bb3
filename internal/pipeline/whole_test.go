package pipeline

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bzmage/internal/ci"
	"bzmage/internal/testhost"
)

// TestWholePipeline has gitlab-ci-local run this checkout's .gitlab-ci.yml in a
// copy, as a runner does: lint, the matrix, the child pipeline that it makes
// with its builds, verdicts and second build, and on a tag the gates and the
// release, to a server in this test. `mage testPipeline` runs it.
//
// What a runner has and gitlab-ci-local has not is taken out of the copy first,
// by [outer.fit]. What it says is not believed by its exit code: it is 0 when a
// job of the child failed.
func TestWholePipeline(t *testing.T) {
	if testing.Short() || os.Getenv("BZMAGE_PIPELINE") == "" {
		t.Skip("runs a whole pipeline for most of an hour; go tool mage testPipeline runs it")
	}
	o := newOuter(t)
	out := o.run()
	for name, want := range o.wanted() {
		if got := resultOf(out, name); got != want {
			t.Errorf("job %q: %s, want %s", name, got, want)
		}
	}
	if o.tag != "" {
		o.wantReleased()
	}
}

// outer is where the pipeline runs.
type outer struct {
	t      *testing.T
	module string // this checkout
	work   string // all of the test
	repo   string // the copy
	line   string
	tag    string // empty: a branch's pipeline
	server *testhost.GitLab
	env    []string
}

func newOuter(t *testing.T) *outer {
	module, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	o := &outer{t: t, module: module, work: filepath.Join(module, "build", "pipeline"), line: os.Getenv("KERNEL"), server: testhost.NewGitLab()}
	t.Cleanup(o.server.Close)
	o.repo = filepath.Join(o.work, "repo")
	if o.line == "" {
		o.line = "6.1"
	}
	if os.Getenv("ARCH") == "" && os.Getenv("TOOLCHAIN") == "" {
		o.tag = "v" + o.line + "-pipeline"
	}
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); name != "KERNEL" { // the tag has to tell
			o.env = append(o.env, kv)
		}
	}
	o.install()
	o.copy()
	return o
}

func (o *outer) sh(dir string, argv ...string) string {
	o.t.Helper()
	cmd := exec.CommandContext(o.t.Context(), argv[0], argv[1:]...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		var text []byte
		if exit, ok := err.(*exec.ExitError); ok {
			text = exit.Stderr
		}
		o.t.Fatalf("%s: %v\n%s%s", strings.Join(argv, " "), err, out, text)
	}
	return strings.TrimSpace(string(out))
}

func (o *outer) write(path, text string) {
	o.t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o600)
	}
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *outer) read(path string) string {
	o.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		o.t.Fatal(err)
	}
	return string(text)
}

// install has npm get the very packages that the lock file names by hash.
// 4.73.0 is the newest that starts on Node.js 20.
func (o *outer) install() {
	from := filepath.Join("testdata", "gitlab-ci-local")
	for _, name := range []string{"package.json", "package-lock.json"} {
		o.write(filepath.Join(o.work, name), o.read(filepath.Join(from, name)))
	}
	o.sh(o.work, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
}

// copy makes a repository of all that git knows here, with what is not
// committed yet, a key, and a tag.
func (o *outer) copy() {
	if err := os.RemoveAll(o.repo); err != nil {
		o.t.Fatal(err)
	}
	for _, name := range strings.Split(o.sh(o.module, "git", "ls-files", "-co", "--exclude-standard"), "\n") {
		if info, err := os.Stat(filepath.Join(o.module, name)); err != nil || !info.Mode().IsRegular() {
			continue // it was removed
		}
		o.write(filepath.Join(o.repo, name), o.read(filepath.Join(o.module, name)))
	}
	yml := filepath.Join(o.repo, ".gitlab-ci.yml")
	o.write(yml, o.fit(o.read(yml)))
	key := filepath.Join(o.work, "key")
	_ = os.Remove(key)
	o.sh(o.work, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "releaser", "-f", key)
	o.write(filepath.Join(o.repo, "configs", "keys", "release", "releaser.pub"), o.read(key+".pub"))
	o.sh(o.repo, "git", "init", "-q", "-b", "main")
	o.sh(o.repo, "git", "add", "-A")
	o.sh(o.repo, "git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "all")
	o.sh(o.repo, "git", "remote", "add", "origin", "https://gitlab.test/group/name.git")
	variables := map[string]string{"BZMAGE_LINES": o.line, "CI": "true"}
	if o.tag != "" {
		o.sh(o.repo, "git", "tag", o.tag)
		o.server.Tags[o.tag] = o.sh(o.repo, "git", "rev-parse", "HEAD")
		variables["CI_COMMIT_TAG"], variables["PUBLISH_TO"] = o.tag, "gitlab:group/name"
		variables["CI_API_V4_URL"], variables["GITLAB_TOKEN"] = o.server.API(), o.server.Token
		o.env = append(o.env, "SIGN_KEY="+key) // in the file it would be taken for a file's text
	}
	// The variables of the project, which a child pipeline has too.
	text := "global:\n"
	for name, value := range variables {
		text += fmt.Sprintf("  %s: %q\n", name, value)
	}
	o.write(filepath.Join(o.work, ".gitlab-ci-local", "variables.yml"), text)
}

var (
	reImage   = regexp.MustCompile(`(?m)^image: .*\n`)
	reAfter   = regexp.MustCompile(`(?m)^  after_script: \[(.*)\]\n`)
	reMake    = regexp.MustCompile(`(?m)^    - .*go tool mage setup .*$`)
	reFolders = regexp.MustCompile(`(?m)^  (GOMODCACHE|GOCACHE|XDG_CACHE_HOME): .*$`)
)

// fit makes .gitlab-ci.yml fit for gitlab-ci-local: no image, as there is no
// container; what is done after a script as its last line, as another checkout
// would take the place of this one before that; the caches of this machine. And
// the job that this is a part of is no part of it.
func (o *outer) fit(text string) string {
	o.t.Helper()
	after := reAfter.FindStringSubmatch(text)
	if after == nil || !reImage.MatchString(text) || len(reFolders.FindAllString(text, -1)) != 3 || !strings.Contains(text, "\ntest:\n") {
		o.t.Fatal(".gitlab-ci.yml is not what this test knows")
	}
	text = reImage.ReplaceAllString(reAfter.ReplaceAllString(text, ""), "")
	text = reMake.ReplaceAllString(text, "$0\n    - "+after[1])
	text = strings.Replace(text, "\ntest:\n", "\n.test:\n", 1)
	dirs := map[string]string{"XDG_CACHE_HOME": os.Getenv("XDG_CACHE_HOME")}
	if dirs["XDG_CACHE_HOME"] == "" {
		dirs["XDG_CACHE_HOME"] = filepath.Join(os.Getenv("HOME"), ".cache")
	}
	for _, name := range []string{"GOMODCACHE", "GOCACHE"} {
		dirs[name] = o.sh(o.module, "go", "env", name)
	}
	return reFolders.ReplaceAllStringFunc(text, func(line string) string {
		name, _, _ := strings.Cut(strings.TrimSpace(line), ":")
		return "  " + name + ": " + dirs[name]
	})
}

// run runs the pipeline and returns what it printed, which is shown too.
func (o *outer) run() string {
	o.t.Helper()
	argv := []string{"--home", o.work, "--shell-isolation", "--no-artifacts-to-source", "--concurrency", "1",
		"--ignore-predefined-vars", "CI,CI_COMMIT_TAG,CI_API_V4_URL,CI_PIPELINE_SOURCE"}
	cmd := exec.CommandContext(o.t.Context(), filepath.Join(o.work, "node_modules", ".bin", "gitlab-ci-local"), argv...)
	cmd.Dir, cmd.Env = o.repo, append(o.env, "NO_COLOR=1")
	var out bytes.Buffer
	cmd.Stdout = io.MultiWriter(&out, os.Stderr)
	cmd.Stderr = cmd.Stdout
	if err := cmd.Run(); err != nil {
		o.t.Errorf("gitlab-ci-local: %v", err)
	}
	for _, secret := range []string{o.server.Token, "PRIVATE KEY"} {
		if strings.Contains(out.String(), secret) {
			o.t.Errorf("%q is in the log", secret)
		}
	}
	return out.String()
}

// resultOf reads the summary of a pipeline, or of a child.
func resultOf(out, name string) string {
	m := regexp.MustCompile(`(?m)^\s*(PASS|FAIL|WARN)\s+(?:\[\S+\] -> )?` + regexp.QuoteMeta(name) + `\s*$`).FindStringSubmatch(out)
	if m == nil {
		return "not run"
	}
	return m[1]
}

// wanted says what becomes of each job.
func (o *outer) wanted() map[string]string {
	p, err := Open(o.repo, func(name string) string {
		return map[string]string{"KERNEL": o.line, "ARCH": os.Getenv("ARCH"), "TOOLCHAIN": os.Getenv("TOOLCHAIN"), "HOME": os.Getenv("HOME")}[name]
	})
	if err != nil {
		o.t.Fatal(err)
	}
	jobs, err := ci.Jobs(ci.Params{File: p.File, Kernel: o.line, Archs: p.Settings.Archs, Toolchains: p.toolchains()})
	if err != nil {
		o.t.Fatal(err)
	}
	want := map[string]string{"lint": "PASS", "matrix": "PASS", "lines": "PASS", "preflight": "not run", "release": "not run", "update": "not run", "test-slow": "not run"}
	if o.tag != "" {
		want["preflight"], want["release"] = "PASS", "PASS"
	}
	for _, j := range jobs {
		want[j.Name()] = "PASS"
		if j.Role == ci.Slow {
			want[j.Name()] = "not run"
		}
	}
	return want
}

// wantReleased checks what the server has, and as a stranger would.
func (o *outer) wantReleased() {
	o.t.Helper()
	all := o.server.Releases()
	if len(all) != 1 || all[0].Tag != o.tag || len(all[0].Assets) < 20 || len(o.server.Broken()) > 0 {
		o.t.Fatalf("%d releases, and rules that were broken: %v", len(all), o.server.Broken())
	}
	names := []string{}
	for _, a := range all[0].Assets {
		names = append(names, a.Name)
	}
	for _, want := range []string{"release.json", "SHA256SUMS", "SHA256SUMS.sig", "sbom.cdx.json", "provenance.intoto.json"} {
		if !slices.Contains(names, want) {
			o.t.Errorf("no %s among %q", want, names)
		}
	}
	env := map[string]string{"PUBLISH_TO": "gitlab:group/name", "CI_API_V4_URL": o.server.API(), "HOME": os.Getenv("HOME")}
	p, err := Open(o.repo, func(name string) string { return env[name] })
	if err != nil {
		o.t.Fatal(err)
	}
	p.UI = testUI(o.t, "")
	var table bytes.Buffer
	if err := p.ReleaseCheck(o.t.Context(), o.tag, false, &table); err != nil {
		o.t.Error(err)
	}
	o.t.Logf("%d files\n%s", len(names), table.String())
}
