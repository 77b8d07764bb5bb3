// Package neighbours says which files a process has in /proc, by its kernel's
// source. In goes the table of fs/proc/base.c; out come its entries, each with
// the config options it depends on, as a text that is kept beside the checks:
// from that and a kernel's config follows what must be there, on every arch
// and with whatever options.
package neighbours

import (
	"bufio"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Entry is one name in /proc/PID or in /proc/PID/task/TID.
type Entry struct {
	Table   string // Process or Thread
	Name    string
	Mode    fs.FileMode // type and permissions
	Options []string    // CONFIG_ names that must all be set
}

// The tables.
const (
	Process = "process" // /proc/PID
	Thread  = "thread"  // /proc/PID/task/TID
)

// Line returns the entry as it is in a record.
func (e Entry) Line() string {
	return strings.Join(append([]string{e.Table, e.Mode.String(), e.Name}, e.Options...), " ")
}

// In says whether a kernel has the entry: config are the lines of its config.
func (e Entry) In(config map[string]bool) bool {
	return !slices.ContainsFunc(e.Options, func(o string) bool { return !config[o+"=y"] })
}

// Parse reads a record: a line for each entry, in the order in which they are
// in the folder. Lines that begin with # are comments.
func Parse(text string) ([]Entry, error) {
	var all []Entry
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "#" {
			continue
		}
		if len(f) < 3 || f[0] != Process && f[0] != Thread {
			return nil, fmt.Errorf("%q is not a line of a record: %s or %s, mode, name, options", strings.TrimSpace(line), Process, Thread)
		}
		mode, err := parseMode(f[1])
		if err != nil {
			return nil, err
		}
		all = append(all, Entry{f[0], f[2], mode, f[3:]})
	}
	return all, nil
}

// parseMode reads what [fs.FileMode.String] writes.
func parseMode(text string) (fs.FileMode, error) {
	mode, known := map[byte]fs.FileMode{'-': 0, 'd': fs.ModeDir, 'L': fs.ModeSymlink}[text[0]]
	for i := range 9 {
		if len(text) == 10 && text[i+1] == "rwxrwxrwx"[i] {
			mode |= 1 << (8 - i)
		}
	}
	if !known || mode.String() != text {
		return 0, fmt.Errorf("%q is not a mode such as -r--r--r--", text)
	}
	return mode, nil
}

var (
	reTable = regexp.MustCompile(`(?s)static const struct pid_entry (tgid|tid)_base_stuff\[\] = \{\n(.*?)\n\};`)
	reEntry = regexp.MustCompile(`^(DIR|LNK|REG|ONE|NOD)\("([^"]+)",\s*(.*)\),$`)
	reIf    = regexp.MustCompile(`^#\s*(?:ifdef\s+(CONFIG_\w+)|if\s+(defined\(CONFIG_\w+\)(?:\s*&&\s*defined\(CONFIG_\w+\))*))$`)
	reName  = regexp.MustCompile(`CONFIG_\w+`)
)

// Read reads the two tables in the text of fs/proc/base.c. What it does not
// understand is an error: a table half read would be a wrong one.
func Read(source string) ([]Entry, error) {
	var all []Entry
	tables := reTable.FindAllStringSubmatch(source, -1)
	if len(tables) != 2 || tables[0][1] != "tgid" || tables[1][1] != "tid" {
		return nil, fmt.Errorf("there are %d tables of entries, want those of processes and threads", len(tables))
	}
	for i, name := range []string{Process, Thread} {
		entries, err := readTable(name, tables[i][2])
		if err != nil {
			return nil, err
		}
		all = append(all, entries...)
	}
	return all, nil
}

func readTable(table, text string) ([]Entry, error) {
	var all []Entry
	var options [][]string // of the #if around
	statement := ""
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		line := strings.TrimSpace(s.Text())
		if statement != "" || !strings.HasPrefix(line, "#") {
			statement = strings.TrimSpace(statement + " " + line)
			if statement == "" || !strings.HasSuffix(statement, "),") {
				continue // it goes on
			}
			e, err := readEntry(statement)
			if err != nil {
				return nil, err
			}
			e.Table, e.Options = table, slices.Concat(options...)
			all, statement = append(all, e), ""
			continue
		}
		if m := reIf.FindStringSubmatch(line); m != nil {
			options = append(options, reName.FindAllString(line, -1))
		} else if line == "#endif" && len(options) > 0 {
			options = options[:len(options)-1]
		} else {
			return nil, fmt.Errorf("cannot tell when this holds: %s", line)
		}
	}
	if statement != "" || len(options) > 0 {
		return nil, fmt.Errorf("the table of a %s ends within %q %q", table, statement, options)
	}
	return all, nil
}

func readEntry(statement string) (Entry, error) {
	m := reEntry.FindStringSubmatch(statement)
	if m == nil {
		return Entry{}, fmt.Errorf("this is no entry: %s", statement)
	}
	kind, name := m[1], m[2]
	if kind == "LNK" {
		return Entry{Name: name, Mode: fs.ModeSymlink | 0o777}, nil
	}
	words, _, _ := strings.Cut(m[3], ",")
	mode, err := permissions(words)
	if err != nil {
		return Entry{}, fmt.Errorf("%s: %w", name, err)
	}
	if kind == "DIR" {
		mode |= fs.ModeDir
	}
	return Entry{Name: name, Mode: mode}, nil
}

// permissions reads a mode in C: 0644, or S_IRUGO|S_IWUSR.
func permissions(words string) (fs.FileMode, error) {
	var mode fs.FileMode
	for word := range strings.SplitSeq(words, "|") {
		bits, known := map[string]fs.FileMode{
			"S_IFREG": 0, "S_IRUSR": 0o400, "S_IWUSR": 0o200, "S_IXUSR": 0o100,
			"S_IRUGO": 0o444, "S_IWUGO": 0o222, "S_IXUGO": 0o111,
		}[strings.TrimSpace(word)]
		if !known {
			n, err := strconv.ParseUint(strings.TrimSpace(word), 8, 9)
			if err != nil || !strings.HasPrefix(strings.TrimSpace(word), "0") {
				return 0, fmt.Errorf("%q is not a mode", words)
			}
			bits = fs.FileMode(n)
		}
		mode |= bits
	}
	return mode, nil
}
