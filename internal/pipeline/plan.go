package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"bzmage/internal/arch"
	"bzmage/internal/build"
	"bzmage/internal/checkpatch"
	"bzmage/internal/config"
	"bzmage/internal/fault"
	"bzmage/internal/initramfs"
	"bzmage/internal/key"
	"bzmage/internal/keyring"
	"bzmage/internal/patch"
	"bzmage/internal/qemu"
	"bzmage/internal/selftest"
	"bzmage/internal/tools"
	"bzmage/internal/unpack"
)

// What a run would do in a stage.
const (
	Run    = "run"
	Keep   = "keep"
	Depend = "depends" // on whether an earlier stage, which runs, makes something else than before
)

// Step is one stage of a plan.
type Step struct {
	Stage  string       `json:"stage"`            // as [Stages] names it
	Target string       `json:"target,omitempty"` // as in the report; empty: of all targets
	Do     string       `json:"do"`               // run, keep or depends
	Why    []key.Change `json:"why"`              // empty: keep
}

// Plan is what a verify would do.
type Plan struct {
	Line   string `json:"line"`
	Choice string `json:"choice"` // why this line
	Steps  []Step `json:"steps"`
}

// Plan says of each stage of each target whether Verify would run it and why,
// by the same look at the same inputs that Verify takes. It starts no stage,
// writes nothing and asks no network; versions of tools it asks the tools.
//
// A source that is not on this machine, a series that does not apply and a tool
// that is missing are errors, as they are for Verify.
func (p Project) Plan(ctx context.Context) (Plan, error) {
	p.looking = true
	versions, err := p.need(ctx, tools.ForBuild, tools.ForBoot)
	if err != nil {
		return Plan{}, err
	}
	line, choice, archive, err := p.archive(ctx)
	if p.Settings.Kernel == "" && strings.Contains(choice, "cannot be had") {
		p.UI.Log.Warnf("plan asks no network, verify does, and may find another line; KERNEL=%s settles it", line.Name)
	}
	plan := Plan{Line: line.Name, Choice: choice, Steps: []Step{}}
	if err != nil {
		return plan, fault.New(fault.KindOf(err), fault.HintOf(err), "plan asks no network: %w", err)
	}
	src := Patched{Source: Source{Line: line, Choice: choice}}
	var why []key.Change
	src.Tree, why, err = unpack.Look(ctx, unpack.Params{Archive: archive, Line: line, Dir: p.build("tree", line.Name), Keys: p.Keys.Ring(keyring.Developers)})
	if err != nil {
		return plan, err
	}
	plan.add("unpack", "", why)
	if len(why) > 0 {
		plan.rest(p, line.Name)
		return plan, nil
	}
	if err := p.planSeries(ctx, &plan, &src); err != nil {
		return plan, err
	}
	k := &kernel{p: p, src: src, tools: versions}
	steps, err := each(ctx, p, k.plan)
	for _, s := range steps {
		plan.Steps = append(plan.Steps, s...)
	}
	return plan, err
}

func (p *Plan) add(stage, target string, why []key.Change) {
	p.Steps = append(p.Steps, planned(stage, target, why))
}

func planned(stage, target string, why []key.Change) Step {
	s := Step{stage, target, Run, why}
	switch {
	case len(why) == 0:
		s.Do, s.Why = Keep, []key.Change{}
	case key.Undecided(why):
		s.Do = Depend
	}
	return s
}

// after is why a stage may run: an earlier one makes anew what goes in.
func after(stage string) []key.Change { return []key.Change{{Name: stage, New: key.Open}} }

// rest adds the steps of a tree that is not there yet. What was made of the
// same one before is kept.
func (p *Plan) rest(project Project, line string) {
	p.add("patch", "", key.First())
	p.add("checkpatch", "", after("unpack"))
	for _, a := range project.Settings.Archs {
		for _, stage := range []string{"configure", "build", "selftest", "initramfs", "boot"} {
			p.add(stage, project.targetName(line, a), after("unpack"))
		}
	}
}

// targetName names a target as verdicts do.
func (p Project) targetName(line string, a arch.Arch) string {
	return strings.TrimSpace(line + " " + a.Name + " " + p.Settings.Flavour + " " + p.Settings.Toolchain.Variant())
}

// planSeries looks at the stages of the series, and fills in what it makes of
// the tree.
func (p Project) planSeries(ctx context.Context, plan *Plan, src *Patched) error {
	var why []key.Change
	var err error
	src.Series, why, err = patch.Look(ctx, patch.Params{Tree: src.Tree, Series: p.path(src.Line.Patches), Log: p.UI.Log})
	if err != nil {
		return err
	}
	if src.Edits, err = patch.LookEdits(ctx, src.Tree); err != nil {
		return err
	}
	plan.add("patch", "", why)
	params, err := p.checkpatchParams(*src)
	if err != nil {
		return err
	}
	_, why, err = checkpatch.Look(params)
	plan.add("checkpatch", "", why)
	return err
}

// plan looks at the stages of a target.
func (k *kernel) plan(ctx context.Context, a arch.Arch) ([]Step, error) {
	var steps Plan
	target := k.p.targetName(k.src.Line.Name, a)
	cfg, why, err := config.Look(k.configParams(a))
	if err != nil {
		return nil, err
	}
	steps.add("configure", target, why)
	if len(why) > 0 {
		cfg.SHA256 = key.Open
	}
	built, why, err := k.planBuild(ctx, a, cfg)
	if err != nil {
		return nil, err
	}
	steps.add("build", target, why)
	pending := len(why) > 0
	if pending {
		built.Files = []build.File{{Name: built.Image, SHA256: key.Open}, {Name: "config", SHA256: cfg.SHA256}}
	}
	tests, why, err := k.planSelftests(a)
	if err != nil {
		return nil, err
	}
	steps.add("selftest", target, why)
	var open []key.Change // what goes into the archive and is not known yet
	if len(why) > 0 {
		open = after("selftest")
	}
	if pending && len(k.guest().Modules) > 0 {
		open = append(open, after("build")...)
	}
	rd, why, err := k.planInitramfs(a, built, tests, open)
	if err != nil {
		return nil, err
	}
	steps.add("initramfs", target, why)
	if len(why) > 0 {
		rd.SHA256, rd.Verifier, rd.Checks = key.Open, key.Open, []string{key.Open}
	}
	why, err = k.planBoot(ctx, a, built, rd)
	steps.add("boot", target, why)
	return steps.Steps, err
}

func (k *kernel) planBuild(ctx context.Context, a arch.Arch, cfg config.Result) (build.Result, []key.Change, error) {
	p := k.buildParams(a, cfg)
	if k.coverage() != nil {
		used, known := k.measured(a)
		if len(k.src.Series.Changed) == 0 && cfg.SHA256 != key.Open {
			now, _, ok, err := k.counted(ctx, a, p)
			if err != nil {
				return build.Result{}, nil, err
			}
			known = ok
			used = now
		}
		if err := k.count(a, &p, used); err != nil {
			return build.Result{}, nil, err
		}
		if res, why := build.Look(p); !known && len(why) == 0 {
			return res, []key.Change{{Name: "which objects count is not known"}}, nil
		}
	}
	res, why := build.Look(p)
	return res, why, nil
}

// selftestFolder is what the selftest stage reads of the tree.
const selftestFolder = "tools/testing/selftests/"

func (k *kernel) planSelftests(a arch.Arch) (selftest.Result, []key.Change, error) {
	for _, name := range k.src.Series.Changed {
		if strings.HasPrefix(name, selftestFolder) {
			return selftest.Result{}, after(name), nil
		}
	}
	return selftest.Look(k.selftestParams(a))
}

func (k *kernel) planInitramfs(a arch.Arch, b build.Result, tests selftest.Result, open []key.Change) (initramfs.Result, []key.Change, error) {
	extra, err := k.guestFiles(a)
	if err != nil {
		return initramfs.Result{}, nil, err
	}
	if len(open) == 0 {
		extra = slices.Concat(extra, selftestFiles(tests), k.guestModules(b))
	}
	rd, why, err := initramfs.Look(k.initramfsParams(a, extra))
	if len(open) == 0 || err != nil {
		return rd, why, err
	}
	why = slices.DeleteFunc(why, func(c key.Change) bool {
		return strings.HasPrefix(c.Name, selftestNames) || strings.HasPrefix(c.Name, moduleNames)
	})
	return rd, append(why, open...), nil
}

func (k *kernel) planBoot(ctx context.Context, a arch.Arch, b build.Result, rd initramfs.Result) ([]key.Change, error) {
	choice, known, err := qemu.Recall(a, k.p.build("kvm"), k.tools[a.QEMU])
	if err != nil {
		return nil, err
	}
	if !known {
		choice = qemu.Choice{Accel: qemu.TCG}
	}
	v, _, err := k.verdictOf(a, choice, b, rd)
	if err != nil {
		return nil, err
	}
	if !known {
		for _, name := range []string{"machine.accel", "machine.why", "machine.cpu", "qemu.command", "limits"} {
			v.Inputs[name] = key.Open
		}
	}
	_, why := k.lookVerdict(v)
	return why, ctx.Err()
}

// Table writes a plan for people.
func (p Plan) Table(w io.Writer) error {
	const most = 3 // changes in a row
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "STAGE\tTARGET\tDO\tWHY")
	for _, s := range p.Steps {
		var why []string
		// What is known to have changed comes first.
		slices.SortStableFunc(s.Why, func(a, b key.Change) int { return strings.Compare(open(a), open(b)) })
		for i, c := range s.Why {
			if i == most {
				why = append(why, fmt.Sprintf("and %d more", len(s.Why)-most))
				break
			}
			why = append(why, c.String())
		}
		row(tw, s.Stage, dash(s.Target), s.Do, dash(strings.Join(why, "; ")))
	}
	return tw.Flush()
}

func open(c key.Change) string {
	if c.New == key.Open {
		return c.New
	}
	return ""
}

// JSON writes a plan for programs.
func (p Plan) JSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(p)
}
