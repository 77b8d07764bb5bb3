package reproduce

import (
	"encoding/binary"
	"fmt"
)

// rawKernel tells where an image differs that is the kernel as it lies in
// memory, from _text on: arm64's Image, which objcopy makes of vmlinux.
func (e *explainer) rawKernel(label string, a, b []byte) error {
	e.image = true
	e.bytes(label, a, b, func(off int) string {
		k, err := e.vmlinux()
		if err != nil || k.text == 0 {
			return ""
		}
		return k.at(k.text + uint64(off))
	})
	return nil
}

// bzImage tells which part of an x86 image differs, and looks into the kernel
// that is compressed in it. The fields are those of Documentation/x86/boot.rst.
func (e *explainer) bzImage(label string, a, b []byte) error {
	e.image = true
	x, y := openBzImage(a), openBzImage(b)
	before := e.found()
	e.part(label, "the set-up code: ", x.setup, y.setup)
	e.part(label, "the code that uncompresses the kernel: ", x.head, y.head)
	kernel := label + "the compressed kernel: "
	if x.payload != nil && y.payload != nil {
		e.explain(kernel, x.payload, y.payload)
	}
	e.part(label, "behind the compressed kernel: ", x.tail, y.tail)
	if e.found() == before {
		return fmt.Errorf("nothing found")
	}
	return nil
}

func (e *explainer) part(label, name string, a, b []byte) {
	if first(a, b) < max(len(a), len(b)) {
		e.bytes(label+name, a, b, nil)
	}
}

// bzImage is what an image consists of, in order.
type bzImage struct{ setup, head, payload, tail []byte }

func openBzImage(b []byte) bzImage {
	const setupSects, payloadOffset = 0x1f1, 0x248
	if len(b) < payloadOffset+8 {
		return bzImage{setup: b}
	}
	sectors := uint64(b[setupSects])
	if sectors == 0 {
		sectors = 4
	}
	size := uint64(len(b))
	setup := min((sectors+1)*512, size)
	from := setup + uint64(binary.LittleEndian.Uint32(b[payloadOffset:]))
	to := from + uint64(binary.LittleEndian.Uint32(b[payloadOffset+4:]))
	if from > size || to > size || from == setup {
		return bzImage{setup: b[:setup], tail: b[setup:]}
	}
	return bzImage{b[:setup], b[setup:from], b[from:to], b[to:]}
}
