package farm

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"bzmage/internal/run"
)

// Compiler is a compiler of this machine.
type Compiler struct {
	Name string // as make calls it, such as gcc
	Path string // where it is
	Sent string // icecream: the archive that brings it to other machines
}

// Far returns the name under which other machines have the very same compiler:
// with its target and version where there is such a name (x86_64-linux-gnu-gcc-12
// for gcc), as gcc is something else on a machine of another arch or age. It is
// without a folder: distccd refuses most.
func (c Compiler) Far() string {
	target, err := filepath.EvalSymlinks(c.Path)
	if err != nil {
		return c.Name
	}
	names := []string{filepath.Base(target)}
	// Debian's clang-14 is a link to lib/llvm-14/bin/clang.
	if version := strings.TrimPrefix(filepath.Base(filepath.Dir(filepath.Dir(target))), "llvm"); version != "" {
		names = append([]string{names[0] + version}, names...)
	}
	for _, name := range names {
		same, err := filepath.EvalSymlinks(filepath.Join(filepath.Dir(c.Path), name))
		if err == nil && same == target {
			return name
		}
	}
	return filepath.Base(c.Path)
}

// script decides by the command line. Away goes the compilation of a C file
// into an object of the kernel; here stay
//
//   - host programs and probes, which have no __KERNEL__ or no file;
//   - assembler, and the two C files that take in a file by .incbin: nobody
//     sends that along (distcc's issue 461);
//   - debug info: gcc notes in it that it was given text preprocessed elsewhere;
//   - coverage, whose notes are a second result, and plugins, which distccd
//     refuses.
const script = `#!/bin/sh
# Made by bzmage: $1 is a compiler, the rest its arguments.
cc=$1
shift
case $cc in
%s*) exec "$cc" "$@" ;;
esac
compile= kernel= file=
for arg; do
	case $arg in
	-c) compile=1 ;;
	-D__KERNEL__) kernel=1 ;;
	-g|-g[1-9]*|-ggdb*|-gdwarf*|-gsplit*) exec "$cc" "$@" ;;
	--coverage|-fprofile-*|-ftest-coverage|-fplugin*|-specs*|-fsanitize-coverage*) exec "$cc" "$@" ;;
	*/kernel/configs.c|*/kernel/kheaders.c) exec "$cc" "$@" ;;
	-*) ;;
	*.c) file=1 ;;
	esac
done
case $compile$kernel$file in
111)
	# The client preprocesses with this very compiler, whatever is in PATH.
	PATH=${cc%%/*}:$PATH
	export PATH ICECC_VERSION
	exec %s "$far" "$@"
	;;
esac
exec "$cc" "$@"
`

// Write makes the program that sends jobs away through client, for compilers:
// it is started with a compiler and its arguments.
func Write(path, client string, compilers []Compiler) error {
	var cases strings.Builder
	for _, c := range compilers {
		set := "far=" + run.Quote(c.Far())
		if c.Sent != "" {
			set += " ICECC_VERSION=" + run.Quote(c.Sent)
		}
		fmt.Fprintf(&cases, "%s|*/%s) %s ;;\n", run.Quote(c.Name), run.Quote(c.Name), set)
	}
	return write(path, fmt.Sprintf(script, cases.String(), run.Quote(client)))
}

// Masquerade makes, in the folder dir, a program for each compiler that starts
// it through wrapper: for machines without ccache, which would do that.
func Masquerade(dir, wrapper string, compilers []Compiler) error {
	for _, c := range compilers {
		text := fmt.Sprintf("#!/bin/sh\n# Made by bzmage.\nexec %s %s \"$@\"\n", run.Quote(wrapper), run.Quote(c.Path))
		if err := write(filepath.Join(dir, c.Name), text); err != nil {
			return err
		}
	}
	return nil
}

func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("set the farm up: %w", err)
	}
	if err := renameio.WriteFile(path, []byte(text), 0o755); err != nil {
		return fmt.Errorf("set the farm up: %w", err)
	}
	return nil
}
