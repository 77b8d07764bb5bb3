package pipeline

import (
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bzmage/internal/arch"
)

// reCompiled matches kbuild's step for an object, of C or assembler.
var reCompiled = regexp.MustCompile(`(?m)^  (?:CC|AS) +(\S+)$`)

// afterAnyChange are the objects that hold the release's date, or what the
// link found: kbuild makes them anew for each kernel that is not the same.
func afterAnyChange(object string) bool {
	return strings.HasPrefix(object, "init/version") || strings.HasPrefix(object, "arch/x86/boot/") ||
		strings.HasPrefix(path.Base(object), ".tmp_")
}

// compiledBy returns the objects that a log of make says were compiled, but
// for those that every change reaches.
func compiledBy(log string) []string {
	var objects []string
	for _, m := range reCompiled.FindAllStringSubmatch(log, -1) {
		if !afterAnyChange(m[1]) {
			objects = append(objects, m[1])
		}
	}
	return objects
}

// wantCompiled holds the last build of each arch to what a change of the
// series reaches: these objects and no other, and it is linked once.
func wantCompiled(t *testing.T, p Project, line string, want ...string) {
	t.Helper()
	for _, a := range arch.All() {
		text, err := os.ReadFile(p.build("log", line, "build-"+p.target(a)+".log"))
		if err != nil {
			t.Fatal(err)
		}
		if got := compiledBy(string(text)); !slices.Equal(got, want) {
			t.Errorf("%s: compiled %v, want %v", a.Name, got, want)
		}
		if n := strings.Count(string(text), "\n  LD      vmlinux\n"); n != 1 {
			t.Errorf("%s: linked %d times", a.Name, n)
		}
	}
}

func TestCompiledBy(t *testing.T) {
	const log = `make[1]: Entering directory '/x'
  SYNC    include/config/auto.conf.cmd
  CC      init/version.o
  AR      init/built-in.a
  CC      kernel/sched/base.o
  HOSTCC  scripts/mod/x.o
  AS      lib/memcpy.o
  CC      init/version-timestamp.o
  AS      .tmp_vmlinux.kallsyms2.o
  LD      vmlinux
  CC      arch/x86/boot/compressed/misc.o
`
	if got := compiledBy(log); !slices.Equal(got, []string{"kernel/sched/base.o", "lib/memcpy.o"}) {
		t.Errorf("got %v", got)
	}
}
