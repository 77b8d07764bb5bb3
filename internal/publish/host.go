// Package publish puts a folder of files up as a release of GitHub or GitLab,
// and nothing of it in the open before all of it is there and proved to be
// what was sent. In goes a folder; out comes an address.
package publish

import (
	"context"
	"errors"
	"io"
	"os"
)

// Host keeps releases. Each call may be repeated after any failure.
type Host interface {
	// Name is where releases go, for messages: "GitHub owner/name".
	Name() string
	// Preflight says what would keep a release from being published: the
	// token's rights, the repository, the tag.
	Preflight(ctx context.Context, tag, commit string) error
	// Find returns the release of the tag, draft or published; nil: none.
	Find(ctx context.Context, tag string) (*Release, error)
	// Create makes a draft that nobody else sees.
	Create(ctx context.Context, d Description) (*Release, error)
	// Upload sends a file. An asset of the name that is there already is
	// ErrExists.
	Upload(ctx context.Context, r *Release, name string, f *os.File) (Asset, error)
	// Remove takes an asset of a draft away.
	Remove(ctx context.Context, r *Release, a Asset) error
	// Download returns what the host has of an asset.
	Download(ctx context.Context, r *Release, a Asset) (io.ReadCloser, error)
	// Publish shows a whole draft to all, and returns its address.
	Publish(ctx context.Context, r *Release, d Description) (string, error)
}

// Description is what a release says of itself.
type Description struct {
	Tag    string
	Commit string
	Title  string
	Notes  string // Markdown
}

// Release is what a host has of one.
type Release struct {
	ID     string // the host's; empty where a draft has none
	Tag    string
	Commit string // what the host says the tag is; empty: unknown yet
	Draft  bool
	URL    string
	Notes  string
	Assets []Asset
}

// Asset is a file of a release.
type Asset struct {
	ID    string
	Name  string
	Size  int64
	Whole bool // the host says that the upload came to its end
}

// Requests keeps what is proposed and reported to people.
type Requests interface {
	// Propose opens a pull or merge request from the branch, or refreshes the
	// one that is open. It returns its address.
	Propose(ctx context.Context, p Proposal) (string, error)
	// Report opens an issue with the marker, or refreshes the open one.
	Report(ctx context.Context, i Issue) (string, error)
	// Settle closes the open issue with the marker, if there is one.
	Settle(ctx context.Context, marker, comment string) error
}

// Proposal is a pull or merge request; there is one open at most for a branch.
type Proposal struct {
	Branch, Base string // empty Base: the default branch
	Title        string
	Body         string // Markdown
	Draft        bool
}

// Issue is known by its marker, which stands in its body as a comment of HTML.
type Issue struct {
	Marker string
	Title  string
	Body   string
}

// ErrExists says that there is an asset of the name already.
var ErrExists = errors.New("an asset of this name is there already")
