package publish_test

import (
	"fmt"
	"net/http"
	"testing"

	"bzmage/internal/publish"
	"bzmage/internal/testhost"
)

// TestRequests opens one pull request and one issue, whatever is lost between.
func TestRequests(t *testing.T) {
	for at := range 8 {
		t.Run(fmt.Sprint("answer lost ", at), func(t *testing.T) {
			t.Parallel()
			lost(t, at)
		})
	}
}

func lost(t *testing.T, at int) {
	l := newLab(t)
	g, ok := l.host.(publish.Requests)
	if !ok {
		t.Fatal("GitHub has no requests")
	}
	l.server.Break(func(n int, _ *http.Request) testhost.Mode {
		if n == at {
			return testhost.Lost
		}
		return testhost.Answer
	})
	for _, title := range []string{"one", "one", "two"} {
		p := publish.Proposal{Branch: "bzmage/update-6.1", Title: title, Body: "body"}
		if _, err := g.Propose(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Report(t.Context(), publish.Issue{Marker: "bzmage 6.1", Title: title, Body: "b"}); err != nil {
			t.Fatal(err)
		}
	}
	all := l.server.Proposals()
	if len(all) != 2 || all[0].Title != "two" || all[1].Title != "two" || all[0].Base != "main" {
		t.Errorf("lost at %d: %+v", at, all)
	}
	if err := g.Settle(t.Context(), "bzmage 6.1", "done"); err != nil {
		t.Fatal(err)
	}
	if err := g.Settle(t.Context(), "bzmage 6.1", "done"); err != nil {
		t.Fatal(err)
	}
	if all = l.server.Proposals(); all[1].Open || len(all[1].Comments) != 1 || !all[0].Open {
		t.Errorf("settled: %+v", all)
	}
}
