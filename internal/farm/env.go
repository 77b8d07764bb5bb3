package farm

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
)

// Env returns the environment of the client: state is a folder of ours, log the
// file it adds to what it did.
//
// The list of hosts ends before this machine: what is sent away is not
// compiled here unless every node fails, which is told.
func (f Farm) Env(state, log string) []string {
	if f.Kind == Icecream {
		return []string{
			"ICECC_DEBUG=debug", // else it does not say where a job went
			"ICECC_LOGFILE=" + log,
			"ICECC_REMOTE_CPP=0", // all of the preprocessing is done here
		}
	}
	return []string{
		"DISTCC_HOSTS=" + strings.Join(f.Nodes, " "),
		"DISTCC_DIR=" + state, // neither the user's hosts nor what another run thinks of them
		"DISTCC_LOG=" + log,
		"DISTCC_VERBOSE=1", // else it does not say where it went well
	}
}

// Stats is what a farm did in one run.
type Stats struct {
	Remote int            `json:"remote"`             // objects other machines compiled
	Local  int            `json:"local"`              // objects that were to be sent away, and were compiled here after all
	Own    int            `json:"own,omitempty"`      // icecream: objects its scheduler gave to this machine, or that it was not there to give to another
	Nodes  map[string]int `json:"nodes,omitempty"`    // objects by machine
	Failed []string       `json:"left_out,omitempty"` // nodes that were not used, and why
}

// String says it in a few words.
func (s Stats) String() string {
	text := fmt.Sprintf("%d objects on %d nodes", s.Remote, len(s.Nodes))
	if s.Own > 0 {
		text += fmt.Sprintf(", %d given to this machine", s.Own)
	}
	if s.Local > 0 {
		text += fmt.Sprintf(", %d compiled here after all", s.Local)
	}
	return text
}

// maxLine bounds a line of a log: distcc's repeat whole command lines.
const maxLine = 1 << 20

var (
	reDistcc = regexp.MustCompile(`^distcc\[\d+\] compile \S+ on (\S+) completed ok`)
	// A job that failed there is done again here, for the compiler's own words.
	reAgain = regexp.MustCompile(`^distcc\[\d+\] (?:\(dcc_build_somewhere\) )?Warning: failed to distribute|^distcc\[\d+\] .*remote compilation of .* failed, retrying locally`)
)

// ReadLog reads what the client logged. No file is no jobs.
func (f Farm) ReadLog(path string) (Stats, error) {
	s := Stats{Nodes: map[string]int{}}
	in, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read what the farm did: %w", err)
	}
	defer in.Close()
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	if f.Kind == Icecream {
		s.readIcecream(lines)
	} else {
		s.readDistcc(lines)
	}
	if err := lines.Err(); err != nil {
		return s, fmt.Errorf("read what the farm did: %w", err)
	}
	return s, nil
}

func (s *Stats) readDistcc(lines *bufio.Scanner) {
	for lines.Scan() {
		line := lines.Bytes()
		if m := reDistcc.FindSubmatch(line); m != nil && string(m[1]) != "localhost" {
			s.Remote++
			s.Nodes[string(m[1])]++
		} else if reAgain.Match(line) {
			s.Local++
		}
	}
}
