package publish_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"bzmage/internal/fault"
	"bzmage/internal/publish"
	"bzmage/internal/testhost"
)

const marker = "bzmage update 6.1"

// TestRequests opens one pull request and one issue, and refreshes them, at
// whichever request what goes wrong.
func TestRequests(t *testing.T) {
	for _, mode := range testhost.Modes() {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			for n := range 25 {
				broken(t, n, mode)
			}
		})
	}
}

func broken(t *testing.T, n int, mode testhost.Mode) {
	l := newLab(t)
	defer l.server.Close()
	l.server.Break(at(n, mode))
	for i, title := range []string{"one", "one", "two"} {
		p := publish.Proposal{Branch: "bzmage/update-6.1", Title: title, Body: "body", Draft: i != 1}
		if at, err := l.host.Propose(t.Context(), p); err != nil || !strings.HasPrefix(at, "https://github.com/owner/name/pull/") {
			t.Fatalf("%s at %d: %q, %v", mode, n, at, err)
		}
		if all := l.server.Proposals(); all[0].Draft != p.Draft {
			t.Errorf("%s at %d: a draft: %v", mode, n, all[0].Draft)
		}
		if at, err := l.host.Report(t.Context(), publish.Issue{Marker: marker, Title: title, Body: "b"}); err != nil || !strings.HasPrefix(at, "https://github.com/owner/name/issues/") {
			t.Fatalf("%s at %d: %q, %v", mode, n, at, err)
		}
	}
	all := l.server.Proposals()
	if len(all) != 2 || all[0].Title != "two" || all[1].Title != "two" || all[0].Base != "main" || !strings.HasSuffix(all[1].Body, "\nb") {
		t.Fatalf("%s at %d: %+v", mode, n, all)
	}
	for range 2 {
		if err := l.host.Settle(t.Context(), marker, "done"); err != nil {
			t.Fatal(err)
		}
	}
	if all = l.server.Proposals(); all[1].Open || len(all[1].Comments) != 1 || !strings.HasSuffix(all[1].Comments[0], "\ndone") || !all[0].Open {
		t.Errorf("%s at %d: settled: %+v", mode, n, all)
	}
}

// TestRequestsKilled ends a run at each request: the next one finds what the
// first had opened.
func TestRequestsKilled(t *testing.T) {
	for n := 1; n < 6; n++ {
		l := newLab(t)
		ctx, kill := context.WithCancel(t.Context())
		l.server.Break(func(i int, _ *http.Request) testhost.Mode {
			if i == n {
				kill()
				return testhost.Lost
			}
			return testhost.Answer
		})
		all := func(ctx context.Context) error {
			_, err := l.host.Propose(ctx, publish.Proposal{Branch: "b", Title: "t"})
			if err == nil {
				_, err = l.host.Report(ctx, publish.Issue{Marker: marker, Title: "t"})
			}
			return err
		}
		if err := all(ctx); fault.KindOf(err) != fault.Interrupted {
			t.Errorf("killed at %d: %v", n, err)
		}
		kill()
		l.server.Idle()
		if err := all(t.Context()); err != nil {
			t.Error(err)
		}
		if all := l.server.Proposals(); len(all) != 2 {
			t.Errorf("killed at %d: %+v", n, all)
		}
	}
}

// TestProposeAmongOthers takes no pull request for ours that is not, and the
// one of our branch for another base, too.
func TestProposeAmongOthers(t *testing.T) {
	l := newLab(t)
	for i := range 5 {
		l.server.Propose(testhost.Request{Head: "b", Fork: true, Title: fmt.Sprint("of a fork ", i), Open: true, Base: "main"})
	}
	l.server.Propose(testhost.Request{Head: "b", Title: "closed", Base: "main"})
	l.server.Propose(testhost.Request{Head: "b", Title: "ours", Base: "old", Open: true})
	if _, err := l.host.Propose(t.Context(), publish.Proposal{Branch: "b", Title: "new", Body: strings.Repeat("long\n", 20000)}); err != nil {
		t.Fatal(err)
	}
	all := l.server.Proposals()
	if len(all) != 7 || all[6].Title != "new" || all[6].Base != "main" || all[0].Title != "of a fork 0" || all[5].Title != "closed" || len(all[6].Body) > 65536 {
		t.Errorf("%+v", all)
	}
	// Only the base is another one.
	p := publish.Proposal{Branch: "b", Base: "next", Title: all[6].Title, Body: all[6].Body}
	if _, err := l.host.Propose(t.Context(), p); err != nil {
		t.Error(err)
	}
	if all := l.server.Proposals(); len(all) != 7 || all[6].Base != "next" {
		t.Errorf("%+v", all)
	}
}

// TestNoDraftPulls opens a pull request that is none where there are no drafts.
func TestNoDraftPulls(t *testing.T) {
	l := newLab(t)
	l.server.NoDrafts = true
	for range 2 {
		if _, err := l.host.Propose(t.Context(), publish.Proposal{Branch: "b", Title: "t", Draft: true}); err != nil {
			t.Error(err)
		}
	}
	if all := l.server.Proposals(); len(all) != 1 || all[0].Draft {
		t.Errorf("%+v", all)
	}
}

// TestReportAmongOthers takes no issue of a stranger for ours, nor a pull
// request, nor one that only speaks of the marker; but a bot's, and a member's
// whom GitHub does not call one.
func TestReportAmongOthers(t *testing.T) {
	mark := "<!-- " + marker + " -->\nold"
	others := []testhost.Request{
		{Title: "a stranger's", Body: mark, By: "stranger", Type: "User", Is: "NONE", Open: true},
		{Title: "a contributor's", Body: mark, By: "helper", Type: "User", Is: "CONTRIBUTOR", Open: true},
		{Title: "of it", Body: "see " + mark, By: "pusher", Type: "User", Is: "OWNER", Open: true},
		{Title: "closed", Body: mark, By: "pusher", Type: "User", Is: "OWNER"},
		{Title: "a pull request", Body: mark, By: "pusher", Type: "User", Is: "OWNER", Head: "b", Open: true},
		{Title: "another line", Body: "<!-- bzmage update 6.12 -->", By: "pusher", Type: "User", Is: "OWNER", Open: true},
	}
	for name, tt := range map[string]struct {
		ours testhost.Request
		want int // issues
	}{
		"none":     {testhost.Request{Title: "one more", Body: "x", Type: "User"}, len(others) + 2},
		"an owner": {testhost.Request{Title: "ours", Body: mark, By: "owner", Type: "User", Is: "OWNER", Open: true}, len(others) + 1},
		"a bot":    {testhost.Request{Title: "ours", Body: mark, By: "github-actions[bot]", Type: "Bot", Is: "NONE", Open: true}, len(others) + 1},
		"me":       {testhost.Request{Title: "ours", Body: mark, By: "pusher", Type: "User", Is: "NONE", Open: true}, len(others) + 1},
	} {
		l := newLab(t)
		for _, o := range others {
			l.server.Propose(o)
		}
		l.server.Propose(tt.ours)
		for range 2 {
			if _, err := l.host.Report(t.Context(), publish.Issue{Marker: marker, Title: "new", Body: "b"}); err != nil {
				t.Fatal(err)
			}
		}
		all := l.server.Proposals()
		if len(all) != tt.want || all[tt.want-1].Title != "new" {
			t.Errorf("%s: %+v", name, all)
		}
		for i, o := range others {
			if all[i].Title != o.Title || all[i].Body != o.Body {
				t.Errorf("%s: %q was changed: %+v", name, o.Title, all[i])
			}
		}
	}
}

// TestRequestsRefused says what is missing to those who may only read.
func TestRequestsRefused(t *testing.T) {
	l := newLab(t)
	reader := l.connect(l.server.Reader)
	_, err := reader.Propose(t.Context(), publish.Proposal{Branch: "b", Title: "t"})
	if fault.KindOf(err) != fault.Usage || !strings.Contains(fault.HintOf(err), "rights of GITHUB_TOKEN") {
		t.Errorf("%v", err)
	}
	if _, err = reader.Report(t.Context(), publish.Issue{Marker: marker, Title: "t"}); fault.KindOf(err) != fault.Usage {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"", "a --> b"} {
		if _, err = l.host.Report(t.Context(), publish.Issue{Marker: bad, Title: "t"}); err == nil {
			t.Errorf("%q marks an issue", bad)
		}
	}
	if all := l.server.Proposals(); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}
