package farm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// schedulerPort is where icecream's scheduler listens for daemons. For people
// it listens on the next one (icecream's README, "Network setup for Icecream
// (firewalls)").
const schedulerPort = 8765

// soon is how long the scheduler may take to answer.
const soon = 5 * time.Second

// Scheduler returns the host:port of icecream's scheduler.
func (f Farm) Scheduler() string {
	host, port, found := strings.Cut(f.Nodes[0], ":")
	if !found {
		port = strconv.Itoa(schedulerPort)
	}
	return net.JoinHostPort(host, port)
}

// Reach says whether icecream's scheduler and the iceccd of this machine
// answer: without one of them all is compiled here.
func (f Farm) Reach(ctx context.Context) error {
	dialer := net.Dialer{Timeout: soon}
	conn, err := dialer.DialContext(ctx, "tcp", f.Scheduler())
	if err != nil {
		return fmt.Errorf("the scheduler does not answer: %w", err)
	}
	conn.Close()
	_, err = Daemon(ctx)
	return err
}

// Daemon returns where the iceccd of this machine answers. It looks where icecc
// does (get_local_daemon in its client/main.cpp).
func Daemon(ctx context.Context) (string, error) {
	dialer := net.Dialer{Timeout: soon}
	for _, at := range []struct{ network, addr string }{
		{"unix", "/var/run/icecc/iceccd.socket"},
		{"unix", "/var/run/iceccd.socket"},
		{"unix", filepath.Join(os.Getenv("HOME"), ".iceccd.socket")},
		{"tcp", "127.0.0.1:10245"},
	} {
		if conn, err := dialer.DialContext(ctx, at.network, at.addr); err == nil {
			conn.Close()
			return at.addr, nil
		}
	}
	return "", errors.New("no iceccd runs on this machine, and icecc sends nothing without")
}

// Node is a machine that icecream's scheduler knows.
type Node struct {
	Name, Addr string
	Platform   string // whose programs it runs
	Own        bool   // it is this one
	Jobs       int    // how many it takes at once
}

// most of what a scheduler says is read.
const mostSaid = 1 << 20

var reNode = regexp.MustCompile(`^ ([A-Za-z0-9._-]{1,253}) \(([0-9.]{7,15}):\d+\) \[([A-Za-z0-9_]{1,32})\] speed=\S+ jobs=\d+/(\d{1,5}) `)

// Members asks icecream's scheduler for the machines it knows.
func (f Farm) Members(ctx context.Context) ([]Node, error) {
	host, port, err := net.SplitHostPort(f.Scheduler())
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: soon}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(n+1)))
	if err != nil {
		return nil, fmt.Errorf("the scheduler does not say which nodes it has: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(soon)); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, "listcs\nquit\n"); err != nil {
		return nil, fmt.Errorf("ask the scheduler for its nodes: %w", err)
	}
	// The daemon here comes to the scheduler from the address we do.
	own, _, _ := net.SplitHostPort(conn.LocalAddr().String())
	return readMembers(conn, own)
}

func readMembers(in io.Reader, own string) ([]Node, error) {
	var all []Node
	lines := bufio.NewScanner(io.LimitReader(in, mostSaid))
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		if line == "200 done" {
			return all, nil
		}
		if m := reNode.FindStringSubmatch(line); m != nil && len(all) < mostNodes {
			jobs, _ := strconv.Atoi(m[4])
			all = append(all, Node{Name: m[1], Addr: m[2], Platform: m[3], Own: m[2] == own, Jobs: jobs})
		}
	}
	return nil, errors.Join(errors.New("the scheduler breaks off while it lists its nodes"), lines.Err())
}

// reJob finds what icecc logs of a job: its start, the machine the scheduler
// gave it, and whether it was compiled here. It does not only look where a
// line begins: icecc writes a long line and its end in two pieces, and what
// another process writes comes between.
var reJob = regexp.MustCompile(`ICECC\[(\d+)\] [0-9-]{10} [0-9:]{8}: (?:(invoked as: )|Have to use host ([^\s:]+):\d+ |(building myself, but telling localhost)|(invoking: ))`)

// job is one process of icecc.
type job struct {
	node      string // the machine it was sent to
	own, here bool   // the scheduler gave it to this machine; it was compiled here
}

func (s *Stats) add(j job) {
	switch {
	case j.own:
		s.Own++
	case j.here:
		s.Local++
	case j.node != "":
		s.Remote++
		s.Nodes[j.node]++
	}
}

// readIcecream reads the log of icecc, which many processes write at once.
func (s *Stats) readIcecream(lines *bufio.Scanner) {
	jobs := map[string]job{}
	for lines.Scan() {
		for _, m := range reJob.FindAllStringSubmatch(lines.Text(), -1) {
			j := jobs[m[1]]
			switch {
			case m[2] != "": // another process of that number
				s.add(j)
				j = job{}
			case m[3] != "":
				j.node = m[3]
			case m[4] != "":
				j.own = true
			case m[5] != "":
				j.here = true
			}
			jobs[m[1]] = j
		}
	}
	for _, j := range jobs {
		s.add(j)
	}
}
