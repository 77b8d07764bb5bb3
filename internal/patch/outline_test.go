package patch

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDescribe(t *testing.T) {
	diff := "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@ func\n a\n-b\n+c\n"
	files := []FileOutline{{From: "f", To: "f", Hunks: []HunkOutline{{Header: "@@ -1,2 +1,2 @@ func", Lines: []string{" a", "-b", "+c"}}}}}
	for name, tt := range map[string]struct {
		text string
		want Outline
	}{
		"a mail": {"From " + strings.Repeat("1", 40) + " Mon Sep 17 00:00:00 2001\nFrom: A <a@b.c>\nDate: Mon, 2 Jan 2026 03:04:05 +0000\nSubject: [PATCH 1/2] s\n\nwhy\n---\n f | 2 +-\n\n" + diff + "-- \n2.39.5\n",
			Outline{Subject: "s", Author: "A <a@b.c>", Message: "why", Files: files}},
		"quilt's":  {"From: A <a@b.c>\nSubject: s\n\nwhy\n\n" + diff, Outline{Subject: "s", Author: "A <a@b.c>", Message: "why", Files: files}},
		"bare":     {diff, Outline{Files: files}},
		"CRLF":     {strings.ReplaceAll(diff, "\n", "\r\n"), Outline{Files: files}},
		"no patch": {"Subject: s\n\nwhy\n", Outline{Subject: "s", Message: "why"}},
	} {
		got, err := Describe(Text{Text: tt.text, Strip: 1})
		if (err != nil) != (tt.want.Files == nil) {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}
