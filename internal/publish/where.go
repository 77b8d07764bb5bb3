package publish

import (
	"regexp"
	"strings"

	"bzmage/internal/fault"
)

// Place is where releases and proposals go.
type Place struct {
	Host     Host
	Requests Requests // nil: the place has none
	Kind     string   // github or gitlab
	Web      string   // address of the repository for people; may be empty
}

// reRemote finds host and path in the address of a git remote, of https or ssh.
var reRemote = regexp.MustCompile(`^(?:https?://|ssh://)?(?:[^@/]+@)?([^:/]+)(?::\d+)?[:/](.+?)(?:\.git)?/?$`)

// Open returns the place: what PUBLISH_TO says; else where the pipeline runs;
// else the remote origin, if that is at github.com or gitlab.com. Tokens come
// from the environment too, and stay in the place.
func Open(getenv func(string) string, origin string) (Place, error) {
	kind, path, ok := strings.Cut(getenv("PUBLISH_TO"), ":")
	switch {
	case ok && (kind == "github" || kind == "gitlab"):
	case getenv("PUBLISH_TO") != "":
		return Place{}, fault.New(fault.Usage, "PUBLISH_TO=github:owner/name", "PUBLISH_TO is neither github:owner/name nor gitlab:group/name")
	case getenv("GITHUB_ACTIONS") == "true":
		kind, path = "github", getenv("GITHUB_REPOSITORY")
	case getenv("GITLAB_CI") == "true":
		kind, path = "gitlab", getenv("CI_PROJECT_PATH")
	default:
		m := reRemote.FindStringSubmatch(origin)
		if m == nil || m[1] != "github.com" && m[1] != "gitlab.com" {
			return Place{}, fault.New(fault.Usage, "PUBLISH_TO=github:owner/name or gitlab:group/name", "where to publish is not known: PUBLISH_TO is not set, and the remote origin is neither at github.com nor at gitlab.com")
		}
		kind, path = strings.TrimSuffix(m[1], ".com"), m[2]
	}
	if kind == "gitlab" {
		return openGitLab(getenv, path)
	}
	token := getenv("GITHUB_TOKEN")
	if token == "" {
		token = getenv("GH_TOKEN")
	}
	g, err := NewGitHub(GitHubParams{Repository: path, API: getenv("GITHUB_API_URL"), Token: token})
	if err != nil {
		return Place{}, err
	}
	return Place{Host: g, Requests: g, Kind: kind, Web: strings.TrimSuffix(webOf(getenv("GITHUB_SERVER_URL"), "https://github.com"), "/") + "/" + path}, nil
}

func webOf(said, usual string) string {
	if said != "" {
		return said
	}
	return usual
}

// openGitLab takes a token of a person or project before the job's, which may
// publish, but neither mend what an earlier job left nor propose anything.
func openGitLab(getenv func(string) string, path string) (Place, error) {
	p := GitLabParams{Project: path, API: getenv("CI_API_V4_URL"), Token: getenv("GITLAB_TOKEN")}
	if p.Token == "" {
		p.Token, p.Job = getenv("CI_JOB_TOKEN"), true
	}
	g, err := NewGitLab(p)
	if err != nil {
		return Place{}, err
	}
	return Place{Host: g, Requests: g, Kind: "gitlab", Web: strings.TrimSuffix(webOf(getenv("CI_SERVER_URL"), "https://gitlab.com"), "/") + "/" + path}, nil
}
