package build

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bzmage/internal/fault"
)

// object writes an object file with one section, as an arm64 compiler would.
func object(t *testing.T, path, section, content string) {
	t.Helper()
	names := "\x00.shstrtab\x00" + section + "\x00"
	h := elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_REL), Machine: uint16(elf.EM_AARCH64), Version: 1, Shoff: 64, Ehsize: 64, Shentsize: 64, Shnum: 3, Shstrndx: 1,
	}
	at := uint64(64 + 3*64)
	sections := []elf.Section64{
		{},
		{Name: 1, Type: uint32(elf.SHT_STRTAB), Off: at, Size: uint64(len(names))},
		{Name: 11, Type: uint32(elf.SHT_PROGBITS), Off: at + uint64(len(names)), Size: uint64(len(content))},
	}
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, h); err != nil {
		t.Fatal(err)
	}
	if err := binary.Write(&b, binary.LittleEndian, sections); err != nil {
		t.Fatal(err)
	}
	b.WriteString(names + content)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestModules(t *testing.T) {
	p := tree(t, goodRecipe)
	obj := p.Make.Obj
	object(t, filepath.Join(obj, "lib/crc-one.ko"), ".modinfo", "license=GPL\x00depends=\x00name=crc_one\x00")
	object(t, filepath.Join(obj, "fs/two.ko"), ".modinfo", "depends=crc-one\x00name=two\x00")
	object(t, filepath.Join(obj, "fs/no.ko"), ".text", "depends=crc-one\x00")
	for _, tt := range []struct {
		modules []string
		kind    fault.Kind
		want    string
	}{
		{nil, 0, ""},
		{[]string{"lib/crc-one.ko", "fs/two.ko"}, 0, ""},
		{[]string{"fs/two.ko", "lib/crc-one.ko"}, fault.Usage, "fs/two.ko needs crc_one"},
		{[]string{"fs/two.ko"}, fault.Usage, "fs/two.ko needs crc_one"},
		{[]string{"lib/three.ko"}, fault.Config, "made no lib/three.ko"},
		{[]string{"fs/no.ko"}, fault.Build, "is no module"},
	} {
		p.Modules = tt.modules
		err := p.checkModules()
		if tt.want == "" && err != nil || tt.want != "" && (fault.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%q: %v", tt.modules, err)
		}
	}
}

// What is wanted decides what is kept.
func TestModulesAreInTheKey(t *testing.T) {
	p := tree(t, goodRecipe)
	of := func(modules ...string) string {
		p.Modules = modules
		res, _ := Look(p)
		return res.Key
	}
	none, two := of(), of("a.ko", "b.ko")
	if other := of("b.ko", "a.ko"); none == two || two == other {
		t.Errorf("keys %s, %s, %s", none, two, other)
	}
	if got := p.targets(); got[len(got)-1] != "modules" {
		t.Errorf("targets %q", got)
	}
}

func TestModulesAreCollected(t *testing.T) {
	p := tree(t, goodRecipe+"modules:\n\tmkdir -p $(O)/lib && cp ko $(O)/lib/a.ko\n")
	object(t, filepath.Join(p.Make.Src, "ko"), ".modinfo", "depends=\x00")
	p.Modules = []string{"lib/a.ko"}
	res, err := Build(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := res.File("modules/lib/a.ko"); !ok {
		t.Errorf("files %v", res.Files)
	}
	if res, err = Build(t.Context(), p); err != nil || !res.Kept {
		t.Errorf("not kept: %v", err)
	}
	if err := os.Remove(res.Path("modules/lib/a.ko")); err != nil {
		t.Fatal(err)
	}
	if res, err = Build(t.Context(), p); err != nil || res.Kept {
		t.Errorf("kept without its module: %v", err)
	}
}
