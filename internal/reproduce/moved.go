package reproduce

import (
	"bytes"
	"cmp"
	"debug/elf"
	"maps"
	"slices"

	"bzmage/internal/plain"
)

// A leak that is longer on one side moves all behind it, and every reference to
// that is another number: the first byte that differs is then far from the
// cause. What has another size, or is there on one side only, is the cause.

// mostCauses bounds how many symbols, and how many texts, are told.
const mostCauses = 6

// causes tells the symbols of another size and the texts of one side only.
func (e *explainer) causes(label string, x, y *elf.File, a, b *symbols) {
	inA, inB := a.named(), b.named()
	told := 0
	for _, key := range slices.SortedFunc(maps.Keys(inA), byName) {
		p, q := without(inA[key], inB[key])
		if (len(p) == 0 && len(q) == 0) || told == mostCauses {
			continue
		}
		told++
		where := "section " + plain.Line(key.section, 40) + ", symbol " + plain.Line(key.name, 80)
		if len(p) == 0 || len(q) == 0 {
			e.add(label, "%s: %d and %d of this name and size", where, len(inA[key]), len(inB[key]))
			continue
		}
		m, n := p[0].data(x), q[0].data(y)
		e.add(label, "%s: %d and %d bytes: %s", where, p[0].size, q[0].size, both(m, n, first(m, n)))
	}
	for _, key := range slices.SortedFunc(maps.Keys(inB), byName) {
		if _, ok := inA[key]; !ok && told < mostCauses {
			told++
			e.add(label, "section %s, symbol %s, in the second only", plain.Line(key.section, 40), plain.Line(key.name, 80))
		}
	}
	e.texts(label, x, y)
}

// key is what a symbol keeps when it moves.
type key struct{ section, name string }

func byName(a, b key) int {
	return cmp.Or(cmp.Compare(a.section, b.section), cmp.Compare(a.name, b.name))
}

// named returns the symbols that have a size: many have a name in common.
func (t *symbols) named() map[key][]symbol {
	all := map[key][]symbol{}
	for _, s := range t.all {
		if s.size > 0 {
			k := key{t.sections[s.section].Name, s.name}
			all[k] = append(all[k], s)
		}
	}
	return all
}

// without returns what is left of two lists when sizes that both have are gone.
func without(a, b []symbol) (p, q []symbol) {
	q = slices.Clone(b)
	for _, s := range a {
		if i := slices.IndexFunc(q, func(o symbol) bool { return o.size == s.size }); i >= 0 {
			q = slices.Delete(q, i, i+1)
			continue
		}
		p = append(p, s)
	}
	return p, q
}

// data returns what a symbol holds.
func (s symbol) data(f *elf.File) []byte {
	in := f.Sections[s.section]
	if in.Type == elf.SHT_NOBITS || s.addr < in.Addr {
		return nil
	}
	b, err := data(in)
	from := s.addr - in.Addr
	if err != nil || from > uint64(len(b)) || s.size > uint64(len(b))-from {
		return nil
	}
	return b[from : from+s.size]
}

// texts tells the strings in what is loaded that only one side has: most have
// no symbol of their own.
func (e *explainer) texts(label string, x, y *elf.File) {
	have := [2]map[string]string{loaded(x), loaded(y)}
	for i, side := range []string{"first", "second"} {
		told := 0
		for _, text := range slices.Sorted(maps.Keys(have[i])) {
			if _, ok := have[1-i][text]; ok {
				continue
			}
			if told++; told > mostCauses {
				break
			}
			e.add(label, "section %s, in the %s only: the text %s", plain.Line(have[i][text], 40), side, quote(text))
		}
	}
}

// loaded returns the strings, as C ends them, of what is loaded and is no
// code, with their sections.
func loaded(f *elf.File) map[string]string {
	const shortest = 6
	all := map[string]string{}
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_ALLOC == 0 || s.Flags&elf.SHF_EXECINSTR != 0 || s.Type != elf.SHT_PROGBITS {
			continue
		}
		b, err := data(s)
		if err != nil {
			continue
		}
		for text := range bytes.SplitSeq(b, []byte{0}) {
			if len(text) >= shortest && !bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r > 0x7e }) {
				all[string(text)] = s.Name
			}
		}
	}
	return all
}
