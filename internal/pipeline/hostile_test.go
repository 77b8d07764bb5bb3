package pipeline

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bzmage/internal/arch"
	"bzmage/internal/boot"
	"bzmage/internal/build"
	"bzmage/internal/initramfs"
	"bzmage/internal/plain"
	"bzmage/internal/qemu"
	"bzmage/internal/report"
	"bzmage/internal/testschema"
)

// realHostile boots guests that play tricks, on the kernel that is built: the
// real port, the real console. Each gets a verdict that names the trick, and
// nothing of what they say comes through as it came.
func realHostile(t *testing.T, p Project, line string) {
	t.Helper()
	a, _ := arch.Find("arm64") // it is the quickest to boot, whatever this machine is
	b, err := build.Load(p.build("dist", line, a.Name+"-release"))
	if err != nil {
		t.Fatal(err)
	}
	rd, err := initramfs.Build(t.Context(), initramfs.Params{
		Arch: a.GOARCH, Dir: t.TempDir(), Module: p.Module, CheckPackage: "./internal/pipeline/testdata/hostile",
	})
	if err != nil {
		t.Fatal(err)
	}
	id := buildID(b.Path("vmlinux"))
	if id == "" {
		t.Fatal("the kernel has no build ID")
	}
	tests := []struct{ trick, want, reason string }{
		{"gigabyte", boot.Hung, "flood: the guest sent more than 256 MB of records"},
		{"terminal", boot.NoVerdict, "line 2 of the events: not valid UTF-8"},
		{"another image", boot.NoVerdict, `the guest is another kernel: its build ID is "00112233", not ` + id},
		{"liar", boot.NoVerdict, "contradict the protocol: a second hello"},
	}
	for _, tt := range tests {
		t.Run(tt.trick, func(t *testing.T) {
			v := boot.Verdict{Line: line, Arch: a.Name, Flavour: "release", Release: b.Release, BuildID: id, Console: filepath.Join(t.TempDir(), "console.log")}
			out, err := boot.Run(t.Context(), boot.Params{
				Machine: qemu.Machine{Arch: a, Release: strings.TrimSuffix(b.Release, "-bzmage"), Accel: qemu.TCG, Kernel: b.Path(b.Image), Initrd: rd.Path,
					Memory: 256, CPUs: 2, Append: []string{"hostile=" + strings.ReplaceAll(tt.trick, " ", "_"), "hostile.build=" + id}},
				Release: b.Release, Expected: rd.Checks, Limits: boot.Limits{Silence: time.Minute, Total: 5 * time.Minute, Panic: time.Second}, Console: v.Console,
			})
			if err != nil {
				t.Fatal(err)
			}
			v.Judge(out)
			if v.Verdict != tt.want || !strings.Contains(v.Reason, tt.reason) {
				t.Errorf("%s: %s; want %s: %s", v.Verdict, v.Reason, tt.want, tt.reason)
			}
			dir := t.TempDir()
			var table bytes.Buffer
			if err := report.Table(&table, []boot.Verdict{v}); err != nil {
				t.Fatal(err)
			}
			if err := report.Write(dir, report.Report{Line: line, Verdicts: []boot.Verdict{v}}); err != nil {
				t.Fatal(err)
			}
			texts := []string{table.String(), v.Err().Error()}
			for _, name := range []string{"verdict.json", "junit.xml", "verdict.ktap"} {
				text, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				texts = append(texts, string(text))
			}
			for _, text := range texts {
				if plain.Text(text) != text || len(text) > 1<<20 {
					t.Errorf("%d bytes, not fit to be shown: %q", len(text), text[:min(len(text), 3000)])
				}
			}
			if err := testschema.File(filepath.Join(dir, "verdict.json")); err != nil {
				t.Error(err)
			}
		})
	}
}
