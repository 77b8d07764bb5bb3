package target_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"bzmage/internal/pipeline"
)

// checkout is a checkout with a tiny kernel, as the scripts have it.
type checkout struct {
	t   *testing.T
	dir string
	env []string
}

func newCheckout(t *testing.T) *checkout {
	t.Helper()
	c := &checkout{t: t, dir: t.TempDir()}
	e := &testscript.Env{WorkDir: c.dir}
	if err := setUp(e, compile(t)); err != nil {
		t.Fatal(err)
	}
	c.env = append(os.Environ(), e.Vars...)
	c.env = append(c.env, "HOME="+c.dir, "XDG_CACHE_HOME=", "KERNEL=6.1")
	c.write("guest", "")
	return c
}

// listChecks tells the fake QEMU which checks its guest is to run.
func (c *checkout) listChecks() {
	c.t.Helper()
	cmd := exec.Command("go", "test", "-list", ".", "./verify")
	cmd.Dir, cmd.Env = c.dir, c.env
	list, err := cmd.Output()
	if err != nil {
		c.t.Fatal(err)
	}
	c.write("checks", strings.Join(regexp.MustCompile(`(?m)^(Test|Benchmark).*$`).FindAllString(string(list), -1), "\n")+"\n")
}

func (c *checkout) write(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

// edit changes the one file that a pattern finds.
func (c *checkout) edit(pattern, old, fresh string) {
	c.t.Helper()
	files, err := filepath.Glob(filepath.Join(c.dir, pattern))
	if err != nil || len(files) != 1 {
		c.t.Fatalf("%s: %v, %v", pattern, files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil || !bytes.Contains(text, []byte(old)) {
		c.t.Fatalf("%s does not hold %q: %v", files[0], old, err)
	}
	c.write(strings.TrimPrefix(files[0], c.dir), strings.Replace(string(text), old, fresh, 1))
}

func (c *checkout) remove(name string) {
	c.t.Helper()
	if err := os.RemoveAll(filepath.Join(c.dir, name)); err != nil {
		c.t.Fatal(err)
	}
}

// bzmage runs a target and returns what it printed; it must end well.
func (c *checkout) bzmage(args ...string) []byte {
	c.t.Helper()
	cmd := exec.Command(filepath.Join(compile(c.t), "bzmage"), args...)
	cmd.Dir, cmd.Env = c.dir, c.env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("bzmage %v: %v\n%s", args, err, stderr.Bytes())
	}
	return out
}

func (c *checkout) plan() pipeline.Plan {
	c.t.Helper()
	var p pipeline.Plan
	if err := json.Unmarshal(c.bzmage("plan", "-json"), &p); err != nil {
		c.t.Fatal(err)
	}
	return p
}

// traces are the files that a stage writes when it runs, and only then; T
// stands for the target as paths have it.
var traces = map[string]string{
	"unpack":     "build/tree/6.1/*/tree.json",
	"patch":      "build/tree/6.1/*/series.json",
	"checkpatch": "build/checkpatch/6.1.json",
	"configure":  "build/log/6.1/config-T.log",
	"build":      "build/log/6.1/build-T.log",
	"selftest":   "build/selftest/6.1/T/key.json",
	"initramfs":  "build/initramfs/6.1/T/initramfs-*.json",
	"boot":       "build/reports/6.1/console-T.log",
}

// trace returns which files a stage left, and when.
func (c *checkout) trace(s pipeline.Step) string {
	c.t.Helper()
	_, target, _ := strings.Cut(s.Target, " ") // behind the line
	name := strings.Replace(traces[s.Stage], "T", strings.ReplaceAll(target, " ", "-"), 1)
	files, err := filepath.Glob(filepath.Join(c.dir, name))
	if err != nil {
		c.t.Fatal(err)
	}
	var all []string
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			c.t.Fatal(err)
		}
		all = append(all, fmt.Sprint(f, info.ModTime().UnixNano()))
	}
	return strings.Join(all, "\n")
}

// files returns all that is in the build folder, with its times.
func (c *checkout) files() string {
	c.t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(filepath.Join(c.dir, "build"), func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			fmt.Fprintln(&all, path, info.Size(), info.ModTime().UnixNano())
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		c.t.Fatal(err)
	}
	return all.String()
}

// planCase is a change of a checkout, and what it makes of the plan.
type planCase struct {
	name   string
	change func()
	want   string // of arm64, stage by stage, where it is not keep
	ran    string // of what depends, what ran
}

// planCases change the checkout one after the other.
func planCases(t *testing.T, c *checkout) []planCase {
	const arm = "build/dist/6.1/arm64-release/"
	env := len(c.env)
	return []planCase{
		{"the first time", func() {}, "unpack=run patch=run checkpatch=depends configure=depends build=depends selftest=depends initramfs=depends boot=depends",
			"checkpatch configure build selftest initramfs boot"},
		{"nothing", func() {}, "", ""},
		{"a code line of a patch", func() { c.edit("patches/6.1/hello.patch", "+hallo", "+hullo") }, "patch=run checkpatch=run build=run boot=run", ""},
		{"the words of a patch", func() { c.edit("patches/6.1/hello.patch", "Subject: [PATCH] ", "Subject: [PATCH] now ") }, "patch=run checkpatch=run build=run boot=run", ""},
		{"a patch of Kconfig", func() {
			c.write("patches/6.1/kconfig.patch", "From: A Developer <developer@bzmage.example>\nSubject: [PATCH] Kconfig: add a file\n\nSigned-off-by: A Developer <developer@bzmage.example>\n---\n--- /dev/null\n+++ b/Kconfig\n@@ -0,0 +1 @@\n+mainmenu \"Tiny\"\n")
			c.write("patches/6.1/series", "hello.patch\nkconfig.patch\n")
		}, "patch=run checkpatch=run configure=run build=run boot=run", ""},
		{"the order of the series", func() { c.write("patches/6.1/series", "kconfig.patch\nhello.patch\n") }, "patch=run checkpatch=run build=run boot=run", ""},
		{"a comment of a fragment", func() { c.edit("configs/arm64.config", "CONFIG", "# why\nCONFIG") }, "configure=run build=depends boot=depends", ""},
		{"a line of a fragment", func() { c.edit("configs/arm64.config", "# why", "CONFIG_MORE=y") }, "configure=run build=depends boot=depends", "build boot"},
		{"a comment behind the checks", func() { c.edit("verify/zz_last_test.go", "package verify", "// again\npackage verify") }, "initramfs=run boot=depends", "?"},
		{"a file of the checks", func() {
			if err := os.MkdirAll(filepath.Join(c.dir, "verify", "testdata"), 0o755); err != nil {
				t.Fatal(err)
			}
			c.write("verify/testdata/new", "x")
		}, "initramfs=run boot=depends", "boot"},
		{"JOBS", func() { c.env = append(c.env, "JOBS=1") }, "", ""},
		{"a deleted image", func() { c.remove(arm + "Image") }, "build=run boot=depends", ""},
		{"a flipped byte in vmlinux", func() { c.edit(arm+"vmlinux", "world", "wOrld") }, "build=run boot=depends", ""},
		{"a .config that was edited", func() { c.edit("build/obj/6.1/*/arm64-release/.config", "CONFIG", "CoNFIG") }, "configure=run build=depends boot=depends", ""},
		{"a console that was altered", func() { c.edit("build/reports/6.1/console-arm64-release.log", "Linux", "linux") }, "boot=run", ""},
		{"no initramfs", func() { c.remove("build/initramfs/6.1/arm64-release/initramfs-arm64.cpio") }, "initramfs=run boot=depends", ""},
		{"no selftests", func() { c.remove("build/selftest/6.1/arm64-release") }, "selftest=run initramfs=depends boot=depends", ""},
		{"no tree", func() { c.remove("build/tree") }, "unpack=run patch=run checkpatch=depends configure=depends build=depends selftest=depends initramfs=depends boot=depends", ""},
		{"another source", func() {
			c.edit("tiny/hello.c", "world", "earth")
			c.edit("patches/6.1/hello.patch", " world", " earth")
		},
			"unpack=run patch=run checkpatch=depends configure=depends build=depends selftest=depends initramfs=depends boot=depends", "checkpatch configure build boot"},
		{"another toolchain", func() { c.env = append(c.env, "ARCH=arm64", "TOOLCHAIN=gcc-12") }, "configure=run build=run selftest=run initramfs=run boot=run", ""},
		{"one arch", func() { c.env = append(c.env[:env:env], "ARCH=arm64") }, "", ""},
	}
}

// What plan says is what verify then does, and plan itself does nothing.
func TestPlanTellsTheTruth(t *testing.T) {
	c := newCheckout(t)
	c.listChecks()
	for _, tt := range planCases(t, c) {
		if _, err := exec.LookPath("aarch64-linux-gnu-gcc-12"); err != nil && tt.name == "another toolchain" {
			continue
		}
		tt.change()
		before := c.files()
		plan := c.plan()
		if after := c.files(); after != before {
			t.Errorf("%s: plan wrote: %s\n%s", tt.name, before, after)
		}
		var traces []string
		for _, s := range plan.Steps {
			traces = append(traces, c.trace(s))
		}
		c.bzmage("verify")
		var says, ran []string
		for i, s := range plan.Steps {
			did := c.trace(s) != traces[i]
			if s.Do == pipeline.Run && !did || s.Do == pipeline.Keep && did {
				t.Errorf("%s: plan says %+v, and verify ran it: %v", tt.name, s, did)
			}
			if strings.Contains(s.Target, "x86_64") {
				continue
			}
			if s.Do != pipeline.Keep {
				says = append(says, s.Stage+"="+s.Do)
			}
			if s.Do == pipeline.Depend && did {
				ran = append(ran, s.Stage)
			}
		}
		if got := strings.Join(says, " "); got != tt.want {
			t.Errorf("%s: plan says\n%s, want\n%s\n%+v", tt.name, got, tt.want, plan)
		}
		if got := strings.Join(ran, " "); got != tt.ran && tt.ran != "?" {
			t.Errorf("%s: of what depends ran %q, want %q", tt.name, got, tt.ran)
		}
	}
}
