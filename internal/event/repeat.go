package event

// Run is the action of a check that begins.
const Run = "run"

// runs counts how the runs of a check went.
type runs struct{ began, ended, passed, failed int }

// Repeat says that every check is to run so many times, each with an end of
// its own.
func (s *State) Repeat(times int) { s.times = times }

// timesOf returns how often a check is to run: the leak detector is asked once,
// after the last of the rounds.
func (s *State) timesOf(name string) int {
	if name == Kmemleak {
		return min(1, s.times)
	}
	return s.times
}

// begin notes that a check began. Until it ends its status is that of a check
// that did not, whatever its earlier runs were: only a failure stays.
func (s *State) begin(i int) {
	c, r := &s.res.Checks[i], &s.runs[i]
	r.began++
	if s.times > 1 && r.began <= s.times && c.Status != Fail {
		c.Status = ""
	}
}

// end takes in how a run of a check ended. Of several runs a failure counts
// more than a pass, and a pass more than a skip: what failed once is no pass.
func (s *State) end(i int, e TestEvent) {
	c, r := &s.res.Checks[i], &s.runs[i]
	if r.ended >= max(1, s.times) {
		s.Violate("check %s ended twice: %s and %s", c.Name, c.Status, e.Action)
		if c.Status == Fail {
			return
		}
		c.Status = e.Action
		return
	}
	r.ended++
	if e.Elapsed != nil {
		c.Elapsed += max(0, *e.Elapsed)
	}
	if s.times > 1 {
		c.Runs = r.ended
	}
	switch e.Action {
	case Fail:
		r.failed++
	case Pass:
		r.passed++
	}
	switch {
	case r.failed > 0:
		c.Status = Fail
	case r.passed > 0:
		c.Status = Pass
	default:
		c.Status = Skip
	}
	if s.times > 1 {
		c.Failures = r.failed
	}
}
