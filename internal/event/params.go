package event

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// What a guest does, by Params.Mode.
const (
	ModeChecks = "checks" // runs the checks, then stops the machine; the default
	ModeDemo   = "demo"   // prints rand values of process 1 until the host ends it
)

// DefaultTimeout is how long the checks may take when Params has no Timeout.
const DefaultTimeout = 5 * time.Minute

// MaxCount is how often the checks can be repeated.
const MaxCount = 1000

// prefix is what the parameters begin with. Linux takes a parameter with a dot
// in it for one of a module and does not hand it to init as an argument.
const prefix = "bzmage."

// Params is what the host tells the guest, on the kernel's command line.
type Params struct {
	ID      string        // bzmage.id: comes back in hello and done
	Release string        // bzmage.release: what uname -r has to say
	Run     string        // bzmage.run: only checks whose name matches this; see [Select]
	Bench   string        // bzmage.bench: and benchmarks whose name matches this; empty: none
	Count   int           // bzmage.count: how often all of it is run; 0: once
	Shell   bool          // bzmage.shell: after the last record, a shell on the console
	Mode    string        // bzmage.mode: ModeChecks, ModeDemo, or empty
	Timeout time.Duration // bzmage.timeout: for all checks together; 0: DefaultTimeout
}

// Words returns the words to append to a kernel command line.
func (p Params) Words() ([]string, error) {
	timeout, count, shell := "", "", ""
	if p.Timeout != 0 {
		timeout = p.Timeout.String()
	}
	if p.Count != 0 {
		count = strconv.Itoa(p.Count)
	}
	if p.Shell {
		shell = "1"
	}
	var words []string
	for _, kv := range [][2]string{
		{"id", p.ID}, {"release", p.Release}, {"run", p.Run}, {"bench", p.Bench}, {"count", count}, {"shell", shell},
		{"mode", p.Mode}, {"timeout", timeout},
	} {
		word := prefix + kv[0] + "=" + kv[1]
		if strings.Contains(kv[1], " ") {
			word = prefix + kv[0] + `="` + kv[1] + `"`
		}
		if kv[1] == "" {
			continue
		}
		if strings.ContainsFunc(kv[1], func(r rune) bool { return r < ' ' || r > '~' || r == '"' }) {
			return nil, fmt.Errorf("put %s on the kernel command line: only printable ASCII without quotes can stand there", word)
		}
		words = append(words, word)
	}
	back, err := ParseCmdline(strings.Join(words, " "))
	if err == nil && back != p {
		err = errors.New("they would not be read back as they are")
	}
	if err != nil {
		return nil, fmt.Errorf("put %q on the kernel command line: %w", words, err)
	}
	return words, nil
}

// ParseCmdline reads the parameters on a kernel command line, the text of
// /proc/cmdline. As with the kernel's own, the last of several wins. With an
// error it still returns all that could be read, so that the error can be
// reported under the right id.
func ParseCmdline(text string) (Params, error) {
	var p Params
	var errs []error
	for _, word := range split(text) {
		name, value, _ := strings.Cut(word, "=")
		if name == "--" { // the rest is for init
			break
		}
		name, ours := strings.CutPrefix(name, prefix)
		if !ours {
			continue
		}
		if err := p.set(name, value); err != nil {
			errs = append(errs, fmt.Errorf("kernel command line: %s%s: %w", prefix, name, err))
		}
	}
	return p, errors.Join(errs...)
}

func (p *Params) set(name, value string) error {
	switch name {
	case "id":
		p.ID = value
	case "release":
		p.Release = value
	case "run":
		_, err := Select(nil, value)
		p.Run = value
		return err
	case "bench":
		_, err := Select(nil, value)
		p.Bench = value
		return err
	case "count":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > MaxCount {
			return fmt.Errorf("%q is not a number from 1 to %d", value, MaxCount)
		}
		p.Count = n
	case "shell":
		if value != "1" {
			return fmt.Errorf("%q is not 1", value)
		}
		p.Shell = true
	case "mode":
		if value != "" && value != ModeChecks && value != ModeDemo {
			return fmt.Errorf("%q is neither %s nor %s", value, ModeChecks, ModeDemo)
		}
		p.Mode = value
	case "timeout":
		d, err := time.ParseDuration(value)
		if err != nil {
			return err
		}
		if d <= 0 {
			return fmt.Errorf("%v is not a time to wait", d)
		}
		p.Timeout = d
	default:
		return errors.New("there is no such parameter")
	}
	return nil
}

// split cuts a command line into words as the kernel's next_arg does: double
// quotes hide spaces, and those around a word or its value fall away.
func split(text string) []string {
	quoted := false
	words := strings.FieldsFunc(text, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && (r == ' ' || r == '\t' || r == '\n')
	})
	for i, w := range words {
		if name, value, ok := strings.Cut(w, `="`); ok && !strings.HasPrefix(w, `"`) {
			words[i] = name + "=" + strings.TrimSuffix(value, `"`)
		} else if inner, ok := strings.CutPrefix(w, `"`); ok {
			words[i] = strings.TrimSuffix(inner, `"`)
		}
	}
	return words
}
