package pipeline

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"

	"bzmage/internal/farm"
	"bzmage/internal/ui"
)

// Without a scheduler the kernel is compiled here, by plain compilers, and
// that is said at once and in doctor.
func TestIcecreamAway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	out, err := ui.New(ui.Options{Out: os.Stderr, CI: true})
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	out.Log.SetOutput(&said)
	p := Project{Root: t.TempDir(), UI: out}
	if p.Settings.Sharing.Farm, err = farm.Parse("icecream:" + addr); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(p.build("farm"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := sharing{p: p, farm: p.Settings.Sharing.Farm}
	if _, err := s.icecream(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if s.farm.Set() || len(s.failed) != 1 || !strings.HasPrefix(s.failed[0], addr+": the scheduler does not answer") {
		t.Errorf("farm %+v, left out %q", s.farm, s.failed)
	}
	if !strings.Contains(said.String(), "all is compiled on this machine") {
		t.Errorf("said %q", said.String())
	}
	findings := p.icecreamFindings(t.Context(), nil)
	if last := findings[len(findings)-1]; last.ok || !last.advice || last.what != "scheduler "+addr {
		t.Errorf("doctor: %+v", findings)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	s.farm = p.Settings.Sharing.Farm
	if _, err := s.icecream(ended, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a run that was ended: %v", err)
	}
}
