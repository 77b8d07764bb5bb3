package guest

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestModules(t *testing.T) {
	names := []string{"00-dummy.ko", "01-veth.ko", "10-last.ko"}
	newGuest := func(t *testing.T) *world {
		w := newWorld(t, "bzmage.run=^TestPass$")
		for _, name := range names {
			w.write(t, "modules/"+name, "")
		}
		return w
	}
	w := newGuest(t)
	if res := w.run(t, "TestPass"); res.Problems() != nil || !slices.Equal(w.kernel.loaded, names) {
		t.Errorf("problems %q, loaded %q", res.Problems(), w.kernel.loaded)
	}
	// The checks are not run without one of them.
	w = newGuest(t)
	w.kernel.loadErr = map[string]error{"01-veth.ko": unix.ENOEXEC}
	res := w.run(t, "TestPass")
	if !slices.Equal(w.kernel.loaded, names[:2]) || len(res.Checks) != 0 || res.Done.Exit != 1 ||
		!strings.Contains(res.Done.Error, "load module 01-veth.ko: exec format error") {
		t.Errorf("loaded %q, %d checks, done %+v", w.kernel.loaded, len(res.Checks), res.Done)
	}
}
