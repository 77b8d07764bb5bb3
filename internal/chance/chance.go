// Package chance tells random numbers from those that only look so. In goes
// what was read, as 32-bit words in the order of reading; out comes a
// [Finding] for each property that a good generator would have.
//
// Each bound is a proven one, not an approximation, and together they hold:
// a good generator gets a finding with a probability below [Budget], however
// few words there are. Each of the m tests has a share of Budget/m (Boole's
// inequality: the chance that any of them fails is at most the sum).
//
// Nearly all tests come down to fair coins. When words are independent and
// uniform, so are their bits, and also the exclusive or of each bit with one a
// fixed distance away: such bits are sums, modulo 2, of different sets of
// independent fair bits, none of which is the sum of others. The number k of
// ones among n fair coins is off by d or more with
//
//	P(|k - n/2| >= d) <= 2 exp(-2 d²/n)
//
// (W. Hoeffding, Probability inequalities for sums of bounded random
// variables, 1963), which gives d = sqrt(n ln(2/share) / 2): for n = 4096 and
// a share of 10^-9/326 some 236, or 7.4 standard deviations of 32.
package chance

import (
	"fmt"
	"math"
)

// Budget is the probability that a good generator gets a finding.
const Budget = 1e-9

// Finding is a property that a good generator would have, and these words
// have not.
type Finding struct {
	Test string // monobit, balance, serial, distance, bytes or repeats
	What string // what was seen, and what a good generator gives
}

func (f Finding) String() string { return f.Test + ": " + f.What }

// wordBits is how many bits a word has.
const wordBits = 32

// lags are the distances, in words, at which a bit is compared with itself.
// The lowest bits of a linear congruential generator repeat after 2, 4, 8 ...
// words: at that distance they always agree.
func lags() []int { return []int{1, 2, 3, 4, 8, 16, 32, 64} }

// Look applies all tests to words, of which there should be some thousand.
func Look(words []uint32) []Finding { return look(words, Budget) }

func look(words []uint32, budget float64) []Finding {
	// What is tested, one after the other: all bits together; each bit; each
	// bit and itself at each lag; neighbouring bits at each distance within a
	// word; each byte of a word and all bytes; repeats.
	tests := 1 + wordBits + wordBits*len(lags()) + (wordBits - 1) + 5 + 1
	share := budget / float64(tests)
	l := looker{words: words, share: share}
	l.monobit()
	l.balance()
	l.serial()
	l.distance()
	l.bytes()
	l.repeats()
	return l.found
}

type looker struct {
	words []uint32
	share float64 // the probability of a finding that each test may have
	found []Finding
}

func (l *looker) find(test, format string, args ...any) {
	l.found = append(l.found, Finding{test, fmt.Sprintf(format, args...)})
}

// coins finds fault with ones among n coins that cannot be fair.
func (l *looker) coins(test, what string, ones, n int) {
	if d := maxOff(n, l.share); n > 0 && math.Abs(float64(ones)-float64(n)/2) >= d {
		l.find(test, "%s %d of %d times, want %.0f give or take %.0f", what, ones, n, float64(n)/2, math.Ceil(d))
	}
}

// maxOff returns how far the number of ones among n fair coins is off n/2 with
// a probability of at most p.
func maxOff(n int, p float64) float64 { return math.Sqrt(float64(n) * math.Log(2/p) / 2) }

// monobit looks at all bits together.
func (l *looker) monobit() {
	ones := 0
	for _, n := range ones32(l.words) {
		ones += n
	}
	l.coins("monobit", "a bit is set", ones, wordBits*len(l.words))
}

// balance looks at each of the 32 bits.
func (l *looker) balance() {
	for bit, n := range ones32(l.words) {
		l.coins("balance", fmt.Sprintf("bit %d is set", bit), n, len(l.words))
	}
}

// serial compares each bit of a word with the same bit of a later one.
func (l *looker) serial() {
	for _, lag := range lags() {
		if lag >= len(l.words) {
			continue
		}
		differ := make([]uint32, 0, len(l.words))
		for i, w := range l.words[lag:] {
			differ = append(differ, w^l.words[i])
		}
		for bit, n := range ones32(differ) {
			l.coins("serial", fmt.Sprintf("bit %d is another than %d words before", bit, lag), n, len(differ))
		}
	}
}

// distance compares the bits of a word with each other.
func (l *looker) distance() {
	for d := 1; d < wordBits; d++ {
		differ := 0
		for _, w := range l.words {
			for x := (w ^ w>>d) & (1<<(wordBits-d) - 1); x != 0; x &= x - 1 {
				differ++
			}
		}
		l.coins("distance", fmt.Sprintf("bits %d apart in a word are different", d), differ, (wordBits-d)*len(l.words))
	}
}

// repeats looks for words that came before. Word i is one of the i before it
// with a probability of at most i/2^32, whatever those are. The sum of that,
// s, is n(n-1)/2^33, and the probability of k such words or more is at most
// that of k different ones, summed over all choices: s^k/k!.
func (l *looker) repeats() {
	n := float64(len(l.words))
	s, most := n*(n-1)/(1<<33), 0
	for p := s; p > l.share; most++ { // p: of most+1 repeats or more
		p *= s / float64(most+2)
	}
	seen := make(map[uint32]bool, len(l.words))
	for _, w := range l.words {
		seen[w] = true
	}
	if k := len(l.words) - len(seen); k > most {
		l.find("repeats", "%d of %d words came before, want at most %d", k, len(l.words), most)
	}
}

// ones32 counts how often each bit is set.
func ones32(words []uint32) (ones [wordBits]int) {
	for _, w := range words {
		for bit := range ones {
			ones[bit] += int(w >> bit & 1)
		}
	}
	return ones
}
