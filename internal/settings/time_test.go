package settings

import (
	"strings"
	"testing"
	"time"

	"bzmage/internal/fault"
)

func TestTime(t *testing.T) {
	s, err := Read(env(), file(t))
	if err != nil || s.Time != nil {
		t.Errorf("not set: %v, %v", s.Time, err)
	}
	for value, want := range map[string]string{
		"0": "1970-01-01T00:00:00Z", "1767225599": "2025-12-31T23:59:59Z", "253402300799": "9999-12-31T23:59:59Z",
	} {
		s, err := Read(env("SOURCE_DATE_EPOCH="+value), file(t))
		if err != nil || s.Time == nil || s.Time.Format(time.RFC3339) != want {
			t.Errorf("%s: %v, %v; want %s", value, s.Time, err, want)
		}
	}
	for _, value := range []string{"-1", "+1", "1.5", "2025-12-31", "0x10", "1_000", " 1", "253402300800", "99999999999999999999"} {
		_, err := Read(env("SOURCE_DATE_EPOCH="+value), file(t))
		if fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" || !strings.Contains(err.Error(), "SOURCE_DATE_EPOCH="+value) {
			t.Errorf("%q: %v", value, err)
		}
	}
}
