package pipeline

import (
	"os"

	"golang.org/x/term"

	"bzmage/internal/boot"
	"bzmage/internal/fault"
	"bzmage/internal/report"
)

// checkShell refuses a VERIFY_SHELL that cannot be had, before anything is
// built.
func (p Project) checkShell() error {
	switch {
	case !p.Settings.Checks.Shell:
		return nil
	case len(p.Settings.Archs) != 1:
		return fault.New(fault.Usage, "ARCH="+p.Settings.Archs[0].Name, "VERIFY_SHELL=1 takes one arch: one terminal cannot be joined to two guests")
	case p.Terminal == nil || !term.IsTerminal(int(p.Terminal.Fd())):
		return fault.New(fault.Usage, "run it in a terminal, or without VERIFY_SHELL", "VERIFY_SHELL=1 takes a terminal to type in, and standard input is none")
	}
	return nil
}

// shell is what joins the terminal to the guest of v after its verdict has been
// written; nil if nobody asked for it.
func (k *kernel) shell(v boot.Verdict) *boot.Shell {
	if !k.p.Settings.Checks.Shell {
		return nil
	}
	return &boot.Shell{Terminal: k.p.Terminal, Out: os.Stdout, Judge: func(o boot.Outcome) error {
		v.Judge(o)
		k.p.UI.Progress(v.Arch, "")
		k.p.UI.Log.Infof("boot: %s: %s %s", v.Arch, v.Verdict, v.Reason)
		return report.Write(k.p.build("reports", k.src.Line.Name), k.report([]boot.Verdict{v}))
	}}
}
