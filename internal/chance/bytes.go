package chance

import (
	"fmt"
	"math"
)

// cells is how many values a byte has.
const cells = 256

// bytes compares how often each value of a byte comes with how often it
// should, by Pearson's chi-square: for each byte of a word, and for all.
func (l *looker) bytes() {
	var all [cells]int
	for i := range 4 {
		var counts [cells]int
		for _, w := range l.words {
			counts[w>>(8*i)&0xff]++
		}
		l.chiSquare(fmt.Sprintf("byte %d", i), counts)
		for v, c := range counts {
			all[v] += c
		}
	}
	l.chiSquare("all bytes", all)
}

func (l *looker) chiSquare(what string, counts [cells]int) {
	n := 0
	for _, c := range counts {
		n += c
	}
	if n < 5*cells {
		return // too few to say anything
	}
	expected, sum := float64(n)/cells, 0.0
	for _, c := range counts {
		sum += square(float64(c)-expected) / expected
	}
	if limit := maxChiSquare(n, l.share); sum >= limit {
		l.find("bytes", "%s: chi-square of %d is %.0f, want less than %.0f", what, n, sum, limit)
	}
}

// maxChiSquare returns what the chi-square of n uniform bytes reaches with a
// probability of at most p.
//
// The usual table is that of a limit (n without end), and is wrong where it
// matters here, far out. So the bound is made of what n bytes really do:
// counts of n bytes are those of 256 independent Poisson variables with mean
// e = n/256, given that their sum is n; an event is therefore at most 1/P(sum
// = n) times as probable as with independent ones. For these, with
// y = (x-e)²/e, Markov's inequality gives for any t > 0 (H. Chernoff, 1952)
//
//	P(sum of y >= q) <= exp(-t q) E[exp(t y)]^256
//
// E[exp(t y)] is without bound, so counts above some m are left out; that one
// of the 256 is above has a probability of at most 256 P(x > m), which is made
// to be p/2 at most. The rest is solved for q, with the best t.
func maxChiSquare(n int, p float64) float64 {
	e := float64(n) / cells
	pmf := poisson(e)
	m := len(pmf)
	for tail := 0.0; m > 0; m-- {
		if tail += pmf[m-1]; cells*tail*atSum(n) > p/2 {
			break
		}
	}
	best := math.Inf(1)
	for t := 0.01; t < 0.5; t += 0.005 {
		mean := 0.0
		for x := range m {
			mean += pmf[x] * math.Exp(t*square(float64(x)-e)/e)
		}
		// exp(-t q) mean^256 / P(sum = n) = p/2
		best = min(best, (cells*math.Log(mean)+math.Log(atSum(n))-math.Log(p/2))/t)
	}
	return best
}

// atSum returns 1/P(sum = n), where the sum has a Poisson distribution with
// mean n.
func atSum(n int) float64 {
	f, _ := math.Lgamma(float64(n) + 1)
	return math.Exp(f + float64(n) - float64(n)*math.Log(float64(n)))
}

// poisson returns the probabilities of 0, 1, 2 ... of the distribution with
// mean e, as far as they matter: to 30 standard deviations beyond the mean.
func poisson(e float64) []float64 {
	var pmf []float64
	for x := 0.0; x <= e+30*math.Sqrt(e)+30; x++ {
		f, _ := math.Lgamma(x + 1)
		pmf = append(pmf, math.Exp(x*math.Log(e)-e-f))
	}
	return pmf
}

func square(x float64) float64 { return x * x }
