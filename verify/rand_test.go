package verify

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// selfRand is the file of the process that opens it.
const selfRand = "/proc/self/rand"

// size is how long the file's text is, whatever the number.
const size = 22

// readRand opens the file, reads it to the end and returns its number. A text
// of another form ends the check.
func readRand(t *testing.T, path string) int32 {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	v, err := parseRand(string(text))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return v
}

// parseRand returns the number in the text of a rand file.
func parseRand(text string) (int32, error) {
	if len(text) != size {
		return 0, fmt.Errorf("%q has %d bytes, want %d", text, len(text), size)
	}
	v, err := strconv.ParseInt(strings.TrimRight(text, " \n"), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number of 32 bits: %w", text, err)
	}
	if want := format(int32(v)); text != want {
		return 0, fmt.Errorf("%q, want %q", text, want)
	}
	return int32(v), nil
}

// format returns the text of a rand file that holds v.
func format(v int32) string { return fmt.Sprintf("%-21d\n", v) }

// openRand opens the file for as long as the check runs.
func openRand(t *testing.T, path string, flag int) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// different fails the check when the numbers look as if they did not change.
// Two of them may be equal by chance; that two pairs are, among the some
// hundred that checks read, happens less than once in 10^9 runs.
func different(t *testing.T, numbers []int32) {
	t.Helper()
	seen := map[int32]bool{}
	for _, v := range numbers {
		seen[v] = true
	}
	if len(seen) < len(numbers)-1 || len(seen) < 2 {
		t.Errorf("%d numbers, only %d different ones", len(numbers), len(seen))
	}
}
