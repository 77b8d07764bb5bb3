package reproduce

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cavaliergopher/cpio"

	"bzmage/internal/plain"
)

// member is one file of an archive, with all that the archive says of it.
type member struct {
	name  string
	attrs map[string]string
	data  []byte
}

// mostMembers is how many members of an archive are looked at.
const mostMembers = 200_000

var errMembers = fmt.Errorf("more than %d members", mostMembers)

// members explains a difference of archives of one format by their members.
func members(read func([]byte) ([]member, error)) func(*explainer, string, []byte, []byte) error {
	return func(e *explainer, label string, a, b []byte) error {
		x, errX := read(a)
		y, errY := read(b)
		if err := errors.Join(errX, errY); err != nil {
			return err
		}
		e.members(label, numbered(x), numbered(y))
		return nil
	}
}

func (e *explainer) members(label string, x, y []member) {
	for i := range min(len(x), len(y)) {
		if x[i].name != y[i].name && len(x) == len(y) {
			e.add(label, "member %d is %s and %s", i+1, quote(x[i].name), quote(y[i].name))
			break
		}
	}
	inY := map[string]member{}
	for _, m := range y {
		inY[m.name] = m
	}
	for _, m := range x {
		other, ok := inY[m.name]
		if delete(inY, m.name); !ok {
			e.add(label, "%s, in the first only", quote(m.name))
			continue
		}
		e.member(label+plain.Line(m.name, 120)+": ", m, other)
	}
	for _, name := range slices.Sorted(maps.Keys(inY)) {
		e.add(label, "%s, in the second only", quote(name))
	}
}

// numbered gives members of the same name names of their own.
func numbered(list []member) []member {
	seen := map[string]int{}
	for i, m := range list {
		if seen[m.name]++; seen[m.name] > 1 {
			list[i].name = fmt.Sprintf("%s (number %d)", m.name, seen[m.name])
		}
	}
	return list
}

// member tells what is said of a member, and looks into it.
func (e *explainer) member(label string, a, b member) {
	for _, name := range slices.Sorted(maps.Keys(a.attrs)) {
		if a.attrs[name] != b.attrs[name] {
			e.add(label, "%s %s and %s", name, word(a.attrs[name]), word(b.attrs[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.attrs)) {
		if _, ok := a.attrs[name]; !ok {
			e.add(label, "%s, in the second only: %s", name, word(b.attrs[name]))
		}
	}
	e.explain(label, a.data, b.data)
}

// word shows the value of an attribute.
func word(s string) string {
	if s == "" {
		return "nothing"
	}
	return plain.Line(s, 80)
}

func unixTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05.999999999")
}

func readTar(b []byte) ([]member, error) {
	var list []member
	for r := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err == nil && len(list) == mostMembers {
			err = errMembers
		}
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(io.LimitReader(r, mostRead))
		if err != nil {
			return nil, err
		}
		m := member{h.Name, map[string]string{
			"mode": fmt.Sprintf("%04o", h.Mode), "type": string(h.Typeflag), "link": h.Linkname, "mtime": unixTime(h.ModTime),
			"owner": fmt.Sprintf("%d:%d %s:%s", h.Uid, h.Gid, h.Uname, h.Gname), "device": fmt.Sprintf("%d:%d", h.Devmajor, h.Devminor),
		}, data}
		for name, value := range h.PAXRecords {
			m.attrs["pax "+plain.Line(name, 60)] = value
		}
		list = append(list, m)
	}
}

func readCPIO(b []byte) ([]member, error) {
	var list []member
	for r := cpio.NewReader(bytes.NewReader(b)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err == nil && len(list) == mostMembers {
			err = errMembers
		}
		if err == nil && (h.Size < 0 || h.Size > int64(len(b))) {
			err = fmt.Errorf("a member of %d bytes", h.Size)
		}
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		list = append(list, member{h.Name, map[string]string{
			"mode": fmt.Sprintf("%o", uint32(h.Mode)), "mtime": unixTime(h.ModTime), "owner": fmt.Sprintf("%d:%d", h.Uid, h.Guid),
			"links": strconv.Itoa(h.Links), "inode": strconv.FormatInt(h.Inode, 10), "link": h.Linkname,
		}, data})
	}
}

const arMagic = "!<arch>\n"

// readAr reads the archives that debs and static libraries are (deb(5), ar(5)):
// headers of 60 bytes, each with content that is padded to an even length.
func readAr(b []byte) ([]member, error) {
	const header = 60
	var list []member
	for b = b[len(arMagic):]; len(b) > 0; {
		if len(b) < header || string(b[58:60]) != "`\n" || len(list) == mostMembers {
			return nil, errors.New("no ar archive")
		}
		field := func(from, to int) string { return strings.TrimRight(string(b[from:to]), " ") }
		size, err := strconv.ParseUint(field(48, 58), 10, 32)
		if err != nil || size > uint64(len(b)-header) {
			return nil, errors.New("no ar archive: a size that cannot be")
		}
		m := member{strings.TrimSuffix(field(0, 16), "/"), map[string]string{
			"mode": field(40, 48), "owner": field(28, 34) + ":" + field(34, 40), "mtime": field(16, 28),
		}, b[header : header+size]}
		if n, err := strconv.ParseInt(m.attrs["mtime"], 10, 64); err == nil {
			m.attrs["mtime"] = unixTime(time.Unix(n, 0))
		}
		list = append(list, m)
		b = b[min(header+size+size%2, uint64(len(b))):]
	}
	return list, nil
}
