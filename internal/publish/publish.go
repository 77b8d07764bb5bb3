package publish

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"bzmage/internal/fault"
)

// File is a file to publish.
type File struct {
	Name   string
	Size   int64 // bytes
	SHA256 string
	Run    bool // about the run that made it: another run makes another one
}

// Params is what is published.
type Params struct {
	Description
	Dir      string // where the files are
	Files    []File
	Parallel int                                        // files at once; 0: four
	Log      *logrus.Logger                             // nil: nothing is said
	Progress func(done, all int64)                      // bytes the host has, proved; nil: nobody asks
	Wait     func(context.Context, time.Duration) error // between tries; nil: as long as it says
}

// Result is what was done.
type Result struct {
	URL      string
	Kept     bool     // it was published already, with the same files
	Uploaded []string // files that were sent
	Reused   []string // files that an earlier run had sent
	Replaced []string // what an earlier run left that was wrong, cut short, or none of ours
	Bytes    int64    // that were sent
	Seconds  float64
}

// String is the result for people.
func (r Result) String() string {
	if r.Kept {
		return "published already, the same: " + r.URL
	}
	return fmt.Sprintf("published: %s (%d files sent, %.1f MB in %.1f s; %d were there; %d replaced or removed)",
		r.URL, len(r.Uploaded), float64(r.Bytes)/1e6, r.Seconds, len(r.Reused), len(r.Replaced))
}

const (
	// idleRounds is how often the host is looked at without a file more being
	// right there. Each round sends what is missing then, so that any number
	// of failures at once costs one round.
	idleRounds = 8
	// sendings is how often a file is sent that comes back as another one.
	sendings = 4
)

// publisher is one publication.
type publisher struct {
	p      Params
	host   Host
	waits  *waits
	draft  *Release // that this run made; the host may not show it yet
	ending bool     // this run proved the draft, and asked for it to be shown
	best   int      // the most files that were right there

	mu      sync.Mutex
	checked map[string]string // asset: the sha256 that was wanted and came back
	sent    map[string]int    // file: how often it was sent
	res     Result
}

// Publish puts the files up. The host is looked at first, and again after each
// step: what is right there is kept, what is not is replaced, and the draft is
// published when every byte of it came back as it was sent. So it does not
// matter how far an earlier run came, or whether an answer was lost.
//
// A published release is never touched: the same files are success, others a
// [fault.Usage]. What another try may mend is tried again, for about an hour;
// then the error is a [fault.Machine].
func Publish(ctx context.Context, h Host, p Params) (Result, error) {
	if err := limits(p.Files); err != nil {
		return Result{}, err
	}
	if p.Parallel <= 0 {
		p.Parallel = 4
	}
	u := &publisher{
		p: p, host: h, checked: map[string]string{}, sent: map[string]int{},
		waits: &waits{host: h.Name(), sleep: p.Wait, log: p.Log, patience: patience},
	}
	start := time.Now()
	err := u.rounds(ctx)
	u.res.Seconds = time.Since(start).Seconds()
	slices.Sort(u.res.Uploaded)
	slices.Sort(u.res.Replaced)
	u.res.Replaced = slices.Compact(u.res.Replaced)
	return u.res, err
}

// rounds goes on until all is published, or nothing helps.
func (u *publisher) rounds(ctx context.Context) error {
	var last error
	for idle := 0; idle < idleRounds; idle++ {
		drafted, best := u.draft != nil, u.best
		done, err := u.round(ctx)
		if ctx.Err() != nil && (err != nil || !done) {
			return fmt.Errorf("publish to %s: %w", u.host.Name(), context.Cause(ctx))
		}
		if done || final(err) {
			return err
		}
		if u.draft != nil && !drafted || u.best > best {
			idle = -1
			u.waits.again()
		}
		if last = err; err == nil {
			continue
		}
		if err := u.waits.before(ctx, err); err != nil {
			return err
		}
	}
	if last == nil {
		last = fmt.Errorf("the host does not show what was sent")
	}
	return fault.New(fault.Machine, "run the same again: it goes on where this run ended",
		"publish to %s: nothing more came of %d rounds: %w", u.host.Name(), idleRounds, last)
}

// round looks at the host and does what is to be done next. Done says that
// there is nothing more.
func (u *publisher) round(ctx context.Context) (done bool, err error) {
	r, err := u.host.Find(ctx, u.p.Tag)
	if err != nil {
		return false, err
	}
	if r == nil && u.draft == nil {
		u.say("making a draft of %s", u.p.Tag)
		u.draft, err = u.host.Create(ctx, u.p.Description)
		return false, err // the next round sees it, or an older one
	}
	if r == nil {
		r = u.draft
	}
	if !r.Draft {
		return u.published(ctx, r)
	}
	missing, wrong, err := u.compare(ctx, r)
	if err != nil {
		return false, err
	}
	for _, a := range wrong {
		u.say("removing %s, which is not what is to be published", shown(a.Name))
		if err := u.host.Remove(ctx, r, a); err != nil {
			return false, err
		}
		u.res.Replaced = append(u.res.Replaced, a.Name)
	}
	if len(missing) > 0 {
		return false, u.upload(ctx, r, missing)
	}
	if len(wrong) > 0 {
		return false, nil
	}
	u.ending = true
	_, err = u.host.Publish(ctx, r, u.p.Description)
	return false, err // the next round sees it published
}

func (u *publisher) say(format string, args ...any) {
	if u.p.Log != nil {
		u.p.Log.Infof("%s: "+format, append([]any{u.host.Name()}, args...)...)
	}
}
