package pipeline

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bzmage/internal/fault"
	"bzmage/internal/kernels"
	"bzmage/internal/reproduce"
	"bzmage/internal/unpack"
)

// builds is a checkout whose program "builds" what lies in made, and leaks what
// the line leak puts into it.
func builds(t *testing.T, leak string) (Project, made, *reproduce.Second) {
	t.Helper()
	root := t.TempDir()
	p := Project{Root: root, Module: root, UI: testUI(t, "")}
	for name, text := range map[string]string{
		"made/config": "CONFIG_A=y\nCONFIG_HOST=\"none\"\n", "made/image": "\x00image", "made/build.json": "{}",
		"program": "#!/bin/sh\nmkdir -p build/dist && cp -R made build/dist/t && cd build/dist/t && echo $PWD > build.json\n" + leak + "\n",
	} {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(root, "build", "dist", "t"), os.DirFS(filepath.Join(root, "made"))); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", "/tmp") // a test's own is the checkout's parent
	again, err := reproduce.Prepare(t.Context(), reproduce.Params{Root: root, Program: filepath.Join(root, "program"), Cache: t.TempDir(), Jobs: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := again.Remove(); err != nil {
			t.Error(err)
		}
	})
	src := Patched{Source: Source{Line: kernels.Line{Name: "6.1"}, Tree: unpack.Tree{Release: "6.1.1"}}}
	return p, made{src, time.Unix(1700000000, 0), []string{"build/dist/t"}}, again
}

func TestReproduceSame(t *testing.T) {
	p, first, again := builds(t, "")
	r, err := p.reproduce(t.Context(), first, again)
	if err != nil || !r.Same || r.Kept != "" || strings.Join(r.Files, " ") != "build/dist/t/config build/dist/t/image" {
		t.Fatalf("%v: %+v", err, r)
	}
	text, err := os.ReadFile(p.build("reports", "6.1", "reproduce.json"))
	var back reproduce.Report
	if err := errors.Join(err, json.Unmarshal(text, &back)); err != nil {
		t.Fatal(err)
	}
	if !back.Same || back.Time != "2023-11-14T22:13:20Z" || back.Release != "6.1.1" || len(back.Changes) < 9 || len(back.Files) != 2 {
		t.Errorf("%s", text)
	}
}

// A build that leaks its machine is told so, by file and by line.
func TestReproduceDiffers(t *testing.T) {
	p, first, again := builds(t, `sed -i "s/none/$PWD/" config || sed -i "s|none|$PWD|" config; rm image; echo x > more`)
	r, err := p.reproduce(t.Context(), first, again)
	if fault.KindOf(err) != fault.NotSame || fault.KindOf(err).Code() != 19 || r.Same || r.Kept != again.Root || len(r.Differ) != 3 {
		t.Fatalf("%v: %+v", err, r)
	}
	for _, want := range []string{
		"3 of 3 files are not the same", `build/dist/t/config: line 2: "CONFIG_HOST=\"none\"" and "CONFIG_HOST=\"` + again.Root,
		"build/dist/t/image: it is a file in the first build, not there in the second", "build/dist/t/more: it is not there in the first build",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %s", err, want)
		}
	}
	if hint := fault.HintOf(err); !strings.Contains(hint, again.Root) {
		t.Errorf("the hint is %q", hint)
	}
	if text, err := os.ReadFile(p.build("reports", "6.1", "reproduce.json")); err != nil || !strings.Contains(string(text), `"same": false`) {
		t.Errorf("%v: %s", err, text)
	}
	var table strings.Builder
	if err := r.Table(&table); err != nil || !strings.Contains(table.String(), "DIFFER") || !strings.Contains(table.String(), "host name") {
		t.Errorf("%v: %s", err, table.String())
	}
}

// A second build that fails has a fault of its own, by its exit code.
func TestReproduceFails(t *testing.T) {
	p, first, again := builds(t, "echo 'error: hello.c does not compile' >&2; exit 8")
	_, err := p.reproduce(t.Context(), first, again)
	if fault.KindOf(err) != fault.Build || !strings.Contains(err.Error(), "hello.c does not compile") || !strings.Contains(fault.HintOf(err), "reproduce.log") {
		t.Errorf("%v, hint %s", err, fault.HintOf(err))
	}
}
