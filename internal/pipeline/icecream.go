package pipeline

import (
	"context"
	"fmt"

	"bzmage/internal/farm"
	"bzmage/internal/plain"
)

// allHere says what it means that icecream's scheduler gave no job to another machine.
const allHere = "icecream compiled nothing elsewhere: its scheduler has no node that is free, or the iceccd of this machine does not reach it; mage doctor tries them"

// icecream packs the compilers and has a probe compiled through the iceccd of
// this machine. If that does not work out, the farm is left out.
func (s *sharing) icecream(ctx context.Context, kernel []farm.Compiler) ([]farm.Compiler, error) {
	dir := s.p.build("farm")
	err := s.farm.Reach(ctx)
	if err == nil {
		kernel, err = farm.Pack(ctx, kernel, dir)
	}
	if err == nil {
		err = s.farm.CheckMember(ctx, "", kernel, dir)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		s.failed = append(s.failed, s.farm.Scheduler()+": "+plain.Line(err.Error(), 300))
		s.p.UI.Log.Warnf("farm: icecream is left out: %s; all is compiled on this machine", plain.Text(err.Error()))
		s.farm = farm.Farm{}
	}
	return kernel, nil
}

// icecreamFindings is doctor's word on icecream: its scheduler, the iceccd
// here, and each other machine the scheduler knows.
func (p Project) icecreamFindings(ctx context.Context, compilers []farm.Compiler) []finding {
	f := p.Settings.Sharing.Farm
	said := func(what, has string, err error) finding {
		if err != nil {
			has = err.Error()
		}
		return finding{what: what, has: has, ok: err == nil, advice: true}
	}
	where, err := farm.Daemon(ctx)
	all := []finding{said("iceccd", "answers at "+where, err)}
	members, memberErr := f.Members(ctx)
	all = append(all, said("scheduler "+f.Scheduler(), fmt.Sprintf("knows %d machines", len(members)), memberErr))
	if err != nil || memberErr != nil {
		return all
	}
	own := false
	var others []string
	for _, m := range members {
		own = own || m.Own
		if !m.Own && m.Jobs > 0 {
			others = append(others, m.Addr)
		}
	}
	if !own {
		all = append(all, finding{what: "iceccd", has: "does not come to that scheduler from this machine's address: start it with -s " + f.Scheduler(), advice: true})
	}
	if len(others) == 0 {
		return append(all, finding{what: "nodes", has: "the scheduler has no other machine that takes jobs", advice: true})
	}
	if compilers, err = farm.Pack(ctx, compilers, p.build("farm")); err != nil {
		return append(all, said("compilers", "", err))
	}
	return append(all, nodeFindings(tried(others, func(addr string) error {
		return f.CheckMember(ctx, addr, compilers, p.build("farm"))
	}), compilers)...)
}
