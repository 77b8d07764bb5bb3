package settings

import (
	"strings"
	"testing"

	"bzmage/internal/fault"
)

func TestReadChecks(t *testing.T) {
	for _, tt := range []struct {
		env  map[string]string
		want Checks
		all  bool
		err  string
	}{
		{want: Checks{Count: 1}, all: true},
		{env: map[string]string{"VERIFY_RUN": "^TestA$/b", "VERIFY_COUNT": "3", "VERIFY_SHELL": "1"}, want: Checks{Run: "^TestA$/b", Count: 3, Shell: true}},
		{env: map[string]string{"VERIFY_COUNT": "1", "VERIFY_SHELL": "0"}, want: Checks{Count: 1}, all: true},
		{env: map[string]string{"VERIFY_RUN": "x/("}, err: "missing closing )"},
		{env: map[string]string{"VERIFY_RUN": `a"b`}, err: "printable ASCII without quotes"},
		{env: map[string]string{"VERIFY_RUN": strings.Repeat("x", 301)}, err: "300 is the most"},
		{env: map[string]string{"VERIFY_COUNT": "0"}, err: "not a number from 1 to 1000"},
		{env: map[string]string{"VERIFY_COUNT": "many"}, err: "not a number from 1 to 1000"},
		{env: map[string]string{"VERIFY_SHELL": "yes"}, err: "unknown VERIFY_SHELL=yes"},
	} {
		got, err := readChecks(func(name string) string { return tt.env[name] })
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) || fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
				t.Errorf("%v: %v, want %q", tt.env, err, tt.err)
			}
			continue
		}
		if err != nil || got != tt.want || got.All() != tt.all {
			t.Errorf("%v: %+v, %v", tt.env, got, err)
		}
	}
}
