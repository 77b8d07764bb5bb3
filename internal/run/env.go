package run

import (
	"os"
	"strings"
)

// passed are the variables every child may see: where programs are, where
// scratch files go, and how the network is reached.
const passed = "PATH HOME USER LOGNAME TMPDIR XDG_CACHE_HOME " +
	"http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY SSL_CERT_FILE SSL_CERT_DIR"

// Env returns an environment for a child: a short allow-list of bzmage's own
// variables, LC_ALL=C and TZ=UTC so that output can be read by programs, and
// then extra, each NAME=value. A later entry wins.
//
// An extra entry without "=" passes that variable on as it is; one that ends
// in "*" passes all whose name begins so.
func Env(extra ...string) []string {
	env := pass(nil, strings.Fields(passed)...)
	env = append(env, "LC_ALL=C", "TZ=UTC")
	for _, e := range extra {
		if strings.Contains(e, "=") {
			env = append(env, e)
		} else {
			env = pass(env, e)
		}
	}
	return env
}

func pass(env []string, names ...string) []string {
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		for _, want := range names {
			prefix, wild := strings.CutSuffix(want, "*")
			if name == want || wild && strings.HasPrefix(name, prefix) {
				env = append(env, kv)
			}
		}
	}
	return env
}
