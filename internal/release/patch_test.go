package release

import (
	"slices"
	"strings"
	"testing"
)

const mail = `From 1234567890123456789012345678901234567890 Mon Sep 17 00:00:00 2001
From: A Person <a@example.org>
Date: Mon, 2 Nov 2026 10:00:00 +0000
Subject: [PATCH 1/2] proc: say what

commit 0123456789012345678901234567890123456789 upstream.

It fixes what commit ffffffffffffffffffffffffffffffffffffffff upstream. broke in a sentence.

[ Upstream commit ABCDEFABCDEFABCDEFABCDEFABCDEFABCDEFABCD ]
(cherry picked from commit 0123456789012345678901234567890123456789)
Signed-off-by: A Person <a@example.org>
---
 f | 1 +
 (cherry picked from commit eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee)
`

func TestDescribe(t *testing.T) {
	p := Patch{Name: "0001-proc.patch"}.Describe([]byte(mail))
	want := []string{"0123456789012345678901234567890123456789", strings.Repeat("abcdef", 7)[:40]}
	if !slices.Equal(p.Upstream, want) {
		t.Errorf("upstream: %q, not %q", p.Upstream, want)
	}
	if p.Author != "A Person <a@example.org>" || p.Subject != "proc: say what" || len(p.SHA256) != 64 {
		t.Errorf("%+v", p)
	}
	if p := (Patch{}).Describe([]byte("--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n")); p.Author != "" || len(p.Upstream) != 0 {
		t.Errorf("a plain diff has %+v", p)
	}
}

func TestParse(t *testing.T) {
	dir := t.TempDir()
	r := Release{Line: "6.1", Files: []File{{Name: "a", Size: 1, Kind: Image}}}
	if err := r.Write(dir); err != nil {
		t.Fatal(err)
	}
	got, err := Load(dir)
	if err != nil || got.Line != "6.1" || got.Version != Version || len(got.Files) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, bad := range []string{
		`{"version":2}`, `{"version":1,"files":[{"name":"../x"}]}`, `{"version":1,"files":[{"name":"a/b"}]}`,
		`{"version":1,"files":[{"name":""}]}`, `{"version":1,"files":[{"name":"."}]}`, `{"version":1,"files":[{"name":".."}]}`, `{`,
	} {
		if _, err := Parse([]byte(bad)); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}
