package bench

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"bzmage/internal/run"
)

// Machine is what was measured on.
type Machine struct {
	CPU      string            `json:"cpu"` // the model, as /proc/cpuinfo has it
	Cores    int               `json:"cores"`
	Memory   int64             `json:"memory"`    // bytes
	DiskFree int64             `json:"disk_free"` // bytes, where the measuring is done
	Load     float64           `json:"load"`      // of the last minute, when the run began
	Loaded   bool              `json:"loaded"`    // too much for figures that count
	Kernel   string            `json:"kernel"`    // uname -r
	System   string            `json:"system"`    // of os-release(5)
	Tools    map[string]string `json:"tools"`     // name: version
}

// quiet is how much load a core may have before the figures are called those
// of a loaded machine.
const quiet = 0.2

// look fills in what the machine itself knows.
func look(dir string, tools map[string]string) Machine {
	m := Machine{CPU: cpuModel(), Cores: runtime.NumCPU(), Tools: map[string]string{"go": runtime.Version()}, System: system()}
	for name, v := range tools {
		m.Tools[name] = v
	}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		m.Memory = int64(info.Totalram) * int64(info.Unit)
		// sysinfo(2): the load has 16 bits behind the point.
		m.Load = math.Round(float64(info.Loads[0])/(1<<16)*100) / 100
	}
	m.Loaded = m.Load > m.quiet()
	var disk unix.Statfs_t
	if unix.Statfs(dir, &disk) == nil {
		m.DiskFree = int64(disk.Bavail) * int64(disk.Bsize)
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	return m
}

// name is what makes two machines the same for figures.
func (m Machine) name() string {
	return fmt.Sprintf("%s, cores: %d, memory: %d MiB", m.CPU, m.Cores, m.Memory>>20)
}

// quiet is the load up to which the figures count.
func (m Machine) quiet() float64 { return quiet * float64(m.Cores) }

func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	if v := field(string(text), "model name", ":"); v != "" {
		return v
	}
	return runtime.GOARCH // arm64 names no model
}

func system() string {
	text, _ := os.ReadFile("/etc/os-release")
	v, err := strconv.Unquote(field(string(text), "PRETTY_NAME", "="))
	if err != nil {
		return "Linux"
	}
	return v
}

// field returns the first value of a name in a text of lines.
func field(text, name, between string) string {
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(line, between)
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// commit returns the checkout's commit, or unknown.
func commit(ctx context.Context, root string) string {
	git := func(args ...string) (string, error) {
		return run.Output(ctx, run.Cmd{Argv: append([]string{"git"}, args...), Dir: root, Env: run.Env()})
	}
	id, err := git("rev-parse", "--short=12", "HEAD")
	if err != nil {
		return "unknown"
	}
	if changed, err := git("status", "--porcelain"); err != nil || changed != "" {
		id += "-dirty"
	}
	return id
}
