package reproduce

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bzmage/internal/run"
)

// tell is a program that writes down where it runs.
const tell = `#!/bin/sh
{ echo folder $PWD; echo home $HOME; echo zone $TZ; echo locale $LC_ALL; echo user $(id -un); echo host $(uname -n); echo umask $(umask)
echo jobs $JOBS; echo args "$@"; echo setting $KERNEL; echo leftovers $(ls build 2>/dev/null); echo cached $(cat $XDG_CACHE_HOME/bzmage/sha256/a/archive); } > told
printf 'made:\n\t@date +%%s > clock; touch touched\n' > Makefile
make -s && test ! -e x.log
`

func prepare(t *testing.T, script string) (*Second, string) {
	t.Helper()
	for _, tool := range []string{"make", "git", "go"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	root, cache := checkout(t), t.TempDir()
	git(t, root, "init", "-q")
	program, archive := filepath.Join(t.TempDir(), "program"), filepath.Join(cache, "sha256", "a", "archive")
	if err := errors.Join(os.WriteFile(program, []byte(script), 0o700), os.MkdirAll(filepath.Dir(archive), 0o755), os.WriteFile(archive, []byte("bytes"), 0o644)); err != nil {
		t.Fatal(err)
	}
	s, err := Prepare(t.Context(), Params{
		Root: root, Program: program, Args: []string{"one", "two words"}, Env: []string{"KERNEL=6.1"}, Cache: cache, Jobs: 3,
		Reads: []string{archive, root}, Space: 1 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Remove(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(s.dir); err == nil {
			t.Errorf("%s is still there", s.dir)
		}
		if text, err := os.ReadFile(archive); err != nil || string(text) != "bytes" {
			t.Errorf("the download is %q, %v", text, err)
		}
	})
	return s, root
}

// Each property that is said to be another one is.
func TestSecond(t *testing.T) {
	s, root := prepare(t, tell)
	log := filepath.Join(t.TempDir(), "log")
	if err := s.Run(t.Context(), log); err != nil {
		out, _ := os.ReadFile(log)
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(s.Root, "told"))
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		told[name] = value
	}
	for name, want := range map[string]string{"folder": s.Root, "home": s.home(), "jobs": "2", "args": "one two words", "setting": "6.1", "leftovers": "", "cached": "bytes"} {
		if told[name] != want {
			t.Errorf("%s is %q, want %q", name, told[name], want)
		}
	}
	if len(s.Root) == len(root) || inside(s.Root, root) || inside(root, s.Root) {
		t.Errorf("%s and %s", root, s.Root)
	}
	for what, name := range map[string]string{"TZ": "zone", "LC_ALL": "locale", "host name": "host", "umask": "umask", "user": "user"} {
		i := slices.IndexFunc(s.Changes, func(c Change) bool { return c.What == what })
		if i < 0 {
			t.Errorf("nothing is said of %s", what)
			continue
		}
		c := s.Changes[i]
		if c.Why != "" {
			t.Logf("%s is the same: %s", what, c.Why)
		} else if strings.TrimLeft(told[name], "0") != strings.TrimLeft(c.Second, "0") && !strings.HasPrefix(c.Second, told[name]+",") || c.Second == c.First {
			t.Errorf("%s is %q, was said to be %q, after %q", what, told[name], c.Second, c.First)
		}
	}
	wantClock(t, s)
}

// wantClock: make has another time of day, and files have the real one.
func wantClock(t *testing.T, s *Second) {
	t.Helper()
	i := slices.IndexFunc(s.Changes, func(c Change) bool { return c.What == "clock" })
	if s.Changes[i].Why != "" {
		if os.Getenv("CI") == "true" {
			t.Error(s.Changes[i].Why)
		}
		t.Skip(s.Changes[i].Why)
	}
	cmd := exec.Command("sh", "-c", `now=$(date +%s); read then < clock; echo $(( (then - now + 3600) / 86400 )) $(( (now - $(stat -c %Y touched)) / 3600 ))`)
	cmd.Dir = s.Root
	if out, err := cmd.Output(); err != nil || strings.TrimSpace(string(out)) != "400 0" {
		t.Errorf("the clock is %s days ahead, a touched file hours old; %v; want 400 0", out, err)
	}
}

// A second build that fails says how, and leaves its log.
func TestSecondFails(t *testing.T) {
	s, _ := prepare(t, "#!/bin/sh\necho error: no luck >&2\nexit 8\n")
	log := filepath.Join(t.TempDir(), "log")
	err := s.Run(t.Context(), log)
	var exit *run.ExitError
	if !errors.As(err, &exit) || exit.Code != 8 || !slices.Contains(exit.Tail, "error: no luck") {
		t.Errorf("%v", err)
	}
}

func TestNoRoom(t *testing.T) {
	_, err := Prepare(t.Context(), Params{Root: checkout(t), Cache: t.TempDir(), Space: 1 << 60})
	if err == nil || !strings.Contains(err.Error(), "MB free") {
		t.Error(err)
	}
}
