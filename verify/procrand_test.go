package verify

import (
	"bytes"
	"errors"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"bzmage/internal/guest"
)

// procrand returns what the program prints, and its exit code.
func procrand(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	path := guest.ProcrandPath
	if !inGuest() {
		var err error
		if path, err = exec.LookPath("procrand"); err != nil {
			t.Skip("procrand is not installed: type go install ./cmd/procrand")
		}
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestRandProcrand(t *testing.T) {
	stdout, stderr, code := procrand(t, "-interval", "10ms", "-count", "5", "1")
	if code != 0 || stderr != "" {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	lines := regexp.MustCompile(`(?m)^s: (\d+) ns: (\d{1,9}) rand: (-?\d+)$`).FindAllStringSubmatch(stdout, -1)
	if len(lines) != 5 || strings.Count(stdout, "\n") != 5 {
		t.Fatalf("want 5 lines of a time and a number:\n%s", stdout)
	}
	var last time.Duration
	var numbers []int32
	for i, l := range lines {
		sec, secErr := strconv.ParseInt(l[1], 10, 32)
		ns, nsErr := strconv.ParseInt(l[2], 10, 64)
		v, err := strconv.ParseInt(l[3], 10, 32)
		if err := errors.Join(secErr, nsErr, err); err != nil {
			t.Fatal(err)
		}
		at := time.Duration(sec)*time.Second + time.Duration(ns)
		if at <= last {
			t.Errorf("line %d: %v does not come after %v", i+1, at, last)
		}
		last = at
		numbers = append(numbers, int32(v))
	}
	different(t, numbers)
}

func TestRandProcrandWithoutProcess(t *testing.T) {
	readRand(t, selfRand) // it is not the kernel that is to blame
	// 4194304 is beyond the largest number a process can have.
	stdout, stderr, code := procrand(t, "4194304")
	if want := "procrand: process 4194304: no such process\n"; code != 1 || stdout != "" || stderr != want {
		t.Errorf("exit code %d, stdout %q, stderr %q, want 1, nothing, %q", code, stdout, stderr, want)
	}
}
