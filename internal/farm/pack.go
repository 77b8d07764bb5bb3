package farm

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"bzmage/internal/run"
)

// Pack puts each compiler, with the assembler and the libraries it needs, into
// the archive that icecream sends to nodes, and returns the compilers with it.
// dir is a folder of ours, where it is kept for the next time.
//
// An iceccd can do that by itself, but not for a cross compiler of Debian: it
// wants the C++ compiler of the same name, which is another package.
func Pack(ctx context.Context, compilers []Compiler, dir string) ([]Compiler, error) {
	var packed []Compiler
	for _, c := range compilers {
		var err error
		if c.Sent, err = c.pack(ctx, dir); err != nil {
			return nil, fmt.Errorf("pack %s for icecream: %w", c.Name, err)
		}
		packed = append(packed, c)
	}
	return packed, nil
}

func (c Compiler) pack(ctx context.Context, dir string) (string, error) {
	key, err := c.state(ctx)
	if err != nil {
		return "", err
	}
	dir, err = filepath.Abs(filepath.Join(dir, "sent", key))
	if err != nil {
		return "", err
	}
	if strings.ContainsAny(dir, ",:=") {
		return "", fmt.Errorf("%s has a character in its name that ICECC_VERSION takes for its own", dir)
	}
	if have, _ := filepath.Glob(filepath.Join(dir, "*.tar.gz")); len(have) == 1 {
		return have[0], nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	// The second is taken for the C++ compiler, which has to be there: nothing
	// of the kernel is C++. The archive's name is a sum of what is in it.
	if err := run.Run(ctx, run.Cmd{Argv: []string{"icecc-create-env", c.Path, c.Path}, Dir: tmp, Env: run.Env("CCACHE_DISABLE=1")}); err != nil {
		return "", err
	}
	made, _ := filepath.Glob(filepath.Join(tmp, "*.tar.gz"))
	if len(made) != 1 {
		return "", errors.New("icecc-create-env made no archive")
	}
	if err := errors.Join(os.RemoveAll(dir), os.Rename(tmp, dir)); err != nil {
		return "", err
	}
	return filepath.Join(dir, filepath.Base(made[0])), nil
}

// state returns a name for the compiler as it is installed now, and for the
// parts of it that may be updated without it.
func (c Compiler) state(ctx context.Context) (string, error) {
	files := []string{c.Path}
	for _, part := range []string{"cc1", "as"} {
		out, err := run.Output(ctx, run.Cmd{Argv: []string{c.Path, "-print-prog-name=" + part}, Env: run.Env("CCACHE_DISABLE=1")})
		if err != nil {
			return "", err
		}
		files = append(files, out)
	}
	sum := sha256.New()
	for _, file := range files {
		info, err := os.Stat(file) // a part that is no file is the compiler itself, or in PATH
		if err != nil {
			fmt.Fprintf(sum, "%s\n", file)
			continue
		}
		fmt.Fprintf(sum, "%s %d %d\n", file, info.Size(), info.ModTime().UnixNano())
	}
	return fmt.Sprintf("%x", sum.Sum(nil))[:16], nil
}
