package selftest

import (
	"os/exec"
	"strings"
	"testing"

	"bzmage/internal/event"
)

// A selftest that fails now and then has to pass once, and only the failure
// that is known is forgiven.
func TestExcuses(t *testing.T) {
	rare := Excuse{Program: "p", Tries: 3, Says: "went back", Reason: "the reason"}
	known := Excuse{Program: "p", Says: "no namespace", Reason: "the reason"}
	for _, tt := range []struct {
		name    string
		excuse  Excuse
		runs    []string // in sh, the last one again and again
		outcome string
		why     string
		count   int
	}{
		{"passes", Excuse{}, []string{"true"}, event.Pass, "", 1},
		{"fails", Excuse{}, []string{"echo oh; exit 1"}, event.Fail, "exit status 1\noh", 1},
		{"does not apply", Excuse{}, []string{"echo no IPC; exit 4"}, event.Skip, `"no IPC`, 1},
		{"as is known", known, []string{"echo no namespace; exit 1"}, event.Skip, "the reason", 1},
		{"not as is known", known, []string{"echo no memory; exit 1"}, event.Fail, "no memory", 1},
		{"passes against its excuse", known, []string{"true"}, event.Fail, "take its excuse out", 1},
		{"rarely, and not today", rare, []string{"true"}, event.Pass, "", 1},
		{"rarely, and now", rare, []string{"echo went back; exit 1", "echo went back; kill -ABRT $$", "true"}, event.Pass, "signal: aborted", 3},
		{"always", rare, []string{"echo went back; exit 1"}, event.Fail, "went back", 3},
		{"then in another way", rare, []string{"echo went back; exit 1", "echo out of memory; exit 1"}, event.Fail, "out of memory", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			count := 0
			outcome, why := tt.excuse.Judge(func() (string, error) {
				script := tt.runs[min(count, len(tt.runs)-1)]
				count++
				out, err := exec.CommandContext(t.Context(), "sh", "-c", script).CombinedOutput()
				return string(out), err
			})
			if outcome != tt.outcome || !strings.Contains(why, tt.why) || tt.why == "" && why != "" || count != tt.count {
				t.Errorf("%s after %d runs: %s", outcome, count, why)
			}
		})
	}
}

// An excuse holds where all it names holds.
func TestExcuseIsForThisKernel(t *testing.T) {
	has := func(option string) bool { return option == "CONFIG_NET_NS=y" }
	for _, tt := range []struct {
		excuse Excuse
		want   bool
	}{
		{Excuse{Program: "p"}, true},
		{Excuse{Program: "q"}, false},
		{Excuse{Program: "p", Lines: []string{"5.4", "6.1"}}, true},
		{Excuse{Program: "p", Lines: []string{"5.4"}}, false},
		{Excuse{Program: "p", Archs: []string{"amd64"}}, false},
		{Excuse{Program: "p", Without: []string{"CONFIG_NET_NS=y"}}, false},
		{Excuse{Program: "p", Without: []string{"CONFIG_NET_NS=y", "CONFIG_UNIX=y"}}, true},
	} {
		if got := tt.excuse.Here("p", "6.1", "arm64", has); got != tt.want {
			t.Errorf("%+v: %v", tt.excuse, got)
		}
	}
}
