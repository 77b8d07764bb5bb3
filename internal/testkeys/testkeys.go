// Package testkeys makes throw-away OpenPGP keys for the tests of other
// packages, and signs with them as kernel.org does.
package testkeys

import (
	"bytes"
	"crypto"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"bzmage/internal/keyring"
)

// Born is when the keys are made, and signatures if not said otherwise.
var Born = time.Now().Add(-48 * time.Hour).Truncate(time.Second)

// Signer is a key pair.
type Signer struct {
	Entity *openpgp.Entity
	config packet.Config
}

// New makes a key that lives for so many seconds; 0 is for ever.
func New(t testing.TB, name string, lifetime uint32) Signer {
	t.Helper()
	c := packet.Config{
		Algorithm: packet.PubKeyAlgoEdDSA, DefaultHash: crypto.SHA512, KeyLifetimeSecs: lifetime,
		Time: func() time.Time { return Born },
	}
	e, err := openpgp.NewEntity(name, "", name+"@localhost", &c)
	if err != nil {
		t.Fatal(err)
	}
	return Signer{e, c}
}

// Fingerprint is that of the primary key, as keys.toml has it.
func (s Signer) Fingerprint() string { return fmt.Sprintf("%X", s.Entity.PrimaryKey.Fingerprint) }

// Block is the armored public key.
func (s Signer) Block(t testing.TB) string {
	t.Helper()
	return armored(t, openpgp.PublicKeyType, s.Entity.Serialize)
}

func armored(t testing.TB, kind string, write func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	w, err := armor.Encode(&b, kind, nil)
	if err == nil {
		err = write(w)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String() + "\n"
}

// Detached is the armored signature over data.
func (s Signer) Detached(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := openpgp.ArmoredDetachSign(&b, []*openpgp.Entity{s.Entity}, bytes.NewReader(data), &openpgp.SignParams{Config: &s.config}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Clearsigned is text in the clearsigned form.
func (s Signer) Clearsigned(t testing.TB, text string) []byte {
	t.Helper()
	key, ok := s.Entity.SigningKey(Born, &s.config)
	if !ok {
		t.Fatal("no key to sign with")
	}
	var b bytes.Buffer
	w, err := clearsign.Encode(&b, key.PrivateKey, &s.config)
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return append(b.Bytes(), '\n')
}

// Row is the entry of a key in keys.toml.
func Row(ring string, s Signer) string {
	return fmt.Sprintf("[[key]]\nring = %q\nname = %q\nfingerprint = %q\n", ring, name(s), s.Fingerprint())
}

// Write writes a folder of keys.
func Write(t testing.TB, dir string, developers, sums []Signer) {
	t.Helper()
	table, blocks := "", ""
	for ring, list := range map[string][]Signer{keyring.Developers: developers, keyring.Sums: sums} {
		for _, s := range list {
			table += Row(ring, s)
			blocks += s.Block(t)
		}
	}
	for name, text := range map[string]string{"keys.toml": table, "all.asc": blocks} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Keys returns the keys as [keyring.Load] reads them.
func Keys(t testing.TB, developers, sums []Signer) keyring.Keys {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keys")
	Write(t, dir, developers, sums)
	k, err := keyring.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func name(s Signer) string {
	for n := range s.Entity.Identities {
		return n
	}
	return "nobody"
}
