package boot

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"bzmage/internal/qemu"
)

// A CPU that was stopped at the beginning of an interrupt is let go and asked
// again, but not for ever.
func TestWhereabouts(t *testing.T) {
	for _, tt := range []struct {
		masked int // so many looks find CPU 0 with interrupts off
		pc     uint64
		conts  int
	}{{0, 0xffff000000001000, 0}, {2, 0xffff000000001002, 2}, {100, 0xffff000000001000, 4}} {
		us, them := net.Pipe()
		conts := 0
		go func() {
			for in := bufio.NewScanner(them); in.Scan(); {
				var answer any = map[string]any{}
				switch text := in.Text(); {
				case strings.Contains(text, `"cont"`):
					conts++
				case strings.Contains(text, "info registers"):
					pstate := "60000005"
					if conts < tt.masked && strings.Contains(text, `"cpu-index":0`) {
						pstate = "600003c5"
					}
					answer = fmt.Sprintf(" PC=%016x\r\nX29=%016x X30=%016x  SP=%016x\r\nPSTATE=%s -ZC- EL1h\r\n", 0xffff000000001000+uint64(conts), 0, 0, 8, pstate)
				case strings.Contains(text, "human-monitor-command"):
					answer = ""
				}
				b, _ := json.Marshal(map[string]any{"return": answer})
				_, _ = them.Write(append(b, '\n'))
			}
		}()
		m, err := qemu.NewMonitor(us, time.Now().Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		cpus := whereabouts(m, 2)
		us.Close()
		if len(cpus) != 2 || cpus[0].PC != tt.pc || cpus[1].PC != tt.pc || conts != tt.conts {
			t.Errorf("masked %d times: %+v after %d times cont", tt.masked, cpus, conts)
		}
	}
}
