package kernels

import (
	"os"
	"strings"
	"testing"
)

func TestCoverage(t *testing.T) {
	text, err := os.ReadFile("../../configs/kernels.toml")
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(string(text))
	if err != nil || f.Flavours["coverage"].Coverage == nil || f.Flavours["coverage"].Coverage.Min != 100 || f.Flavours["release"].Coverage != nil {
		t.Fatalf("%+v, %v", f.Flavours, err)
	}
	for in, want := range map[string]string{
		"{ min = 0 }": "", "{ }": "", "{ min = 12.5 }": "",
		"{ min = 101 }": "a percentage from 0 to 100, not 101", "{ min = -1 }": "a percentage", "{ min = nan }": "a percentage", "{ max = 1 }": "unknown key flavour.x.coverage.max",
	} {
		_, err := Parse(string(text) + "\n[flavour.x]\ncoverage = " + in + "\n")
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", in, err, want)
		}
	}
}
