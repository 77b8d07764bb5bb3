package guest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bzmage/internal/event"
)

func TestOpenPort(t *testing.T) {
	tests := []struct {
		name  string
		ports map[string]string // device, name
		ask   string
		want  string
	}{
		{"by name", map[string]string{"vport0p1": "other", "vport1p7": event.Port}, event.Port, "vport1p7"},
		{"without names", map[string]string{"vport0p1": ""}, event.Port, "vport0p1"},
		{"only others", map[string]string{"vport0p1": "other"}, event.Port, ""},
		{"none", nil, event.Port, ""},
		{"the demo's has no substitute", map[string]string{"vport0p1": ""}, event.DemoPort, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := &world{root: t.TempDir()}
			g := &guest{kernel: &fakeKernel{}, root: w.root}
			for dev, name := range tt.ports {
				w.port(t, dev, name)
			}
			f, err := g.openPort(tt.ask, 10*time.Millisecond)
			if tt.want == "" {
				if !errors.Is(err, errNoPort) || !strings.Contains(err.Error(), tt.ask) || !strings.Contains(err.Error(), "CONFIG_VIRTIO_CONSOLE") {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if got := filepath.Base(f.Name()); got != tt.want {
				t.Errorf("opened %s, want %s", got, tt.want)
			}
		})
	}
}

// Without a virtio-serial device there is nothing to wait for.
func TestOpenPortWithoutDevice(t *testing.T) {
	w := &world{root: t.TempDir()}
	w.write(t, "sys/bus/virtio/devices/virtio0/device", "0x0004\n") // a source of random numbers
	g := &guest{kernel: &fakeKernel{}, root: w.root}
	if _, err := g.openPort(event.Port, 1000*time.Hour); !errors.Is(err, errNoPort) {
		t.Errorf("%v", err)
	}
}

// The driver makes the device first and learns its name later.
func TestOpenPortWaitsForTheName(t *testing.T) {
	w := &world{root: t.TempDir()}
	g := &guest{kernel: &fakeKernel{}, root: w.root}
	w.port(t, "vport0p1", "")
	w.port(t, "vport0p2", "other")
	// The name that is already there is a FIFO, so that this test knows when
	// the guest has looked at it, and that it has found no better one.
	other := filepath.Join(w.root, "sys/class/virtio-ports/vport0p2/name")
	if err := errors.Join(os.Remove(other), unix.Mkfifo(other, 0o600)); err != nil {
		t.Fatal(err)
	}
	type opened struct {
		f   *os.File
		err error
	}
	done := make(chan opened, 1)
	go func() {
		f, err := g.openPort(event.Port, time.Minute)
		done <- opened{f, err}
	}()
	looked, err := os.OpenFile(other, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	if err := looked.Close(); err != nil {
		t.Fatal(err)
	}
	w.write(t, "new", event.Port+"\n")
	w.write(t, "dev/vport0p3", "")
	dir := filepath.Join(w.root, "sys/class/virtio-ports/vport0p3")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Rename(filepath.Join(w.root, "new"), filepath.Join(dir, "name"))); err != nil {
		t.Fatal(err)
	}
	got := <-done
	if got.err != nil {
		t.Fatal(got.err)
	}
	defer got.f.Close()
	if filepath.Base(got.f.Name()) != "vport0p3" {
		t.Errorf("opened %s", got.f.Name())
	}
}
