package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/cavaliergopher/cpio"

	"bzmage/internal/arch"
	"bzmage/internal/boot"
	"bzmage/internal/event"
	"bzmage/internal/qemu"
	"bzmage/internal/run"
	"bzmage/internal/tools"
)

// bootAll boots one arch after the other.
func (p tooling) bootAll(ctx context.Context) error {
	for _, a := range p.lab.p.Set.Archs {
		initramfs, err := p.lab.ours.initramfs(a)
		if err != nil {
			return err
		}
		if err := p.boot(ctx, a, filepath.Join(p.obj(a), a.BootImage().Path), initramfs, true); err != nil {
			return err
		}
	}
	return nil
}

// boot starts QEMU as bzmage does, with a file in place of the host's end of
// the port. With checks, the last record in that file has to be the guest's
// word that they passed.
func (p tooling) boot(ctx context.Context, a arch.Arch, image, initramfs string, checks bool) error {
	v, err := p.lab.verdict(a)
	if err != nil {
		return err
	}
	m := qemu.Machine{
		Arch: a, Release: p.lab.p.Release, Accel: v.Machine["accel"], Kernel: image, Initrd: initramfs,
		Memory: p.lab.p.Guest.Memory, CPUs: p.lab.p.Guest.CPUs, Ports: []string{event.Port},
	}
	words := event.Params{ID: "plain", Release: v.Release}
	for _, c := range v.Checks {
		if strings.HasPrefix(c.Name, event.Benchmark) {
			words.Bench = "."
		}
	}
	if m.Append, err = words.Words(); err != nil {
		return err
	}
	if p.lab.p.Guest.Append != "" {
		m.Append = append(m.Append, p.lab.p.Guest.Append)
	}
	argv, err := m.Argv()
	if err != nil {
		return err
	}
	records := filepath.Join(p.dir, "records-"+a.Name)
	for i := range argv {
		argv[i] = strings.Replace(argv[i], "socket,id=port0,fd=3", "file,id=port0,path="+records, 1)
	}
	if err := p.run(ctx, "qemu-"+a.Name, p.dir, argv...); err != nil || !checks {
		return err
	}
	return passed(records)
}

// passed looks for the guest's last record.
func passed(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return disk(err)
	}
	defer f.Close() // only read
	for r := event.NewReader(f); ; {
		rec, err := r.Next()
		var bad *event.LineError
		switch {
		case errors.As(err, &bad):
		case err != nil:
			return fmt.Errorf("the guest's records in %s have no end: %w", path, err)
		case rec.Type == event.TypeDone && rec.Done.Exit != 0:
			return fmt.Errorf("the checks ended with exit code %d: look at %s", rec.Done.Exit, path)
		case rec.Type == event.TypeDone:
			return nil
		}
	}
}

// verdict returns what bzmage's last verify said of an arch.
func (l *lab) verdict(a arch.Arch) (boot.Verdict, error) {
	r, err := l.ours.verdicts()
	if err != nil {
		return boot.Verdict{}, err
	}
	for _, v := range r.Verdicts {
		if v.Arch == a.Name && v.Verdict == boot.Pass {
			return v, nil
		}
	}
	return boot.Verdict{}, fmt.Errorf("bzmage's side has no pass for %s", a.Name)
}

// nothingInit makes an initramfs of one program, which stops the machine.
func (l *lab) nothingInit(ctx context.Context, a arch.Arch) (string, error) {
	g, err := tools.Go()
	if err != nil {
		return "", err
	}
	program := l.dir("nothing-" + a.GOARCH)
	env := run.Env(append(append([]string(nil), l.env...), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+a.GOARCH)...)
	err = l.command(ctx, "go-build", run.Cmd{Argv: []string{g, "build", "-o", program, "./internal/bench/nothing"}, Dir: l.ours.root, Env: env})
	if err != nil {
		return "", err
	}
	in, err := os.Open(program)
	if err != nil {
		return "", disk(err)
	}
	defer in.Close() // only read
	info, err := in.Stat()
	if err != nil {
		return "", disk(err)
	}
	path := program + ".cpio"
	out, err := os.Create(path)
	if err != nil {
		return "", disk(err)
	}
	w := cpio.NewWriter(out)
	err = w.WriteHeader(&cpio.Header{Name: "init", Mode: cpio.TypeReg | 0o755, Size: info.Size(), Links: 1, Inode: 1})
	if err == nil {
		_, err = io.Copy(w, in)
	}
	return path, disk(errors.Join(err, w.Close(), out.Close()))
}
