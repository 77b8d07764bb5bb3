package reproduce

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"bzmage/internal/plain"
)

const rpmMagic = "\xed\xab\xee\xdb"

var errRPM = errors.New("no rpm")

// mostTags bounds a header; real ones have about a hundred.
const mostTags = 2000

// readRPM reads a package as three members: what it says of its signatures and
// of itself, and its payload, an archive that is compressed
// (https://rpm-software-management.github.io/rpm/manual/format_v4.html: a lead
// of 96 bytes, the signature padded to 8, the header, the payload).
func readRPM(b []byte) ([]member, error) {
	const lead = 96
	if len(b) < lead {
		return nil, errRPM
	}
	sig, n, err := rpmHeader(b[lead:])
	if err != nil {
		return nil, err
	}
	at := min(lead+(n+7)/8*8, len(b))
	head, n, err := rpmHeader(b[at:])
	if err != nil {
		return nil, err
	}
	// The signature is over all else, and is told last.
	return []member{
		{"header", head, nil}, {"payload", nil, b[at+n:]}, {"signature header", sig, nil},
	}, nil
}

// rpmHeader reads the tags of a header, and says how long it is: a magic of 8
// bytes, two lengths, an index of 16 bytes a tag, and what they point to.
func rpmHeader(b []byte) (map[string]string, int, error) {
	const intro, entry = 16, 16
	if len(b) < intro || string(b[:3]) != "\x8e\xad\xe8" {
		return nil, 0, errRPM
	}
	n, size := uint64(binary.BigEndian.Uint32(b[8:])), uint64(binary.BigEndian.Uint32(b[12:]))
	end := intro + n*entry + size
	if n > mostTags || end > uint64(len(b)) {
		return nil, 0, errRPM
	}
	store := b[intro+n*entry : end]
	tags := map[string]string{}
	for i := range n {
		e := b[intro+i*entry:]
		tag, from := binary.BigEndian.Uint32(e), uint64(binary.BigEndian.Uint32(e[8:]))
		to := size // it ends where another one begins
		for j := range n {
			if other := uint64(binary.BigEndian.Uint32(b[intro+j*entry+8:])); other > from && other < to {
				to = other
			}
		}
		if from <= to {
			tags[rpmTag(tag)] = rpmValue(binary.BigEndian.Uint32(e[4:]), store[from:to])
		}
	}
	return tags, int(end), nil
}

// rpmValue shows a value: strings, which end in 0, or bytes.
func rpmValue(kind uint32, b []byte) string {
	const text, list, i18n = 6, 8, 9
	if kind == text || kind == list || kind == i18n {
		return plain.Line(strings.ReplaceAll(strings.TrimRight(string(b), "\x00"), "\x00", " "), 4096)
	}
	return fmt.Sprintf("%x", b)
}

// rpmTag names those tags that a build is apt to leak into.
func rpmTag(tag uint32) string {
	names := map[uint32]string{1000: "NAME", 1001: "VERSION", 1002: "RELEASE", 1006: "BUILDTIME", 1007: "BUILDHOST", 1009: "SIZE",
		1030: "FILEMODES", 1034: "FILEMTIMES", 1035: "FILEDIGESTS", 1039: "FILEUSERNAME", 1040: "FILEGROUPNAME", 1064: "RPMVERSION",
		1080: "CHANGELOGTIME", 1096: "FILEINODES", 1095: "FILEDEVICES", 1094: "COOKIE", 1122: "OPTFLAGS", 1124: "PAYLOADFORMAT", 5092: "PAYLOADDIGEST"}
	if name := names[tag]; name != "" {
		return name
	}
	return fmt.Sprintf("tag %d", tag)
}
