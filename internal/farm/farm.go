// Package farm has other machines compile a part of a kernel's objects, through
// distcc or icecream. In go the farm as the user names it and the compilers;
// out comes a program that is put before them, which sends away what gives the
// same bytes there, and starts here what would not.
package farm

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The kinds of farms.
const (
	Distcc   = "distcc"
	Icecream = "icecream"
)

// Values says what [Parse] takes.
const Values = "distcc:host[:port],host... or icecream:scheduler[:port]"

// distccPort is where a distccd listens (distcc(1)).
const distccPort = 3632

// perNode is how many jobs a node of distcc gets at once: distcc's own limit
// for a host that names none (distcc(1), "HOST SPECIFICATIONS").
const perNode = 4

// mostNodes bounds a list.
const mostNodes = 64

// Farm is a set of machines that compile for others. The zero value is none.
type Farm struct {
	Kind  string
	Nodes []string // distcc: host:port of each; icecream: the scheduler alone
}

// reHost is a name or an address of version 4. What a shell, distcc's list of
// hosts or an option could take for something else is none.
var reHost = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,252}[A-Za-z0-9])?$`)

// Parse reads a farm; an empty value is none.
func Parse(value string) (Farm, error) {
	if value == "" {
		return Farm{}, nil
	}
	kind, list, _ := strings.Cut(value, ":")
	switch kind {
	case Distcc:
		return distcc(list)
	case Icecream:
		host, port, _ := strings.Cut(list, ":")
		if !reHost.MatchString(host) || port != "" && !isPort(port) {
			return Farm{}, errors.New("icecream: takes the scheduler's name, or name:port")
		}
		return Farm{Kind: Icecream, Nodes: []string{list}}, nil
	}
	return Farm{}, errors.New("neither distcc: nor icecream: stands before it")
}

func distcc(list string) (Farm, error) {
	f := Farm{Kind: Distcc}
	for node := range strings.SplitSeq(list, ",") {
		host, port, found := strings.Cut(node, ":")
		if !found {
			port = strconv.Itoa(distccPort)
		}
		if !reHost.MatchString(host) || !isPort(port) {
			return Farm{}, fmt.Errorf("distcc: %q is no host or host:port", node)
		}
		if host == "localhost" {
			host = "127.0.0.1" // distcc takes the name for "no network at all"
		}
		if node = net.JoinHostPort(host, port); slices.Contains(f.Nodes, node) {
			return Farm{}, fmt.Errorf("distcc: %s stands there twice", node)
		}
		f.Nodes = append(f.Nodes, node)
	}
	if len(f.Nodes) > mostNodes {
		return Farm{}, fmt.Errorf("distcc: %d nodes, and %d are the most", len(f.Nodes), mostNodes)
	}
	return f, nil
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// Set says whether there is one.
func (f Farm) Set() bool { return f.Kind != "" }

// String returns what Parse takes.
func (f Farm) String() string {
	if !f.Set() {
		return ""
	}
	return f.Kind + ":" + strings.Join(f.Nodes, ",")
}

// Client returns the program that sends jobs away.
func (f Farm) Client() string {
	if f.Kind == Icecream {
		return "icecc"
	}
	return f.Kind
}

// Jobs returns how many commands may run at once by default where cpus run
// without a farm: a job that is away takes no CPU here, but it is prepared here.
func (f Farm) Jobs(cpus int) int {
	switch f.Kind {
	case Distcc:
		return min(cpus+perNode*len(f.Nodes), 8*cpus)
	case Icecream:
		return 4 * cpus // how large the farm is only the scheduler knows
	}
	return cpus
}
