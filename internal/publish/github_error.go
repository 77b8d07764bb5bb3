package publish

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/google/go-github/v58/github"

	"bzmage/internal/fault"
)

// explain says whose fault an error is and whether another try may help. What
// went wrong is told in its words only: the errors of requests hold requests,
// and those the token.
func (g *GitHub) explain(what string, err error) error {
	var ue *url.Error
	cause := err
	if errors.As(err, &ue) {
		cause = ue.Err
	}
	said := fmt.Errorf("%s: %s: %s", g.Name(), what, g.shown(words(cause)))
	var known *fault.Error
	var t *Temporary
	var two *github.TwoFactorAuthError
	var cert *x509.UnknownAuthorityError
	var host *x509.HostnameError
	code := status(err)
	switch {
	case errors.As(err, &known):
		return err // it was explained
	case errors.As(err, &t):
		return &Temporary{Err: said, Wait: t.Wait}
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%w: %w", said, context.Canceled)
	case errors.As(err, &two), code == http.StatusUnauthorized:
		return fault.New(fault.Usage, "set GITHUB_TOKEN to a token that is valid", "GitHub does not accept GITHUB_TOKEN: %w", said)
	case errors.As(err, &cert), errors.As(err, &host):
		return fault.New(fault.Machine, "install the certificates of the server's authority", "%w", said)
	case errors.Is(err, errLong):
		return fault.New(fault.Machine, "", "%w", said)
	case code >= 300 && code < 400:
		return fault.New(fault.Usage, "use its new name", "%s has moved: %w", g.Name(), said)
	case code == http.StatusConflict, code == http.StatusRequestTimeout, code >= 500, code == 0:
		return &Temporary{Err: said, Wait: waitOf(err)}
	case code == http.StatusForbidden, code == http.StatusNotFound:
		return fault.New(fault.Usage, "look at the name of the repository and the rights of GITHUB_TOKEN", "%w", said)
	}
	return fault.New(fault.Machine, "", "%w", said)
}

// words are what an error says, without the address, which says nothing new.
func words(err error) string {
	var e *github.ErrorResponse
	if !errors.As(err, &e) || e.Response == nil {
		return err.Error()
	}
	text := fmt.Sprintf("%d %s", e.Response.StatusCode, http.StatusText(e.Response.StatusCode))
	if e.Message != "" {
		text += ": " + e.Message
	}
	for _, e := range e.Errors {
		text += fmt.Sprintf("; %s %s %s %s", e.Resource, e.Field, e.Code, e.Message)
	}
	return text
}

func waitOf(err error) time.Duration {
	var e *github.ErrorResponse
	if errors.As(err, &e) && e.Response != nil {
		return retryAfter(e.Response.Header, time.Now())
	}
	return 0
}
