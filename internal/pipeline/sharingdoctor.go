package pipeline

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"bzmage/internal/farm"
)

// sharingFindings is doctor's word on the remote cache and the farm.
func (p Project) sharingFindings(ctx context.Context) []finding {
	var all []finding
	set := p.Settings.Sharing
	if set.Remote.Set() {
		f := finding{what: "remote cache", has: set.Remote.String() + " answers", ok: true, advice: true}
		if err := set.Remote.Reach(ctx); err != nil {
			f.ok, f.has = false, err.Error()
		}
		all = append(all, f)
	}
	if set.Farm.Set() {
		all = append(all, p.farmFindings(ctx)...)
	}
	return all
}

func (p Project) farmFindings(ctx context.Context) []finding {
	compilers, _ := p.compilers()
	if _, err := exec.LookPath(p.Settings.Sharing.Farm.Client()); err != nil {
		return nil // which is told already
	}
	if err := os.MkdirAll(p.build("farm"), 0o755); err != nil {
		return []finding{{what: "farm", has: err.Error(), advice: true}}
	}
	if p.Settings.Sharing.Farm.Kind == farm.Icecream {
		return p.icecreamFindings(ctx, compilers)
	}
	return nodeFindings(p.nodes(ctx, compilers), compilers)
}

func nodeFindings(nodes func(func(string, error) bool), compilers []farm.Compiler) []finding {
	var names []string
	for _, c := range compilers {
		names = append(names, c.Far())
	}
	var all []finding
	for node, err := range nodes {
		f := finding{what: "node " + node, has: fmt.Sprintf("compiles as this machine does, with %s", strings.Join(names, ", ")), ok: err == nil, advice: true}
		if err != nil {
			f.has = err.Error()
		}
		all = append(all, f)
	}
	return all
}
