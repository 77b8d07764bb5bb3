package fetch

import (
	"bytes"
	"strings"
	"testing"
)

func TestReadRelease(t *testing.T) {
	for _, tt := range []struct{ name, text, want, bad string }{
		{name: "5.4", text: kernelMakefile, want: "5.4.302"},
		{name: "rc", text: "VERSION = 6\nPATCHLEVEL = 2\nSUBLEVEL = 0\nEXTRAVERSION = -rc1\n", want: "6.2.0-rc1"},
		{name: "crlf", text: "VERSION=6\r\nPATCHLEVEL=1\r\nSUBLEVEL=3\r\nEXTRAVERSION=\r\n", want: "6.1.3"},
		{name: "empty", bad: "VERSION"},
		{name: "no sublevel", text: "VERSION = 6\nPATCHLEVEL = 2\nEXTRAVERSION =\n", bad: "SUBLEVEL"},
		{name: "no number", text: "VERSION = $(shell id)\nPATCHLEVEL = 2\nSUBLEVEL = 0\nEXTRAVERSION =\n", bad: "VERSION"},
		{name: "evil extra", text: "VERSION = 6\nPATCHLEVEL = 2\nSUBLEVEL = 0\nEXTRAVERSION = /../x\n", bad: "EXTRAVERSION"},
		{name: "twice", text: "VERSION = 6\nVERSION = 7\n", bad: "twice"},
		{name: "too late", text: strings.Repeat("#\n", makefileHead) + kernelMakefile, bad: "VERSION"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ReadRelease(strings.NewReader(tt.text))
			if got != tt.want || (err != nil) != (tt.bad != "") || err != nil && !strings.Contains(err.Error(), tt.bad) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func FuzzReadRelease(f *testing.F) {
	f.Add([]byte(kernelMakefile))
	f.Add([]byte("VERSION = 6\nPATCHLEVEL = 2\nSUBLEVEL = 0\nEXTRAVERSION = -rc1\n"))
	f.Add([]byte("VERSION = \x00\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := ReadRelease(bytes.NewReader(b))
		if (got == "") == (err == nil) || strings.ContainsAny(got, "/ \t\n\x00") || len(got) > 100 {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestUpstream(t *testing.T) {
	for version, want := range map[string]string{
		"6.1.192-2": "6.1.192", "6.1.176-1~deb11u1": "6.1.176", "1:6.1.4-1": "6.1.4", "6.8.0-31.31": "6.8.0",
		"5.4.302": "5.4.302", "6.12~rc6-1~exp1": "", "": "", "-1": "", "../6.1-1": "", "6.1.192-2-3": "",
	} {
		if got, err := upstream(version); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", version, got, err)
		}
	}
}

func FuzzUpstream(f *testing.F) {
	f.Add("6.1.192-2")
	f.Add("1:6.12~rc6-1~exp1")
	f.Fuzz(func(t *testing.T, version string) {
		got, err := upstream(version)
		if (got == "") == (err == nil) || strings.Trim(got, "0123456789.") != "" || !strings.Contains(version, got) {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func FuzzContentRange(f *testing.F) {
	f.Add("bytes 5-9/10")
	f.Add("bytes */10")
	f.Fuzz(func(t *testing.T, v string) {
		start, total, ok := contentRange(v)
		if ok && (start < 0 || total != 0 && total <= start) {
			t.Errorf("got %d, %d", start, total)
		}
	})
}
