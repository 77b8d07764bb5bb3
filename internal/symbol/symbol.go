// Package symbol says where in the source a kernel's address is. In go a
// target's own vmlinux and the lines of a crash, or program counters; out come
// frames: function, file and line, the inlined calls among them.
//
// The vmlinux is ours, the lines are not: they are bounded, and name nothing
// that is opened. Without debug info a frame is its function alone.
package symbol

import (
	"debug/dwarf"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// Frame is one call, the innermost first.
type Frame struct {
	Function   string `json:"function"`
	File       string `json:"file,omitempty"` // relative to the tree
	Line       int    `json:"line,omitempty"`
	Source     string `json:"source,omitempty"`     // the line itself, where the tree is at hand
	Inlined    bool   `json:"inlined,omitempty"`    // into the next frame
	Unreliable bool   `json:"unreliable,omitempty"` // an address that only lay on the stack
	Note       string `json:"note,omitempty"`       // what is wrong with it, such as another vmlinux
}

// String returns the frame as one line.
func (f Frame) String() string {
	text := f.Function
	if f.Unreliable {
		text = "? " + text
	}
	switch {
	case f.File != "" && f.Line > 0:
		text += fmt.Sprintf(" (%s:%d)", f.File, f.Line)
	case f.File != "":
		text += " (" + f.File + ")"
	}
	if f.Inlined {
		text += " [inlined]"
	}
	if f.Note != "" {
		text += ": " + f.Note
	}
	return text
}

// entry is a symbol of the kernel's code.
type entry struct {
	name string
	addr uint64
	size uint64 // as the file has it; 0 for many of assembly
	room uint64 // to the next symbol, which is the size a trace prints
	end  uint64 // of its section
}

// Table is what is known of one vmlinux. Close it.
type Table struct {
	file    *elf.File
	entries []entry // by address
	names   map[string][]int
	tree    string
	dwarf   *dwarf.Data // nil: no debug info
	lines   map[string][]string
	units   []unit
	paths   map[string]string // of debug info: in the tree
}

// Open reads the symbols of a vmlinux, and its debug info if it has some.
// The folder tree, which may be empty, holds the source it was built of.
func Open(vmlinux, tree string) (*Table, error) {
	f, err := elf.Open(vmlinux)
	if err != nil {
		return nil, fmt.Errorf("read the kernel's symbols: %w", err)
	}
	t := &Table{file: f, tree: tree, names: map[string][]int{}, lines: map[string][]string{}, paths: map[string]string{}}
	syms, err := f.Symbols()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("read the symbols of %s: %w", vmlinux, err)
	}
	for _, s := range syms {
		if int(s.Section) >= len(f.Sections) || s.Section == elf.SHN_UNDEF || !code(f.Sections[s.Section], s) {
			continue
		}
		in := f.Sections[s.Section]
		t.entries = append(t.entries, entry{name: s.Name, addr: s.Value, size: s.Size, end: in.Addr + in.Size})
	}
	t.sort()
	if f.Section(".debug_info") == nil {
		return t, nil
	}
	if t.dwarf, err = f.DWARF(); err == nil {
		err = t.index()
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("read the debug info of %s: %w", vmlinux, err)
	}
	return t, nil
}

// Close closes the vmlinux.
func (t *Table) Close() error { return t.file.Close() }

// code says whether a symbol is one of code; $x and $d are arm64's marks
// (ELF for the Arm 64-bit Architecture, 5.5.2).
func code(s *elf.Section, sym elf.Symbol) bool {
	kind := elf.ST_TYPE(sym.Info)
	return s.Flags&elf.SHF_EXECINSTR != 0 && (kind == elf.STT_FUNC || kind == elf.STT_NOTYPE) &&
		sym.Name != "" && !strings.HasPrefix(sym.Name, "$") && !strings.HasPrefix(sym.Name, ".L")
}

// sort puts the symbols in order; of several at one address the one with a
// size is last, and is the one that is found.
func (t *Table) sort() {
	slices.SortStableFunc(t.entries, func(a, b entry) int {
		if a.addr != b.addr {
			return compare(a.addr, b.addr)
		}
		return compare(a.size, b.size)
	})
	next := ^uint64(0)
	for i := len(t.entries) - 1; i >= 0; i-- {
		e := &t.entries[i]
		if i+1 < len(t.entries) && t.entries[i+1].addr != e.addr {
			next = t.entries[i+1].addr
		}
		if next != ^uint64(0) {
			e.room = next - e.addr
		}
		t.names[e.name] = append(t.names[e.name], i)
	}
}

func compare(a, b uint64) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

// find returns the symbol an address is in.
func (t *Table) find(addr uint64) (entry, bool) {
	i := sort.Search(len(t.entries), func(i int) bool { return t.entries[i].addr > addr }) - 1
	if i < 0 {
		return entry{}, false
	}
	e := t.entries[i]
	return e, addr < e.end && addr-e.addr < max(e.room, e.size, 1)
}

// Text says whether an address is in the kernel's code.
func (t *Table) Text(addr uint64) bool {
	_, ok := t.find(addr)
	return ok
}

// At returns the frames of an address: one, and one more for each inlined call
// it is in. Of an address that is not in the kernel there are none.
func (t *Table) At(addr uint64) []Frame {
	e, ok := t.find(addr)
	if !ok {
		return nil
	}
	frames := t.inlines(addr)
	if len(frames) == 0 {
		frames = []Frame{{}}
	}
	outer := &frames[len(frames)-1]
	if outer.Function == "" {
		outer.Function = e.name
	}
	for i := range frames {
		frames[i].File = t.relative(frames[i].File)
		frames[i].Source = t.source(frames[i].File, frames[i].Line)
	}
	return frames
}

// relative returns a file as the tree names it. Compilers that a cache starts
// may get a path that leads out of the output folder and into the tree: what of
// its end is in the tree is the file.
func (t *Table) relative(file string) string {
	if t.tree == "" || file == "" || filepath.IsLocal(file) {
		return file
	}
	short, ok := t.paths[file]
	if !ok {
		short = file
		for rest := file; rest != ""; {
			_, rest, _ = strings.Cut(rest, "/")
			if info, err := os.Stat(filepath.Join(t.tree, rest)); filepath.IsLocal(rest) && err == nil && info.Mode().IsRegular() {
				short = rest
				break
			}
		}
		t.paths[file] = short
	}
	return short
}

// longestSource bounds a file of the tree that is read for its lines.
const longestSource = 4 << 20

// source returns a line of the tree; the file is one that vmlinux names.
func (t *Table) source(file string, line int) string {
	if t.tree == "" || line < 1 || !filepath.IsLocal(file) {
		return ""
	}
	lines, ok := t.lines[file]
	if !ok {
		if info, err := os.Stat(filepath.Join(t.tree, file)); err == nil && info.Mode().IsRegular() && info.Size() <= longestSource {
			text, _ := os.ReadFile(filepath.Join(t.tree, file))
			lines = strings.Split(string(text), "\n")
		}
		t.lines[file] = lines
	}
	if line > len(lines) {
		return ""
	}
	return strings.TrimSpace(lines[line-1])
}
