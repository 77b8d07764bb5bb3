package pipeline

import (
	"context"
	"errors"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"bzmage/internal/boot"
	"bzmage/internal/compile"
	"bzmage/internal/config"
	"bzmage/internal/fault"
	"bzmage/internal/update"
)

// Built is what is compared of two releases, by arch.
type Built struct {
	Configs  map[string][]byte
	Warnings map[string][]string // that the compilers said; none where nothing was compiled anew
	Verdicts []boot.Verdict
}

// Make builds the line for all archs, and boots it if verify is set. What
// there is of it comes beside an error, too.
func (p Project) Make(ctx context.Context, verify bool) (Built, error) {
	b := Built{Configs: map[string][]byte{}, Warnings: map[string][]string{}}
	var err error
	if verify {
		r, verr := p.Verify(ctx)
		b.Verdicts, err = r.Verdicts, verr
	} else {
		_, err = p.Build(ctx)
	}
	line, _, lerr := p.choose(ctx)
	if lerr != nil || ctx.Err() != nil {
		return b, errors.Join(err, lerr)
	}
	for _, a := range p.Settings.Archs {
		text, rerr := os.ReadFile(p.build("dist", line.Name, p.target(a), "config"))
		if rerr != nil && err == nil {
			err = fault.New(fault.Machine, "", "read a config: %w", rerr)
		}
		if rerr == nil {
			b.Configs[a.Name] = text
		}
		said, rerr := p.said(line.Name, p.target(a))
		if rerr != nil && err == nil {
			err = rerr
		}
		b.Warnings[a.Name] = said
	}
	return b, err
}

// reTree is where a tree lies: neither a matter of the release nor of others.
var reTree = regexp.MustCompile(`\S*/build/tree/[^/\s]+/[0-9a-f]+/src/`)

// said returns the warnings in the log of a build.
func (p Project) said(line, target string) ([]string, error) {
	path, err := p.log(line, "build-"+target)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.Machine, "", "read the log of a build: %w", err)
	}
	defer f.Close()
	steps, err := compile.Read(f, "")
	if err != nil {
		return nil, fault.New(fault.Machine, "", "read the log of a build: %w", err)
	}
	said := map[string]bool{}
	for _, s := range steps {
		for _, w := range s.Findings {
			if w.Level == compile.Warning {
				w.Line = 0 // it moves from release to release
				said[reTree.ReplaceAllString(w.String(), "")] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(said)), nil
}

// compare fills in what is new in the release.
func compare(pr *update.Proposal, old, now Built, oldErr error) {
	pr.Configs = map[string]config.Difference{}
	for name, text := range now.Configs {
		if before, ok := old.Configs[name]; ok {
			pr.Configs[name] = config.Diff(before, text)
		} else {
			pr.ConfigsErr = oldErr
		}
	}
	pr.WarningsErr = oldErr
	for name, list := range now.Warnings {
		for _, w := range list {
			if !slices.Contains(old.Warnings[name], w) {
				pr.Warnings = append(pr.Warnings, name+": "+w)
			}
		}
	}
	slices.Sort(pr.Warnings)
}

// forOthers takes the folders of this machine out of an error.
func (p Project) forOthers(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(strings.ReplaceAll(reTree.ReplaceAllString(err.Error(), ""), p.Root+"/", ""))
}
