package reproduce

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"

	"bzmage/internal/plain"
)

// symbols are the names of a program's addresses.
type symbols struct {
	sections []*elf.Section
	all      []symbol // by section, then by address
	text     uint64   // where _text is, with which a raw kernel image begins
	stripped bool
}

type symbol struct {
	section int
	addr    uint64
	size    uint64
	name    string
}

func openSymbols(path string) (*symbols, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f, err := elf.NewFile(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	return readSymbols(f)
}

func readSymbols(f *elf.File) (*symbols, error) {
	t := &symbols{sections: f.Sections}
	list, err := f.Symbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return nil, err
	}
	for _, s := range list {
		if s.Name == "_text" {
			t.text = s.Value
		}
		kind := elf.ST_TYPE(s.Info)
		// $x and $d are marks of arm64 (ELF for the Arm 64-bit Architecture, 5.5.2).
		if int(s.Section) < len(f.Sections) && s.Section != elf.SHN_UNDEF && s.Name != "" && kind != elf.STT_SECTION && kind != elf.STT_FILE && !strings.HasPrefix(s.Name, "$") {
			t.all = append(t.all, symbol{int(s.Section), s.Value, s.Size, s.Name})
		}
	}
	t.stripped = len(t.all) == 0
	slices.SortStableFunc(t.all, func(a, b symbol) int {
		switch {
		case a.section != b.section:
			return a.section - b.section
		case a.addr != b.addr:
			return compareAddr(a.addr, b.addr)
		}
		return compareAddr(a.size, b.size) // the one with a size is found
	})
	return t, nil
}

func compareAddr(a, b uint64) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

// in returns the symbol that an address of a section lies in or behind.
func (t *symbols) in(section int, addr uint64) string {
	i := sort.Search(len(t.all), func(i int) bool {
		s := t.all[i]
		return s.section > section || s.section == section && s.addr > addr
	}) - 1
	if i < 0 || t.all[i].section != section {
		return ""
	}
	s := t.all[i]
	name := plain.Line(s.name, 80)
	if off := addr - s.addr; off > 0 {
		name += fmt.Sprintf("+0x%x", off)
	}
	return name
}

// at returns the section and the symbol of an address of the whole program.
func (t *symbols) at(addr uint64) string {
	for i, s := range t.sections {
		if s.Flags&elf.SHF_ALLOC != 0 && addr >= s.Addr && addr-s.Addr < s.Size {
			if name := t.in(i, addr); name != "" {
				return fmt.Sprintf("section %s, symbol %s", plain.Line(s.Name, 40), name)
			}
			return "section " + plain.Line(s.Name, 40)
		}
	}
	return ""
}

// elf tells each section that differs, and the symbols in it.
func (e *explainer) elf(label string, a, b []byte) error {
	x, err := elf.NewFile(bytes.NewReader(a))
	if err != nil {
		return err
	}
	y, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		return err
	}
	syms, err := readSymbols(x)
	if err != nil {
		return err
	}
	if x.FileHeader != y.FileHeader {
		e.add(label, "ELF header: %s and %s", header(x), header(y))
	}
	list := pairs(x, y)
	other, err := readSymbols(y)
	if err != nil {
		return err
	}
	if !slices.Equal(syms.all, other.all) || slices.ContainsFunc(list, moved) {
		e.causes(label, x, y, syms, other)
	}
	for _, p := range list {
		e.section(label, p, syms)
	}
	return nil
}

func header(f *elf.File) string {
	return fmt.Sprintf("%v %v, entry 0x%x", f.Type, f.Machine, f.Entry)
}

// pair is a section of both files; one of them may be nil.
type pair struct {
	a, b  *elf.Section
	index int // of a
}

func (p pair) name() string {
	if p.a == nil {
		return plain.Line(p.b.Name, 60)
	}
	return plain.Line(p.a.Name, 60)
}

// pairs returns the sections, the telling ones first: what is loaded, then
// notes, which hold a hash over all else, then names and debug info.
func pairs(x, y *elf.File) []pair {
	var list []pair
	left := slices.Clone(y.Sections)
	for i, s := range x.Sections {
		p := pair{a: s, index: i}
		if j := slices.IndexFunc(left, func(o *elf.Section) bool { return o.Name == s.Name && o.Type == s.Type }); j >= 0 {
			p.b = left[j]
			left = slices.Delete(left, j, j+1)
		}
		list = append(list, p)
	}
	for _, s := range left {
		list = append(list, pair{b: s})
	}
	slices.SortStableFunc(list, func(p, q pair) int { return p.rank() - q.rank() })
	return list
}

// moved says that a section has another size or place: what differs in it, and
// in all that refers to it, may just have moved.
func moved(p pair) bool {
	return p.a == nil || p.b == nil || p.rank() == 0 && (p.a.Size != p.b.Size || p.a.Addr != p.b.Addr)
}

func (p pair) rank() int {
	s := p.a
	if s == nil {
		s = p.b
	}
	switch {
	case s.Type == elf.SHT_NOTE:
		return 1
	case s.Flags&elf.SHF_ALLOC == 0:
		return 2
	}
	return 0
}

// section tells how a section differs.
func (e *explainer) section(label string, p pair, syms *symbols) {
	if p.a == nil || p.b == nil {
		side := "first"
		if p.a == nil {
			side = "second"
		}
		e.add(label, "section %s, in the %s only", p.name(), side)
		return
	}
	if p.a.Type == elf.SHT_NOBITS {
		if p.a.Size != p.b.Size {
			e.add(label, "section %s: %d and %d bytes of zeros", p.name(), p.a.Size, p.b.Size)
		}
		return
	}
	a, errA := data(p.a)
	b, errB := data(p.b)
	if errA != nil || errB != nil {
		e.add(label, "section %s: %v", p.name(), errors.Join(errA, errB))
		return
	}
	if bytes.Equal(a, b) {
		return
	}
	locate := func(off int) string { return e.symbol(syms, p, uint64(off)) }
	places := runs(a, b)
	if len(a) != len(b) {
		places = places[:1] // all behind it has only moved
	}
	said := map[string]bool{}
	for _, off := range places {
		name, _, _ := strings.Cut(locate(off), "+")
		if said[name] {
			continue
		}
		if said[name] = true; len(said) == 1 {
			e.bytes(label+"section "+p.name()+": ", a, b, locate)
			continue
		}
		if len(said) > mostSymbols {
			e.add(label, "section %s: and in other symbols", p.name())
			break
		}
		e.add(label, "section %s: also at 0x%x, %s: %s", p.name(), off, locate(off), both(a, b, off))
	}
}

// mostSymbols is how many symbols of a section are told.
const mostSymbols = 5

// symbol returns the symbol of an offset in a section; of a file without
// symbols the vmlinux beside it may know.
func (e *explainer) symbol(syms *symbols, p pair, off uint64) string {
	name := syms.in(p.index, p.a.Addr+off)
	if name == "" && syms.stripped && p.a.Flags&elf.SHF_ALLOC != 0 && e.vmlinux != nil {
		if k, err := e.vmlinux(); err == nil {
			return k.at(p.a.Addr + off)
		}
	}
	if name == "" {
		return ""
	}
	return "symbol " + name
}

func data(s *elf.Section) ([]byte, error) {
	if s.Size > mostRead || s.FileSize > mostRead {
		return nil, errTooBig
	}
	return s.Data()
}

// runs returns where differences begin that are at least a word apart.
func runs(a, b []byte) []int {
	const apart, most = 8, 100_000
	var list []int
	last := -apart - 1
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			continue
		}
		if i-last > apart {
			list = append(list, i)
		}
		if last = i; len(list) == most {
			break
		}
	}
	if len(list) == 0 {
		list = []int{min(len(a), len(b))}
	}
	return list
}
