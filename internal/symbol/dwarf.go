package symbol

import (
	"debug/dwarf"
	"encoding/binary"
	"fmt"
	"path"
)

// unit is a compile unit and the code it has.
type unit struct {
	offset dwarf.Offset
	ranges [][2]uint64
}

// index notes which compile unit has which code. Only the first entry of each
// is read: what lies between them is most of a vmlinux.
func (t *Table) index() error {
	info, err := t.file.Section(".debug_info").Data()
	if err != nil {
		return err
	}
	r := t.dwarf.Reader()
	for at := 0; at < len(info); {
		head, next := header(info[at:], t.file.ByteOrder)
		if next == 0 {
			return fmt.Errorf("unit at %#x is cut or of an unknown form", at)
		}
		r.Seek(dwarf.Offset(at + head))
		e, err := r.Next()
		if err != nil {
			return err
		}
		if e != nil && e.Tag == dwarf.TagCompileUnit {
			ranges, err := t.dwarf.Ranges(e)
			if err != nil {
				return err
			}
			t.units = append(t.units, unit{e.Offset, ranges})
		}
		at += next
	}
	return nil
}

// header returns the length of a unit's header and that of the whole unit: of
// the 32-bit form, versions 2 to 5 (DWARF 5, 7.5.1); 0 if it is another one.
func header(b []byte, order binary.ByteOrder) (head, next int) {
	const compile, partial = 1, 3
	if len(b) < 12 {
		return 0, 0
	}
	length, version := order.Uint32(b), order.Uint16(b[4:])
	switch {
	case length < 8 || uint64(length) > uint64(len(b)-4):
		return 0, 0
	case version >= 2 && version <= 4:
		return 11, int(length) + 4
	case version == 5 && (b[6] == compile || b[6] == partial):
		return 12, int(length) + 4
	}
	return 0, 0
}

// unitOf returns the entry of the compile unit that has an address.
func (t *Table) unitOf(addr uint64) (*dwarf.Entry, *dwarf.Reader) {
	for _, u := range t.units {
		if !within(u.ranges, addr) {
			continue
		}
		r := t.dwarf.Reader()
		r.Seek(u.offset)
		if e, err := r.Next(); err == nil {
			return e, r
		}
	}
	return nil, nil
}

func within(ranges [][2]uint64, addr uint64) bool {
	for _, r := range ranges {
		if r[0] <= addr && addr < r[1] {
			return true
		}
	}
	return false
}

// inlines returns the frames of an address as the debug info has them.
func (t *Table) inlines(addr uint64) []Frame {
	if t.dwarf == nil {
		return nil
	}
	cu, r := t.unitOf(addr)
	if cu == nil {
		return nil
	}
	lr, err := t.dwarf.LineReader(cu)
	if err != nil || lr == nil {
		return nil
	}
	at, ok := lineOf(lr, addr)
	if !ok {
		return nil
	}
	chain := t.chain(r, addr)
	files := lr.Files()
	here := Frame{File: fileName(at.File), Line: at.Line}
	var frames []Frame
	for i := len(chain) - 1; i >= 0; i-- { // the innermost is the last
		here.Function, here.Inlined = t.name(chain[i], 0), i > 0
		frames = append(frames, here)
		here = Frame{}
		if i > 0 {
			if n, ok := chain[i].Val(dwarf.AttrCallFile).(int64); ok && n >= 0 && int(n) < len(files) {
				here.File = fileName(files[n])
			}
			if n, ok := chain[i].Val(dwarf.AttrCallLine).(int64); ok {
				here.Line = int(n)
			}
		}
	}
	if len(frames) == 0 {
		frames = []Frame{here} // assembly: lines and no functions
	}
	return frames
}

// fileName returns a file as the tree names it.
func fileName(f *dwarf.LineFile) string {
	if f == nil {
		return ""
	}
	return path.Clean(f.Name)
}

// lineOf returns the row of a line table that an address is in. The sequences
// of a table are not in order, so all of them are read; of several rows at one
// address the last one counts (DWARF 5, 6.2.5).
func lineOf(lr *dwarf.LineReader, addr uint64) (dwarf.LineEntry, bool) {
	var last, row dwarf.LineEntry
	for open := false; ; open = !row.EndSequence {
		if err := lr.Next(&row); err != nil {
			return dwarf.LineEntry{}, false
		}
		if open && last.Address <= addr && addr < row.Address {
			return last, true
		}
		last = row
	}
}

// chain returns the function that has an address, and in it the inlined calls
// down to the innermost. The reader stands behind a compile unit's entry.
func (t *Table) chain(r *dwarf.Reader, addr uint64) []*dwarf.Entry {
	var chain []*dwarf.Entry
	for depth := 1; depth > 0; {
		e, err := r.Next()
		if err != nil || e == nil {
			return chain
		}
		if e.Tag == 0 {
			depth--
			if len(chain) > 0 && depth <= 1 {
				return chain
			}
			continue
		}
		into := false
		switch e.Tag {
		case dwarf.TagSubprogram:
			if into = depth == 1 && t.has(e, addr); into {
				chain = []*dwarf.Entry{e}
			}
		case dwarf.TagInlinedSubroutine:
			if into = len(chain) > 0 && t.has(e, addr); into {
				chain = append(chain, e)
			}
		case dwarf.TagLexDwarfBlock:
			// One without ranges may still hold calls that have some.
			into = len(chain) > 0 && (t.has(e, addr) || !ranged(e))
		}
		switch {
		case e.Children && into:
			depth++
		case e.Children:
			r.SkipChildren()
		case into && e.Tag == dwarf.TagSubprogram:
			return chain
		}
	}
	return chain
}

func ranged(e *dwarf.Entry) bool {
	return e.AttrField(dwarf.AttrRanges) != nil || e.AttrField(dwarf.AttrHighpc) != nil
}

func (t *Table) has(e *dwarf.Entry, addr uint64) bool {
	ranges, err := t.dwarf.Ranges(e)
	return err == nil && within(ranges, addr)
}

// origins bounds how often an entry may point to another one for its name.
const origins = 8

// name returns the name of a function: an inlined or cloned one has it in the
// entry it is an instance of.
func (t *Table) name(e *dwarf.Entry, depth int) string {
	if s, ok := e.Val(dwarf.AttrName).(string); ok {
		return s
	}
	for _, attr := range []dwarf.Attr{dwarf.AttrAbstractOrigin, dwarf.AttrSpecification} {
		at, ok := e.Val(attr).(dwarf.Offset)
		if !ok || depth >= origins {
			continue
		}
		r := t.dwarf.Reader()
		r.Seek(at)
		if next, err := r.Next(); err == nil && next != nil {
			return t.name(next, depth+1)
		}
	}
	return ""
}
