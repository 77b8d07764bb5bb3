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

// site is a kind of host.
type site struct {
	kind   string // in PUBLISH_TO, before the colon
	domain string // of the one that all know; a remote there says where to publish
	ci     string // the variable that is true in its pipelines
	path   string // the variable that names the repository there
	open   func(getenv func(string) string, path string) (Place, error)
}

func sites() []site {
	return []site{
		{"github", "github.com", "GITHUB_ACTIONS", "GITHUB_REPOSITORY", openGitHub},
		{"gitlab", "gitlab.com", "GITLAB_CI", "CI_PROJECT_PATH", openGitLab},
	}
}

// Open returns the place: what PUBLISH_TO says; else where the pipeline runs;
// else the remote origin, if that is at github.com or gitlab.com. Tokens come
// from the environment too, and stay in the place.
func Open(getenv func(string) string, origin string) (Place, error) {
	const hint = "PUBLISH_TO=github:owner/name or gitlab:group/name"
	if to := getenv("PUBLISH_TO"); to != "" {
		kind, path, _ := strings.Cut(to, ":")
		for _, s := range sites() {
			if s.kind == kind {
				return s.open(getenv, path)
			}
		}
		return Place{}, fault.New(fault.Usage, hint, "PUBLISH_TO is neither github:owner/name nor gitlab:group/name")
	}
	for _, s := range sites() {
		if getenv(s.ci) == "true" {
			return s.open(getenv, getenv(s.path))
		}
	}
	if m := reRemote.FindStringSubmatch(origin); m != nil {
		for _, s := range sites() {
			if strings.EqualFold(m[1], s.domain) {
				return s.open(getenv, m[2])
			}
		}
	}
	return Place{}, fault.New(fault.Usage, hint, "where to publish is not known: PUBLISH_TO is not set, and the remote origin is neither at github.com nor at gitlab.com")
}

func openGitHub(getenv func(string) string, path string) (Place, error) {
	token := getenv("GITHUB_TOKEN")
	if token == "" {
		token = getenv("GH_TOKEN")
	}
	g, err := NewGitHub(GitHubParams{Repository: path, API: getenv("GITHUB_API_URL"), Token: token})
	if err != nil {
		return Place{}, err
	}
	return Place{Host: g, Requests: g, Kind: "github", Web: webOf(getenv("GITHUB_SERVER_URL"), "https://github.com", path)}, nil
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
	return Place{Host: g, Requests: g, Kind: "gitlab", Web: webOf(getenv("CI_SERVER_URL"), "https://gitlab.com", path)}, nil
}

// webOf is the address of a repository for people.
func webOf(said, usual, path string) string {
	if said == "" {
		said = usual
	}
	return strings.TrimSuffix(said, "/") + "/" + path
}
