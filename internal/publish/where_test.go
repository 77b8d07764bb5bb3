package publish_test

import (
	"fmt"
	"strings"
	"testing"

	"bzmage/internal/publish"
)

func TestOpen(t *testing.T) {
	actions := map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "c/d"}
	for name, tt := range map[string]struct {
		env    map[string]string
		origin string
		want   string // the place, or what the error says
	}{
		"said":             {map[string]string{"PUBLISH_TO": "github:a/b", "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "c/d"}, "", "GitHub a/b https://github.com/a/b"},
		"Actions":          {actions, "https://github.com/e/f", "GitHub c/d"},
		"Enterprise":       {map[string]string{"PUBLISH_TO": "github:a/b", "GITHUB_SERVER_URL": "https://h.example/", "GITHUB_API_URL": "https://h.example/api/v3"}, "", "GitHub a/b https://h.example/a/b"},
		"over http":        {map[string]string{"PUBLISH_TO": "github:a/b", "GITHUB_API_URL": "http://h.example/api/v3"}, "", "https only"},
		"origin by https":  {nil, "https://github.com/e/f.git", "GitHub e/f"},
		"origin by ssh":    {nil, "git@github.com:e/f.git", "GitHub e/f"},
		"origin by ssh://": {nil, "ssh://git@github.com/e/f", "GitHub e/f"},
		"elsewhere":        {nil, "https://example.org/e/f", "is not known"},
		"like it":          {nil, "https://evilgithub.com/e/f", "is not known"},
		"below it":         {nil, "https://github.com.example/e/f", "is not known"},
		"a path":           {nil, "/srv/git/f.git", "is not known"},
		"nothing":          {nil, "", "is not known"},
		"nonsense":         {map[string]string{"PUBLISH_TO": "ftp:a/b"}, "https://github.com/e/f", "PUBLISH_TO"},
		"no repository":    {map[string]string{"PUBLISH_TO": "github:a"}, "", "no repository"},
	} {
		place, err := publish.Open(func(n string) string { return tt.env[n] }, tt.origin)
		got := fmt.Sprint(err)
		if err == nil {
			got = place.Host.Name() + " " + place.Web
		}
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestOpenToken takes the token from either name, and asks without where there
// is none.
func TestOpenToken(t *testing.T) {
	l := newLab(t)
	l.server.Split = false
	env := map[string]string{"PUBLISH_TO": "github:owner/name", "GITHUB_API_URL": l.server.API()}
	for _, name := range []string{"GITHUB_TOKEN", "GH_TOKEN", ""} {
		delete(env, "GITHUB_TOKEN")
		delete(env, "GH_TOKEN")
		env[name] = l.server.Token
		place, err := publish.Open(func(n string) string { return env[n] }, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := place.Host.Preflight(t.Context(), tag, commit); (err == nil) != (name != "") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
