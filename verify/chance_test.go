package verify

import (
	"testing"

	"bzmage/internal/chance"
)

// All numbers there are can come, each is as likely as the next, and none has
// to do with those before it: as far as 4096 of them can tell, which package
// chance says with an error of less than one in 10^9 boots for all it looks at.
func TestRandBits(t *testing.T) {
	words := make([]uint32, 0, many)
	for range many {
		words = append(words, uint32(readRand(t, selfRand)))
	}
	for _, f := range chance.Look(words) {
		t.Error(f)
	}
}

// What one file gives each time it is rewound is no worse than what a new one
// does: nothing is kept in the file.
func TestRandBitsOfOneFile(t *testing.T) {
	words := make([]uint32, 0, many)
	f := openRand(t, selfRand, 0)
	for range many {
		words = append(words, uint32(rereadRand(t, f)))
	}
	for _, f := range chance.Look(words) {
		t.Error(f)
	}
}
