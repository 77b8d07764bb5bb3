package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// fetch downloads the archive from a server on this machine and unpacks it.
func (l *lab) fetch(ctx context.Context) (pair, error) {
	a := l.p.Archive
	if a.Folder || !strings.HasSuffix(a.Path, ".tar.xz") || len(a.SHA256) != 64 {
		return pair{}, skip("the source is no .tar.xz: " + filepath.Base(a.Path))
	}
	if err := l.warm(); err != nil {
		return pair{}, err
	}
	address, stop, err := serve(a.Path)
	if err != nil {
		return pair{}, err
	}
	c := l.checkout("fetch")
	if err := c.refresh(l.p.Root); err != nil {
		stop()
		return pair{}, err
	}
	if err := os.WriteFile(c.path("configs", "kernels.toml"), l.loopback(address), 0o644); err != nil {
		stop()
		return pair{}, disk(err)
	}
	dir := l.dir("curl")
	return pair{
		ours: side{what: "`bzmage fetch`, which proves the sha256, too",
			ready: func(context.Context, int) error { return disk(errors.Join(os.RemoveAll(c.cache), c.clean())) },
			work: func(ctx context.Context, _ int) error {
				return c.bzmage(ctx, []string{"OFFLINE=", "KERNEL_SOURCE="}, "fetch")
			}},
		other: side{what: "`curl`, `tar xf`",
			ready: func(context.Context, int) error { return disk(errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755))) },
			work: func(ctx context.Context, _ int) error {
				file := "linux-" + l.p.Release + ".tar.xz"
				if err := l.plain.run(ctx, "curl", dir, "curl", "-fsS", "--noproxy", "*", "-o", file, address+"/"+file); err != nil {
					return err
				}
				return l.plain.run(ctx, "tar", dir, "tar", "xf", file)
			}},
		after: func(context.Context) error {
			return disk(errors.Join(os.RemoveAll(dir), os.RemoveAll(c.cache), c.clean()))
		},
		stop: stop,
	}, nil
}

// loopback is a kernels.toml with the archive as the line's pinned release and
// the server as its only source.
func (l *lab) loopback(address string) []byte {
	line := l.p.Line
	return fmt.Appendf(nil, `[[line]]
name = %q
release = %q
sha256 = %q
demand = ["pinned"]
sources = ["bench"]
patches = %q
base = %q
fragments = []
[flavour.%s]
fragments = []
[source.bench]
kind = "http"
urls = ["%s/linux-{release}.tar.xz"]
`, line.Name, l.p.Release, l.p.Archive.SHA256, line.Patches, line.Base, l.p.Set.Flavour, address)
}

// serve serves one file under any name that ends as its does.
func serve(path string) (address string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("serve the archive: %w", err)
	}
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, ".tar.xz") {
			http.NotFound(w, r)
			return
		}
		http.ServeFile(w, r, path)
	})}
	go func() { _ = s.Serve(listener) }() // until it is closed
	return "http://" + listener.Addr().String(), func() { _ = s.Close() }, nil
}
