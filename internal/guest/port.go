package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bzmage/internal/event"
)

// fallbackPort is the first port of the first virtio-serial device that is not
// a console. It is used when no port has a name at all.
const fallbackPort = "vport0p1"

// errNoPort says that the machine has no port of that name.
var errNoPort = errors.New("there is no such port")

// openPort opens the virtio-serial port of that name. The driver learns the
// names from the host some time after init has begun, hence the wait.
func (g *guest) openPort(name string, wait time.Duration) (*os.File, error) {
	if !g.hasSerial() {
		wait = 0
	}
	for end := time.Now().Add(wait); ; time.Sleep(2 * time.Millisecond) {
		dev, named, err := g.findPort(name)
		if err != nil {
			return nil, err
		}
		if dev == "" && time.Now().Before(end) {
			continue
		}
		if dev == "" && !named && name == event.Port {
			dev = fallbackPort
		}
		if dev == "" {
			return nil, fmt.Errorf("open the port %s: %w; was the kernel built with CONFIG_VIRTIO_PCI and CONFIG_VIRTIO_CONSOLE?", name, errNoPort)
		}
		f, err := g.kernel.OpenPort(g.root + "/dev/" + dev)
		if errors.Is(err, fs.ErrNotExist) && dev == fallbackPort {
			err = fmt.Errorf("%w; was the kernel built with CONFIG_VIRTIO_PCI and CONFIG_VIRTIO_CONSOLE?", errNoPort)
		}
		if err != nil {
			return nil, fmt.Errorf("open the port %s: %w", name, err)
		}
		return f, nil
	}
}

// hasSerial says whether the machine has a virtio-serial device. Unlike the
// names of its ports, that is known before init begins.
func (g *guest) hasSerial() bool {
	files, err := filepath.Glob(g.root + "/sys/bus/virtio/devices/*/device")
	if err != nil {
		return false
	}
	for _, f := range files {
		// The device's type: 3 is a console (VIRTIO_ID_CONSOLE).
		if text, err := os.ReadFile(f); err == nil && strings.TrimSpace(string(text)) == "0x0003" {
			return true
		}
	}
	return false
}

// findPort returns the device of the port of that name, or "", and whether any
// port has a name.
func (g *guest) findPort(name string) (dev string, named bool, err error) {
	files, err := filepath.Glob(g.root + "/sys/class/virtio-ports/*/name")
	if err != nil {
		return "", false, err
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return "", false, err
		}
		if strings.TrimSpace(string(text)) == name {
			return filepath.Base(filepath.Dir(f)), true, nil
		}
	}
	return "", len(files) > 0, nil
}
