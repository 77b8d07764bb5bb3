package config

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"

	"bzmage/internal/fault"
)

// Option is one line of a config fragment or of a .config.
type Option struct {
	Name  string // with CONFIG_
	Value string // as it stands behind "="; "n" for "is not set"
	File  string
	Line  int
}

// String returns the option as Kconfig writes it.
func (o Option) String() string {
	if o.Value == "n" {
		return "# " + o.Name + " is not set"
	}
	return o.Name + "=" + o.Value
}

var (
	reSet   = regexp.MustCompile(`^(CONFIG_[A-Za-z0-9_]+)=(.+)$`)
	reUnset = regexp.MustCompile(`^# (CONFIG_[A-Za-z0-9_]+) is not set$`)
	reValue = regexp.MustCompile(`^([ym]|-?[0-9]+|0[xX][0-9a-fA-F]+|"([^"\\]|\\.)*")$`)
)

// Fragment is what fragments say.
type Fragment struct {
	Lines  []Option    // in order; of the same name the last one counts
	Allows []Allowance // losses that are excused
}

// ReadFragments reads fragments in order. Their names in the result, and in
// messages, are relative to root.
func ReadFragments(root string, paths []string) (Fragment, error) {
	var all Fragment
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return all, fault.New(fault.Usage, "correct the fragments in configs/kernels.toml", "read a config fragment: %w", err)
		}
		one, err := ParseFragment(strings.TrimPrefix(path, root+string(os.PathSeparator)), text)
		if err != nil {
			return all, fault.New(fault.Usage, "a line is CONFIG_NAME=value, # CONFIG_NAME is not set, or a comment", "%w", err)
		}
		all.Lines = append(all.Lines, one.Lines...)
		all.Allows = append(all.Allows, one.Allows...)
	}
	return all, nil
}

// Asked returns each option once: a later line takes the place of an earlier
// one.
func (f Fragment) Asked() []Option { return lastWins(f.Lines) }

// ParseFragment reads the text of one fragment. Unlike Kconfig it refuses what
// is neither an option, a comment nor blank: a typo must not vanish.
func ParseFragment(file string, text []byte) (Fragment, error) {
	var f Fragment
	scan := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; scan.Scan(); n++ {
		line := strings.TrimRight(scan.Text(), " \t\r")
		o := Option{File: file, Line: n}
		if a, ok, err := parseAllowance(line); err != nil {
			return Fragment{}, fmt.Errorf("%s:%d: %w", file, n, err)
		} else if ok {
			a.File, a.Line = file, n
			f.Allows = append(f.Allows, a)
			continue
		}
		if m := reUnset.FindStringSubmatch(line); m != nil {
			o.Name, o.Value = m[1], "n"
		} else if line == "" || strings.HasPrefix(line, "#") {
			if strings.HasPrefix(line, "# CONFIG_") || strings.HasPrefix(line, "#CONFIG_") {
				return Fragment{}, fmt.Errorf("%s:%d: neither an option nor a comment: %q", file, n, line)
			}
			continue
		} else if m := reSet.FindStringSubmatch(line); m != nil {
			o.Name, o.Value = m[1], m[2]
		} else {
			return Fragment{}, fmt.Errorf("%s:%d: not an option: %q", file, n, line)
		}
		if o.Value != "n" && !reValue.MatchString(o.Value) {
			return Fragment{}, fmt.Errorf("%s:%d: %s: a value is y, m, n, a number or a \"string\", not %s", file, n, o.Name, o.Value)
		}
		f.Lines = append(f.Lines, o)
	}
	if err := scan.Err(); err != nil {
		return Fragment{}, fmt.Errorf("%s: %w", file, err)
	}
	return f, nil
}

func lastWins(opts []Option) []Option {
	at := map[string]int{}
	var kept []Option
	for _, o := range opts {
		if i, ok := at[o.Name]; ok {
			kept[i] = o
			continue
		}
		at[o.Name] = len(kept)
		kept = append(kept, o)
	}
	return kept
}

// ReadConfig returns the values of a .config by name. A symbol that is "not
// set" is absent, as it is for the code that is compiled.
func ReadConfig(text []byte) map[string]string {
	values := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if m := reSet.FindStringSubmatch(strings.TrimRight(line, "\r\n")); m != nil {
			values[m[1]] = m[2]
		}
	}
	return values
}

// merge returns base with the lines of the asked options taken out and those
// options appended.
func merge(base []byte, asked []Option) []byte {
	mine := map[string]bool{}
	for _, o := range asked {
		mine[o.Name] = true
	}
	var out bytes.Buffer
	for line := range strings.Lines(string(base)) {
		bare := strings.TrimRight(line, "\r\n")
		if m := reSet.FindStringSubmatch(bare); m != nil && mine[m[1]] {
			continue
		}
		if m := reUnset.FindStringSubmatch(bare); m != nil && mine[m[1]] {
			continue
		}
		out.WriteString(bare + "\n")
	}
	for _, o := range asked {
		out.WriteString(o.String() + "\n")
	}
	return out.Bytes()
}
