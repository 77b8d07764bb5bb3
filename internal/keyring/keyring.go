// Package keyring proves with OpenPGP signatures (RFC 9580) who published a
// kernel. In goes a folder of keys, such as configs/keys: keys.toml pins
// fingerprints, each in one ring, and *.asc files hold the blocks. Out come
// two rings, one for releases and one for lists of sums, that never answer for
// each other.
//
// What cannot be checked is refused: a key that has expired, was revoked or is
// not pinned is never used.
package keyring

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"bzmage/internal/fault"
	"bzmage/internal/strict"
)

// The rings there are.
const (
	Developers = "developers" // they sign the uncompressed tar of a release
	Sums       = "sums"       // it signs lists of sha256
)

const (
	table    = "keys.toml"
	fileMax  = 4 << 20 // bytes of a file of keys
	blockMax = 256     // blocks in all
	begin    = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
)

// Key is a pinned key and what was found of it.
type Key struct {
	Ring        string    `toml:"ring"`
	Name        string    `toml:"name"`
	Fingerprint string    `toml:"fingerprint"` // 40 hex digits in capitals, of the primary key
	File        string    `toml:"-"`           // which holds its block; empty: it is missing
	Expires     time.Time `toml:"-"`           // zero: never
	Problem     string    `toml:"-"`           // why it cannot be used; empty: it can

	entity *openpgp.Entity
}

// Keys are all pinned keys, in the order of keys.toml.
type Keys struct {
	Dir  string
	List []Key
}

var reFingerprint = regexp.MustCompile(`^[0-9A-F]{40}$`)

// Load reads the keys of dir. A folder that is not there pins nothing. Errors
// are of kind [fault.Usage]; a key that cannot be used is no error but says so.
func Load(dir string) (Keys, error) { return load(dir, time.Now()) }

func load(dir string, now time.Time) (Keys, error) {
	k := Keys{Dir: dir}
	text, err := os.ReadFile(filepath.Join(dir, table))
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err == nil {
		if k.List, err = parseTable(string(text)); err != nil {
			err = fmt.Errorf("%s: %w", table, err)
		}
	}
	if err == nil {
		err = k.readBlocks(now)
	}
	if err != nil {
		return Keys{}, fault.New(fault.Usage, "correct "+filepath.Join(dir, table), "keys: %w", err)
	}
	for i := range k.List {
		if e := &k.List[i]; e.File == "" {
			e.Problem = "no file of " + filepath.Base(dir) + "/ holds its block"
		}
	}
	return k, nil
}

func parseTable(text string) ([]Key, error) {
	var t struct {
		Keys []Key `toml:"key"`
	}
	errs, err := strict.Decode(text, &t)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, k := range t.Keys {
		switch {
		case k.Ring != Developers && k.Ring != Sums:
			errs = append(errs, fmt.Errorf("%q: unknown ring %q; there are %s, %s", k.Name, k.Ring, Developers, Sums))
		case !reFingerprint.MatchString(k.Fingerprint):
			errs = append(errs, fmt.Errorf("%q: a fingerprint is 40 hex digits in capitals, not %q", k.Name, k.Fingerprint))
		case seen[k.Fingerprint]:
			errs = append(errs, fmt.Errorf("fingerprint %s stands there twice", k.Fingerprint))
		}
		seen[k.Fingerprint] = true
	}
	return t.Keys, errors.Join(errs...)
}

// readBlocks looks for the pinned keys in the *.asc files.
func (k *Keys) readBlocks(now time.Time) error {
	files, err := filepath.Glob(filepath.Join(k.Dir, "*.asc"))
	if err != nil {
		return err
	}
	left := blockMax
	for _, path := range files {
		text, err := readBounded(path)
		if err != nil {
			return err
		}
		// armor.Decode reads one block and stops.
		blocks := bytes.Split(text, []byte(begin))
		if left -= len(blocks); left < 0 {
			return fmt.Errorf("%s: more than %d keys", path, blockMax)
		}
		for _, b := range blocks[1:] {
			k.addBlock(append([]byte(begin), b...), filepath.Base(path), now)
		}
	}
	return nil
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, fileMax+1))
	if err == nil && len(text) > fileMax {
		err = fmt.Errorf("%s has more than %d bytes", path, fileMax)
	}
	return text, err
}

// addBlock enters one armored block if it is that of a pinned key.
func (k *Keys) addBlock(text []byte, file string, now time.Time) {
	body, err := dearmor(text, openpgp.PublicKeyType)
	if err != nil {
		return // whose key it would be cannot be said
	}
	p, err := packet.Read(bytes.NewReader(body))
	primary, ok := p.(*packet.PublicKey)
	if err != nil || !ok {
		return
	}
	fingerprint := fmt.Sprintf("%X", primary.Fingerprint)
	i := slices.IndexFunc(k.List, func(e Key) bool { return e.Fingerprint == fingerprint })
	if i < 0 {
		return // nobody pinned it
	}
	e := &k.List[i]
	if e.File != "" {
		e.Problem, e.entity = "its block stands in "+e.File+" and again in "+file, nil
		return
	}
	e.File = file
	if e.entity, err = openpgp.ReadEntity(packet.NewReader(bytes.NewReader(body))); err != nil {
		e.entity, e.Problem = nil, "its block in "+file+" cannot be used: "+short(err)
		return
	}
	e.check(now)
}

// check says whether the key is good now. A key that has expired could sign
// anything with a date of its better days, so it counts for nothing.
func (e *Key) check(now time.Time) {
	self, err := e.entity.VerifyPrimaryKey(now, nil)
	if self != nil && self.KeyLifetimeSecs != nil && *self.KeyLifetimeSecs != 0 {
		e.Expires = e.entity.PrimaryKey.CreationTime.Add(time.Duration(*self.KeyLifetimeSecs) * time.Second).UTC()
	}
	if err != nil {
		e.Problem = short(err)
		if !e.Expires.IsZero() && e.Expires.Before(now) {
			e.Problem = "it expired on " + e.Expires.Format(time.DateOnly)
		}
		e.entity = nil
	}
}

// dearmor returns what one armored block of that type holds. Only white space
// may follow it.
func dearmor(text []byte, want string) ([]byte, error) {
	text = bytes.TrimSpace(text)
	end := []byte("-----END " + want + "-----")
	if !bytes.HasPrefix(text, []byte("-----BEGIN "+want+"-----")) || bytes.Index(text, end) != len(text)-len(end) {
		return nil, fmt.Errorf("it is not one block %q and nothing else", want)
	}
	block, err := armor.Decode(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(block.Body)
}

// short says an error of the library in our words.
func short(err error) string { return strings.TrimPrefix(err.Error(), "openpgp: ") }

// Ring returns the keys of a ring that can be used.
func (k Keys) Ring(name string) Ring {
	r := Ring{Name: name, now: time.Now}
	for _, e := range k.List {
		if e.Ring == name && e.Problem == "" && e.entity != nil {
			r.keys = append(r.keys, e)
		}
	}
	return r
}

// Missing says why a ring has no key that can be used.
func (k Keys) Missing(ring string) error {
	var why []string
	for _, e := range k.List {
		if e.Ring == ring {
			why = append(why, fmt.Sprintf("%s (%s): %s", e.Name, e.Fingerprint, e.Problem))
		}
	}
	if len(why) == 0 {
		why = []string{"no " + table + " pins one"}
	}
	return fmt.Errorf("there is no key of %q: %s", ring, strings.Join(why, "; "))
}
