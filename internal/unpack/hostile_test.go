package unpack

import (
	"archive/tar"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bzmage/internal/fault"
	"bzmage/internal/fetch"
)

// refused checks that an archive is refused for the reason want, and that
// nothing of it is anywhere.
func refused(t *testing.T, y *yard, want string) {
	t.Helper()
	_, err := y.unpack(t)
	if fault.KindOf(err) != fault.Source || !strings.Contains(err.Error(), want) || fault.HintOf(err) == "" {
		t.Errorf("got %v: %v\nwant %s", fault.KindOf(err), err, want)
	}
	left := []string{"archive", "build", "build/tree", "build/tree/5.4", "build/tree/5.4/.lock"}
	if got := list(t, y.top); !slices.Equal(got, left) {
		t.Errorf("left behind: %q", got)
	}
}

func TestHostileEntries(t *testing.T) {
	const top = "linux-5.4.302/"
	special := func(typeflag byte) item {
		return item{Header: tar.Header{Name: top + "special", Typeflag: typeflag, Mode: 0o644}}
	}
	for _, tt := range []struct {
		name  string
		items []item
		want  string
	}{
		{"dot dot", []item{plain(top+"../../evil", "x")}, `the element ".."`},
		{"dot dot at the end", []item{dir(top + "a/..")}, `the element ".."`},
		{"dot dot first", []item{plain("../evil", "x")}, `the element ".."`},
		{"dot", []item{plain(top+"./evil", "x")}, `the element "."`},
		{"empty element", []item{plain(top+"a//evil", "x")}, `the element ""`},
		{"absolute", []item{plain("/evil", "x")}, "is absolute"},
		{"newline", []item{plain(top+"a\nb", "x")}, "do not belong in a name"},
		{"escape", []item{plain(top+"a\x1b[31m", "x")}, "do not belong in a name"},
		{"not utf-8", []item{plain(top+"a\xff", "x")}, "do not belong in a name"},
		{"long name", []item{plain(top+strings.Repeat("a/", 600)+"b", "x")}, "more than 1024"},
		{"long element", []item{plain(top+strings.Repeat("a", 256), "x")}, "element of 256 bytes"},
		{"no top folder", []item{plain("evil", "x")}, "does not lie in a top folder"},
		{"two top folders", []item{plain("other/evil", "x")}, `two top folders, "linux-5.4.302" and "other"`},
		{"absolute link", []item{symlink(top+"l", "/etc")}, "leaves the tree"},
		{"link out", []item{symlink(top+"l", "../evil")}, "leaves the tree"},
		{"link out from below", []item{symlink(top+"a/b/l", "../../../evil")}, "leaves the tree"},
		{"link out and in", []item{symlink(top+"l", "../linux-5.4.302/Makefile")}, "leaves the tree"},
		{"empty link", []item{symlink(top+"l", "")}, "is empty"},
		{"link with newline", []item{symlink(top+"l", "a\nb")}, "do not belong in a name"},
		{"through a link", []item{symlink(top+"l", "arch"), plain(top+"l/evil", "x")}, `goes through the link "l"`},
		{"folder through a link", []item{symlink(top+"l", "arch"), dir(top + "l/evil")}, `goes through the link "l"`},
		{"link through a link", []item{symlink(top+"l", "arch"), symlink(top+"l/evil", "x")}, `goes through the link "l"`},
		{"target through a link", []item{symlink(top+"l", "arch/x86"), symlink(top+"m", "l/../Makefile")}, `goes through the link "l"`},
		{"target through a later link", []item{symlink(top+"m", "l/../Makefile"), symlink(top+"l", "arch/x86")}, `goes through the link "l"`},
		{"link over a file", []item{symlink(top+"Makefile", "arch")}, `"Makefile" comes twice`},
		{"file over a link", []item{symlink(top+"l", "Makefile"), plain(top+"l", "x")}, `"l" comes twice`},
		{"link over a folder", []item{symlink(top+"arch", "scripts")}, `"arch" comes twice`},
		{"file twice", []item{plain(top+"Makefile", "x")}, `"Makefile" comes twice`},
		{"file over a folder", []item{plain(top+"arch", "x")}, `"arch" comes twice`},
		{"folder over a file", []item{dir(top + "Makefile")}, `"Makefile" comes twice`},
		{"below a file", []item{plain(top+"Makefile/evil", "x")}, `below the file "Makefile"`},
		{"hard link out", []item{hard(top+"h", "../../etc/passwd")}, `the element ".."`},
		{"hard link to absolute", []item{hard(top+"h", "/etc/passwd")}, "is absolute"},
		{"hard link elsewhere", []item{hard(top+"h", "etc/passwd")}, "leaves the tree"},
		{"hard link to a link", []item{symlink(top+"l", "Makefile"), hard(top+"h", top+"l")}, "no file before it"},
		{"hard link to a folder", []item{hard(top+"h", top+"arch")}, "no file before it"},
		{"hard link to a later file", []item{hard(top+"h", top+"z"), plain(top+"z", "x")}, "no file before it"},
		{"hard link over a file", []item{hard(top+"Makefile", top+"empty")}, `"Makefile" comes twice`},
		{"device", []item{special(tar.TypeChar)}, "is of the type '3'"},
		{"block device", []item{special(tar.TypeBlock)}, "is of the type '4'"},
		{"fifo", []item{special(tar.TypeFifo)}, "is of the type '6'"},
		{"reserved", []item{special(tar.TypeCont)}, "is of the type '7'"},
		{"before 1970", []item{{tar.Header{Name: top + "t", ModTime: time.Unix(-1, 0), Format: tar.FormatPAX}, ""}}, "has the time -1"},
		{"far future", []item{{tar.Header{Name: top + "t", ModTime: time.Unix(1<<40, 0), Format: tar.FormatPAX}, ""}}, "has the time 1099511627776"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			refused(t, newYard(t, makeTar(t, kernel(tt.items...))), tt.want)
		})
	}
}

// Links that a kernel may have, and empty folders.
func TestHarmlessEntries(t *testing.T) {
	const top = "linux-5.4.302/"
	y := newYard(t, makeTar(t, kernel(
		symlink(top+"dangling", "not/there"), symlink(top+"to-folder", "arch"), symlink(top+"chain", "to-folder"),
		symlink(top+"a/b/up", "../../Makefile"), symlink(top+"self", "self"), symlink(top+"top", "."), dir(top+"hollow"), dir(top+"arch"),
	)))
	tree, err := y.unpack(t)
	if err != nil {
		t.Fatal(err)
	}
	checkTree(t, tree)
	if info, err := os.Stat(filepath.Join(tree.Src(), "hollow")); err != nil || !info.IsDir() {
		t.Error(err)
	}
}

// "./linux-5.4.302/Makefile" is how tar names files when it packs ".".
func TestLeadingDot(t *testing.T) {
	items := kernel()
	for i := range items {
		if items[i].Typeflag != tar.TypeXGlobalHeader {
			items[i].Name = "./" + items[i].Name
		}
	}
	items = append([]item{items[0], dir(".")}, items[1:]...)
	if _, err := newYard(t, makeTar(t, items)).unpack(t); err != nil {
		t.Error(err)
	}
}

func TestHostileSizes(t *testing.T) {
	big := plain("linux-5.4.302/big", strings.Repeat("x", 1<<20))
	for _, tt := range []struct {
		name string
		set  func(*limits)
		want string
	}{
		{"one file", func(l *limits) { l.file = 1<<20 - 1 }, `"big" has 1 MiB, more than`},
		{"all files", func(l *limits) { l.total = 1 << 20 }, "unpacks to more than 1 MiB"},
		{"entries", func(l *limits) { l.entries = 11 }, "more than 11 entries"},
		{"names", func(l *limits) { l.names = 100 }, "names have more than 100 bytes"},
	} {
		for _, format := range []fetch.Format{fetch.Gzip, fetch.XZ} {
			t.Run(tt.name+" "+string(format), func(t *testing.T) {
				y := newYard(t, pack(t, format, makeTar(t, kernel(big, hard("linux-5.4.302/h", "linux-5.4.302/big")))))
				tt.set(&y.u.lim)
				refused(t, y, tt.want)
			})
		}
	}
	t.Run("by hard links", func(t *testing.T) {
		y := newYard(t, makeTar(t, kernel(big, hard("linux-5.4.302/h", "linux-5.4.302/big"))))
		y.u.lim.total = 2<<20 + 500_000
		refused(t, y, "unpacks to more than 2 MiB")
	})
	t.Run("sparse", func(t *testing.T) {
		y := newYard(t, sparse(t))
		y.u.lim.file = 1 << 50
		refused(t, y, "unpacks to more than 8.0 GiB")
	})
	t.Run("zeros after the end", func(t *testing.T) {
		y := newYard(t, pack(t, fetch.Gzip, append(makeTar(t, kernel()), make([]byte, 8<<20)...)))
		y.u.lim.total = 4 << 20
		refused(t, y, "unpacks to more than 4 MiB")
	})
}

// sparse returns an archive with a file that claims to have 1 TiB, of which
// the archive holds nothing (GNU's sparse format 1.0).
func sparse(t *testing.T) []byte {
	t.Helper()
	archive := makeTar(t, kernel(item{tar.Header{
		Name: "linux-5.4.302/sparse", Format: tar.FormatPAX,
		PAXRecords: map[string]string{"xxx.sparse.major": "1", "xxx.sparse.minor": "0", "xxx.sparse.realsize": "1099511627776", "xxx.sparse.name": "linux-5.4.302/sparse"},
	}, "0\n" + strings.Repeat("\x00", 510)}))
	// The writer refuses these keys, so they are put in place afterwards.
	return bytes.ReplaceAll(archive, []byte("xxx.sparse"), []byte("GNU.sparse"))
}

func TestBrokenArchives(t *testing.T) {
	raw := makeTar(t, kernel())
	for _, format := range []fetch.Format{fetch.Tar, fetch.Gzip, fetch.Bzip2, fetch.XZ, fetch.Zstd} {
		whole := pack(t, format, raw)
		for _, tt := range []struct {
			name string
			body []byte
			want string
		}{
			{"cut in the middle", whole[:len(whole)/2], ""},
			{"cut at the end", whole[:len(whole)-8], ""},
			{"garbage after", append(slices.Clone(whole), "garbage"...), ""},
			{"bit flipped", flip(whole, len(whole)*2/3), ""},
			{"end mark missing", pack(t, format, raw[:len(raw)-1024]), "cut short: its end mark is missing"},
			{"half an end mark", pack(t, format, raw[:len(raw)-512]), "cut short: its end mark is missing"},
			{"something after the end mark", pack(t, format, append(slices.Clone(raw), raw...)), "something follows its end mark"},
		} {
			t.Run(string(format)+" "+tt.name, func(t *testing.T) {
				if format == fetch.Tar && tt.name == "bit flipped" {
					t.Skip("nothing in a tar shows that")
				}
				refused(t, newYard(t, tt.body), tt.want)
			})
		}
	}
	// Zeros fill a tar's last record.
	if _, err := newYard(t, append(slices.Clone(raw), make([]byte, 9000)...)).unpack(t); err != nil {
		t.Error(err)
	}
}

func flip(b []byte, at int) []byte {
	b = slices.Clone(b)
	b[at] ^= 0x10
	return b
}

func TestNotAKernel(t *testing.T) {
	without := func(name string) []byte {
		return makeTar(t, slices.DeleteFunc(kernel(), func(i item) bool { return strings.HasSuffix(i.Name, name) }))
	}
	y := func(body []byte, set func(*yard)) *yard {
		y := newYard(t, body)
		if set != nil {
			set(y)
		}
		return y
	}
	other := makeTar(t, []item{plain("linux-5.4.302/Makefile", "all:\n"), plain("linux-5.4.302/scripts/checkpatch.pl", ""), dir("linux-5.4.302/arch/x86"), dir("linux-5.4.302/arch/arm64")})
	linked := slices.DeleteFunc(kernel(symlink("linux-5.4.302/Makefile", "arch/x86/Makefile")), func(i item) bool { return i.Name == "linux-5.4.302/Makefile" && i.body != "" })
	for _, tt := range []struct {
		name, want string
		y          *yard
	}{
		{"no Makefile", "it has no Makefile", y(without("302/Makefile"), nil)},
		{"no checkpatch", "it has no scripts/checkpatch.pl", y(without("checkpatch.pl"), nil)},
		{"no x86", "it has no arch/x86", y(without("x86/Makefile"), nil)},
		{"no arm64", "it has no arch/arm64", y(without("arm64/Makefile"), nil)},
		{"Makefile is a link", "it has no Makefile", y(makeTar(t, linked), nil)},
		{"another Makefile", "no line VERSION", y(other, nil)},
		{"empty tar", "it is no kernel", y(append(make([]byte, 257), append([]byte("ustar"), make([]byte, 2048)...)...), nil)},
		{"other line", "5.4.302 is not a release of line 6.1", y(makeTar(t, kernel()), func(y *yard) { y.u.Line.Name = "6.1" })},
		{"other release", "fetched as 5.4.301", y(makeTar(t, kernel()), func(y *yard) { y.u.Archive.Release = "5.4.301" })},
		{"other sha256", "it was fetched as 00", y(makeTar(t, kernel()), func(y *yard) { y.u.Archive.SHA256 = strings.Repeat("0", 64) })},
		{"no archive", "none of tar", y([]byte("hello"), nil)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "empty tar" {
				tt.want = "" // refused for its header, which has no checksum
			}
			refused(t, tt.y, tt.want)
		})
	}
}

// The fault is the user's who named the archive.
func TestOverrideIsTheUsers(t *testing.T) {
	y := newYard(t, makeTar(t, []item{plain("linux/README", "x")}))
	y.u.Archive.Source, y.u.Archive.Release, y.u.Archive.Proofs = fetch.OverrideName, "", []string{}
	if _, err := y.unpack(t); fault.KindOf(err) != fault.Usage || !strings.Contains(fault.HintOf(err), "KERNEL_SOURCE") {
		t.Errorf("got %v", err)
	}
	// Without a proof there is no release it must have, only a line.
	y = newYard(t, makeTar(t, kernel()))
	y.u.Archive.Source, y.u.Archive.Release, y.u.Archive.Proofs = fetch.OverrideName, "5.4.1", []string{}
	if _, err := y.unpack(t); err != nil {
		t.Error(err)
	}
}

// A stream that never ends does not keep xz running.
func TestBombIsStopped(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	bomb := pack(t, fetch.XZ, makeTar(t, kernel(plain("linux-5.4.302/zeros", strings.Repeat("\x00", 64<<20)))))
	y := newYard(t, bomb)
	y.u.lim.total = 4 << 20
	if _, err := y.u.unpack(ctx); err == nil || !strings.Contains(err.Error(), "more than 4 MiB") {
		t.Errorf("got %v", err)
	}
}
