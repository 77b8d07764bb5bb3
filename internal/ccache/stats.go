package ccache

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Stats is what ccache did in one run.
type Stats struct {
	Hits   int `json:"hits"`   // objects that were in the cache, this machine's or the remote one
	Misses int `json:"misses"` // objects that were compiled, and are in the cache now
	Remote int `json:"remote"` // of the hits, those that came from the remote cache
	Passed int `json:"passed"` // calls that are nothing for a cache: links, probes, .incbin
	Failed int `json:"failed"` // calls to the remote cache that failed; the object was compiled here
}

// maxLine bounds a line of the log: the longest is a file's path.
const maxLine = 64 << 10

// ReadLog reads a stats log (ccache(1), stats_log): for each call a comment
// with the source, and the counters that went up. No file is no calls.
func ReadLog(path string) (Stats, error) {
	var s Stats
	in, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read what ccache did: %w", err)
	}
	defer in.Close()
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	var call Stats
	any := false
	end := func() {
		if any && call.Hits+call.Misses == 0 {
			s.Passed++
		}
		s.Hits, s.Misses, s.Remote, s.Failed = s.Hits+call.Hits, s.Misses+call.Misses, s.Remote+call.Remote, s.Failed+call.Failed
		call, any = Stats{}, false
	}
	for lines.Scan() {
		switch line := strings.TrimSpace(lines.Text()); line {
		case "direct_cache_hit", "preprocessed_cache_hit":
			call.Hits, any = 1, true
		case "cache_miss":
			call.Misses, any = 1, true
		case "remote_storage_hit":
			call.Remote, any = 1, true
		case "remote_storage_error", "remote_storage_timeout":
			call.Failed, any = 1, true
		default:
			if strings.HasPrefix(line, "#") {
				end()
			} else if line != "" {
				any = true
			}
		}
	}
	end()
	if err := lines.Err(); err != nil {
		return s, fmt.Errorf("read what ccache did: %w", err)
	}
	return s, nil
}

// Rate returns how many percent of what can be in a cache was.
func (s Stats) Rate() float64 {
	if s.Hits+s.Misses == 0 {
		return 0
	}
	return 100 * float64(s.Hits) / float64(s.Hits+s.Misses)
}

// String says it in a few words.
func (s Stats) String() string {
	text := fmt.Sprintf("%.1f %% of %d", s.Rate(), s.Hits+s.Misses)
	if s.Remote > 0 {
		text += fmt.Sprintf(", %d from the remote cache", s.Remote)
	}
	return text
}
