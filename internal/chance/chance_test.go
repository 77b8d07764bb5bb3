package chance

import (
	"math"
	"math/rand/v2"
	"testing"
)

// words is how many numbers the guest's check reads.
const words = 4096

func good(seed uint64) func() uint32 {
	r := rand.New(rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)}))
	return r.Uint32
}

func take(next func() uint32) []uint32 {
	all := make([]uint32, words)
	for i := range all {
		all[i] = next()
	}
	return all
}

// A good generator has no findings, and hardly ever comes near to one: with
// nine more zeros taken from the bounds there are as few as they say.
func TestGood(t *testing.T) {
	runs := 500
	if testing.Short() {
		runs = 100
	}
	const loose = 0.05
	near := 0
	for seed := range runs {
		all := take(good(uint64(seed)))
		if f := Look(all); len(f) > 0 {
			t.Errorf("seed %d: %v", seed, f)
		}
		if len(look(all, loose)) > 0 {
			near++
		}
	}
	// The seeds are fixed, so this is no matter of chance.
	if most := int(loose * float64(runs)); near > most {
		t.Errorf("with a budget of %v, %d of %d runs have findings, want at most %d", loose, near, runs, most)
	}
}

// Bad generators are caught, and by the test that is there for them.
func TestBad(t *testing.T) {
	tests := []struct {
		name string
		next func() func() uint32
		want string
	}{
		{"nothing but zeros", func() func() uint32 { return func() uint32 { return 0 } }, "monobit"},
		{"a counter", func() func() uint32 { n := uint32(0); return func() uint32 { n++; return n } }, "balance"},
		{"a counter with a large step", func() func() uint32 {
			n := uint32(1)
			return func() uint32 { n += 0x9e3779b9; return n }
		}, "serial"},
		{"a bit that is always set", filter(func(w uint32, _ int) uint32 { return w | 1<<17 }), "balance"},
		{"a sign that is always clear", filter(func(w uint32, _ int) uint32 { return w &^ (1 << 31) }), "balance"},
		{"one number again and again", func() func() uint32 { return func() uint32 { return 0x6d2b79f5 } }, "repeats"},
		{"each number twice", twice, "repeats"},
		{"a bit that is a copy of another", filter(func(w uint32, _ int) uint32 { return w&^1 | w>>9&1 }), "distance"},
		{"a bit that alternates", filter(func(w uint32, i int) uint32 { return w&^4 | uint32(i)&1<<2 }), "serial"},
		{"a linear congruential generator", func() func() uint32 {
			n := uint32(1)
			return func() uint32 { n = n*1664525 + 1013904223; return n }
		}, "serial"},
		{"its low half, twice", func() func() uint32 {
			n := uint32(1)
			next := func() uint32 { n = n*1664525 + 1013904223; return n & 0xffff }
			return func() uint32 { return next()<<16 | next() }
		}, "serial"},
		{"a byte that is never above 239", filter(func(w uint32, _ int) uint32 {
			if w&0xff > 239 {
				w -= 100
			}
			return w
		}), "bytes"},
		{"letters", filter(func(w uint32, _ int) uint32 { return w%26 + 'a' }), "monobit"},
		{"small numbers", filter(func(w uint32, _ int) uint32 { return w % 1_000_000_007 }), "balance"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var all []Finding
			for _, f := range Look(take(tt.next())) {
				if f.Test == tt.want {
					return
				}
				all = append(all, f)
			}
			t.Errorf("no finding of %s: %v", tt.want, all)
		})
	}
}

// filter returns a good generator whose words are changed.
func filter(f func(w uint32, i int) uint32) func() func() uint32 {
	return func() func() uint32 {
		next, i := good(1), -1
		return func() uint32 { i++; return f(next(), i) }
	}
}

func twice() func() uint32 {
	next, i, last := good(1), 0, uint32(0)
	return func() uint32 {
		if i++; i%2 == 1 {
			last = next()
		}
		return last
	}
}

// The bound for coins is above the probability itself, which can be summed up.
func TestMaxOff(t *testing.T) {
	for _, n := range []int{64, 4095, words, 32 * words} {
		for _, p := range []float64{0.05, 1e-6, 1e-9 / 300} {
			d := maxOff(n, p)
			tail := 0.0
			for k := 0; float64(k) <= float64(n)/2-d; k++ {
				tail += 2 * math.Exp(lchoose(n, k)-float64(n)*math.Ln2)
			}
			if tail > p {
				t.Errorf("%d coins are off by %.1f with a probability of %.2g, want at most %.2g", n, d, tail, p)
			}
		}
	}
}

func lchoose(n, k int) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}

// The bound for bytes is above what is seen, and not so far that it would
// catch nothing: the limit's distribution has its 10^-9/326 at about 430.
func TestMaxChiSquare(t *testing.T) {
	const p, runs = 0.05, 400
	limit, above := maxChiSquare(4*words, p), 0
	for seed := range runs {
		l := looker{words: take(good(uint64(seed))), share: p / 5} // it looks five times
		if l.bytes(); len(l.found) > 0 {
			above++
		}
	}
	if above > int(p*runs) {
		t.Errorf("%d of %d runs are above %.0f, want at most %d", above, runs, limit, int(p*runs))
	}
	if got := maxChiSquare(4*words, 1e-9/326); got < 430 || got > 500 {
		t.Errorf("the limit is %.0f, want 430 to 500", got)
	}
}

func TestFewWords(t *testing.T) {
	for n := range 8 {
		if f := Look(take(good(3))[:n]); len(f) > 0 {
			t.Errorf("%d words: %v", n, f)
		}
	}
}
