package initramfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"bzmage/internal/key"
	"bzmage/internal/tools"
)

// stage is raised when the same inputs would give another archive.
const stage = "initramfs 1"

// Look returns the archive that Build would keep, or with what it would make
// anew also why: the inputs that changed, or the file that was altered. It
// writes nothing and starts no program.
func Look(p Params) (Result, []key.Change, error) { return p.complete().look() }

func (p Params) look() (Result, []key.Change, error) {
	in, err := p.inputs()
	if err != nil {
		return Result{}, nil, machine(err)
	}
	fresh := Result{Path: p.archive(), Arch: p.Arch, Inputs: in}
	old, err := Load(p.archive())
	if err != nil || old.Inputs == nil || old.Path != fresh.Path {
		return fresh, key.First(), nil
	}
	if why := in.Since(old.Inputs); len(why) > 0 {
		return fresh, why, nil
	}
	if old.Key != in.Sum(stage) {
		return fresh, key.NewStage(), nil
	}
	why := key.Files(map[string]string{filepath.Base(old.Path): old.SHA256}, func(string) (string, error) { return p.Hashes.Sum(old.Path) })
	if len(why) > 0 {
		return fresh, why, nil
	}
	old.Kept = true
	return old, nil, nil
}

func (p Params) archive() string { return filepath.Join(p.Dir, "initramfs-"+p.Arch+".cpio") }

// inputs is all that the archive depends on, found without the go command,
// which takes a second to say that nothing changed: any file of the module
// that a program may be made of, where only some are; the toolchain as far as
// it names itself and by go's own bytes (the standard library is trusted to be
// that of its VERSION); and what go reads to find its settings.
func (p Params) inputs() (key.Inputs, error) {
	in := key.Inputs{
		"arch": p.Arch, "checks": p.CheckPackage, "shell": fmt.Sprint(p.Shell),
	}
	for _, set := range env(p.Arch) {
		// The others say where things are kept, and how the network is reached.
		if name, value, _ := strings.Cut(set, "="); reSettings.MatchString(name) {
			in[name] = value
		}
	}
	var trees []string
	for _, name := range []string{"go.mod", "go.sum", "vendor", "cmd", "internal", "verify", p.CheckPackage} {
		trees = append(trees, filepath.Join(p.Module, name))
	}
	for _, path := range trees {
		sum, err := p.tree(path)
		if err != nil {
			return nil, err
		}
		in[strings.TrimPrefix(path, p.Module+string(os.PathSeparator))] = sum
	}
	for _, e := range p.Extra {
		sum, err := p.Hashes.Sum(e.Path)
		if err != nil {
			continue // packing it says what is wrong
		}
		mode, _ := e.mode()
		in[e.Name] = fmt.Sprintf("%s %o", sum, mode)
	}
	return in, p.toolchain(in)
}

// toolchain adds what go itself is, and where it reads settings.
func (p Params) toolchain(in key.Inputs) error {
	bin, err := tools.Go()
	if err != nil {
		return err
	}
	root := filepath.Dir(filepath.Dir(bin))
	config, err := os.UserConfigDir()
	if err != nil {
		config = "."
	}
	user := filepath.Join(config, "go", "env")
	if set := os.Getenv("GOENV"); set != "" {
		user = set
	}
	if p.elsewhere(user) {
		in["code outside of the module"] = time.Now().String()
	}
	for name, path := range map[string]string{"go": bin, "go.version": filepath.Join(root, "VERSION"),
		"go.env": filepath.Join(root, "go.env"), "go.env of the user": user} {
		if in[name], err = p.Hashes.Sum(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// tree returns a hash over a file, or all files of a folder; nothing for one
// that is not there.
func (p Params) tree(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	files := key.Inputs{}
	err = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		sum, err := p.Hashes.Sum(name)
		info, _ := d.Info()
		if info != nil && info.Mode()&0o100 != 0 {
			sum += " x"
		}
		files[strings.TrimPrefix(name, path)] = sum
		return err
	})
	if errors.Is(err, fs.ErrNotExist) && len(files) == 0 {
		return "", nil
	}
	return files.Sum("files"), err
}

// reSettings finds the variables that can change what go makes.
var reSettings = regexp.MustCompile(`^(CGO_ENABLED|GO(OS|ARCH|AMD64|ARM64|FLAGS|TOOLCHAIN|ENV|WORK)|GO111MODULE)$`)

// reElsewhere finds in go.mod, GOFLAGS and go's settings what lets go take code
// from where the key does not look.
var reElsewhere = regexp.MustCompile(`(?m)=>\s*"?(\.{0,2}/)|-(overlay|modfile)\b`)

// elsewhere says whether code may come from where the key does not look. Then
// nothing is kept.
func (p Params) elsewhere(user string) bool {
	mod, _ := os.ReadFile(filepath.Join(p.Module, "go.mod"))
	set, _ := os.ReadFile(user)
	return reElsewhere.Match(mod) || reElsewhere.Match(set) || reElsewhere.MatchString(os.Getenv("GOFLAGS"))
}
