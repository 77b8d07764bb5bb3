package coverage

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"bzmage/internal/compile"
)

// Object is an object that lines of the series are compiled into.
type Object struct {
	Name  string   `json:"name"`  // make's: fs/proc/base.o
	Files []string `json:"files"` // of the series that it is made of, sorted
	Notes bool     `json:"notes"` // it was compiled with counters
}

// Sources returns the files of added lines that code may be made of: each .c
// file, and a header whose added lines stand in functions. Prototypes, macros
// and types become code elsewhere or not at all, and most headers are in most
// objects.
func Sources(added []AddedLine, read func(name string) (string, error)) ([]string, error) {
	var files []string
	inline := map[string]map[int]bool{}
	for _, a := range added {
		if slices.Contains(files, a.File) {
			continue
		}
		if strings.HasSuffix(a.File, ".h") {
			if inline[a.File] == nil {
				text, err := read(a.File)
				if err != nil {
					return nil, err
				}
				inline[a.File] = bodies(text)
			}
			if !inline[a.File][a.Line] {
				continue
			}
		}
		files = append(files, a.File)
	}
	return files, nil
}

// bodies returns the lines of a header that stand in functions, from 1: at
// least those. What follows a list of parameters and not a type or an
// initializer is taken for a function, and so are some macros.
func bodies(text string) map[int]bool {
	lines := map[int]bool{}
	depth, body, params := 0, 0, false
	for i, line := range strings.Split(blank(text), "\n") {
		if body > 0 {
			lines[i+1] = true
		}
		for _, c := range line {
			switch c {
			case '(':
				params = true
			case ';', '=':
				params = params && depth > 0
			case '{':
				if depth++; params && body == 0 {
					body = depth
					lines[i+1] = true
				}
			case '}':
				if depth == body {
					body = 0
				}
				depth, params = max(0, depth-1), false
			}
		}
	}
	return lines
}

// reNoCode matches comments, strings, characters and directives of C.
var reNoCode = regexp.MustCompile(`(?s)/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|(?m:^[ \t]*#(?:\\\n|[^\n])*)`)

// blank takes out what is not code, and keeps the lines.
func blank(text string) string {
	return reNoCode.ReplaceAllStringFunc(text, func(s string) string { return strings.Repeat("\n", strings.Count(s, "\n")) })
}

// Guess returns the objects of the .c files among files, before anything was
// compiled.
func Guess(files []string) []Object {
	var all []Object
	for _, f := range files {
		if stem, ok := strings.CutSuffix(f, ".c"); ok {
			all = append(all, Object{Name: stem + ".o", Files: []string{f}})
		}
	}
	return sorted(all)
}

// Find returns the objects in make's folder obj that files are compiled into,
// by what kbuild notes beside each object (scripts/basic/fixdep.c). Those that
// a makefile of the tree src wants without counters have none.
func Find(obj, src string, files []string) ([]Object, error) {
	var all []Object
	err := filepath.WalkDir(obj, func(name string, d fs.DirEntry, err error) error {
		base, ok := strings.CutSuffix(filepath.Base(name), ".o.cmd")
		if err != nil || !ok || !strings.HasPrefix(base, ".") {
			return err
		}
		dir, err := filepath.Rel(obj, filepath.Dir(name))
		if err != nil {
			return err
		}
		o := Object{Name: path.Join(filepath.ToSlash(dir), base[1:]+".o")}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, f := range files {
			if compile.Names(text, f) {
				o.Files = append(o.Files, f)
			}
		}
		if len(o.Files) == 0 || bytes.Contains(text, []byte("HOSTCC")) {
			return nil
		}
		slices.Sort(o.Files)
		if refused(src, o.Name) {
			all = append(all, o)
			return nil
		}
		_, err = os.Stat(filepath.Join(obj, filepath.FromSlash(o.notes())))
		if o.Notes = err == nil; err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		all = append(all, o)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for the objects of the series: %w", err)
	}
	return sorted(all), nil
}

// notes is the name of the file that gcc writes beside the object.
func (o Object) notes() string { return strings.TrimSuffix(o.Name, ".o") + ".gcno" }

// reRefused matches where a makefile asks for no counters, for a folder or for
// one object (Documentation/dev-tools/gcov.rst).
var reRefused = regexp.MustCompile(`(?m)^[ \t]*GCOV_PROFILE(?:_(\S+\.o))?[ \t]*[:?]?=[ \t]*n`)

// refused says whether the kernel's makefiles want an object without counters:
// it runs where they cannot be reached, such as before the kernel's own page
// tables or in a program's memory.
func refused(src, object string) bool {
	for _, name := range []string{"Kbuild", "Makefile"} {
		text, err := os.ReadFile(filepath.Join(src, filepath.FromSlash(path.Dir(object)), name))
		if err != nil {
			continue
		}
		for _, m := range reRefused.FindAllSubmatch(text, -1) {
			if len(m[1]) == 0 || string(m[1]) == path.Base(object) {
				return true
			}
		}
	}
	return false
}

// maxVariable is less than one argument of a program can have on Linux
// (MAX_ARG_STRLEN, 128 KiB).
const maxVariable = 100_000

// Variable returns make's variable that compiles these objects with counters,
// and no other of the same name elsewhere (scripts/Makefile.lib looks at it
// when it is about to compile $@). Too many of them are an error.
func Variable(src string, objects []Object) (string, error) {
	var list []string
	for _, o := range objects {
		if !refused(src, o.Name) {
			list = append(list, o.Name)
		}
	}
	v := "GCOV_PROFILE=$(if $(filter " + strings.Join(list, " ") + ",$@),y)"
	if len(v) > maxVariable {
		return "", fmt.Errorf("the code that the series adds to headers is in %d objects, more than make can be told of", len(list))
	}
	return v, nil
}

// NotesOf returns the files of make's folder that the counters of the objects
// are read with.
func NotesOf(objects []Object) []string {
	var list []string
	for _, o := range objects {
		list = append(list, o.notes())
	}
	return list
}

func sorted(all []Object) []Object {
	slices.SortFunc(all, func(a, b Object) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Same says whether two lists have the same objects, whatever is known of them.
func Same(a, b []Object) bool {
	return slices.EqualFunc(a, b, func(x, y Object) bool { return x.Name == y.Name })
}
