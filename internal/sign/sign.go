// Package sign signs releases with a key of the user's, and says who signed
// one. In go the text of a secret key, or a folder of public ones; out come
// detached signatures, in the formats that gpg, minisign and ssh-keygen read.
package sign

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"bzmage/internal/fault"
)

// The kinds of keys.
const (
	OpenPGP  = "OpenPGP"
	Minisign = "minisign"
	SSH      = "SSH"
)

// Namespace is what an SSH signature is for: ssh-keygen -Y verify -n file.
const Namespace = "file"

// Limits of what is read as a key or a signature.
const (
	keyMax       = 1 << 20
	signatureMax = 64 << 10
)

// Identity is who signs.
type Identity struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`            // fingerprint or key ID, as the kind's own program prints it
	Who  string `json:"who,omitempty"` // user ID or comment: what the key says of itself
}

// String names the key for people.
func (i Identity) String() string {
	return strings.TrimSpace(i.Kind + " key " + i.ID + " " + i.Who)
}

// suffixes of signature files, and of the files of public keys.
func suffix(kind string) (signature, public string) {
	switch kind {
	case OpenPGP:
		return ".asc", ".asc"
	case Minisign:
		return ".minisig", ".minisign"
	}
	return ".sig", ".pub"
}

// Suffixes are those of signature files.
func Suffixes() []string { return []string{".asc", ".minisig", ".sig"} }

// Key is a secret key.
type Key struct {
	Identity
	public []byte
	sign   func(message []byte) ([]byte, error)
}

// Suffix is that of the files that hold its signatures.
func (k *Key) Suffix() string { s, _ := suffix(k.Kind); return s }

// Public is its public part, as a file of a folder of trusted keys.
func (k *Key) Public() []byte { return k.public }

// PublicName is a name for that file.
func (k *Key) PublicName() string {
	_, s := suffix(k.Kind)
	id := strings.Map(func(r rune) rune {
		if strings.ContainsRune("0123456789abcdefABCDEFGHIJKLMNOPQRSTUVWXYZghijklmnopqrstuvwxyz", r) {
			return r
		}
		return -1
	}, k.ID)
	return "release-" + id[max(0, len(id)-16):] + s
}

// Sign returns a detached signature of the message, as a file of its suffix.
func (k *Key) Sign(message []byte) ([]byte, error) {
	sig, err := k.sign(message)
	if err != nil {
		return nil, fault.New(fault.Usage, "look whether the key may sign: gpg --list-packets, or ssh-keygen -lf", "sign with %s: %w", k.Identity, err)
	}
	return sig, nil
}

// Try signs something and sees that the signature is good: a key that has
// expired or may not sign is better known before a kernel is built.
func (k *Key) Try() error {
	message := []byte("a trial\n")
	sig, err := k.Sign(message)
	if err != nil {
		return err
	}
	own := Keys{list: []public{}}
	if err := own.add("SIGN_KEY", k.public); err != nil {
		return fault.New(fault.Usage, "", "SIGN_KEY: %w", err)
	}
	if _, err := own.Verify(message, sig, k.Suffix()); err != nil {
		return fault.New(fault.Usage, "look whether it has expired or was revoked", "SIGN_KEY cannot be used: %w", err)
	}
	return nil
}

// Load reads a secret key: its text, or the file that has it. Nothing of it is
// ever part of an error.
func Load(key string, password []byte) (*Key, error) {
	text := []byte(key)
	if kindOf(text) == "" {
		info, err := os.Stat(key)
		if err != nil || len(key) > 4096 || strings.Contains(key, "\n") {
			return nil, fault.New(fault.Usage, "SIGN_KEY=<the file of a secret key>", "SIGN_KEY is neither a secret key (OpenPGP, minisign or SSH) nor a file that can be read")
		}
		if info.Size() > keyMax {
			return nil, fault.New(fault.Usage, "SIGN_KEY=<the file of a secret key>", "the file that SIGN_KEY names has more than %d bytes", keyMax)
		}
		if text, err = os.ReadFile(key); err != nil {
			return nil, fault.New(fault.Usage, "SIGN_KEY=<the file of a secret key>", "SIGN_KEY: %w", err)
		}
	}
	load := map[string]func(text, password []byte) (*Key, error){OpenPGP: loadOpenPGP, Minisign: loadMinisign, SSH: loadSSH}[kindOf(text)]
	if load == nil {
		return nil, fault.New(fault.Usage, "SIGN_KEY=<the file of a secret key>", "what SIGN_KEY names is no secret key of OpenPGP (armored), minisign or SSH")
	}
	k, err := load(text, password)
	if err != nil {
		return nil, fault.New(fault.Usage, "SIGN_KEY_PASSWORD has its password", "SIGN_KEY, a key of %s: %w", kindOf(text), err)
	}
	return k, nil
}

// kindOf tells secret keys apart by how they begin.
func kindOf(text []byte) string {
	text = bytes.TrimSpace(text)
	first, rest, _ := strings.Cut(string(text), "\n")
	switch {
	case strings.HasPrefix(first, "-----BEGIN PGP PRIVATE KEY BLOCK-----"):
		return OpenPGP
	case strings.HasPrefix(first, "-----BEGIN ") && strings.Contains(first, "PRIVATE KEY-----"):
		return SSH
	case strings.HasPrefix(first, "untrusted comment:") && strings.TrimSpace(rest) != "":
		return Minisign
	}
	return ""
}

// errPassword is the error of a key that does not open.
var errPassword = errors.New("its password is missing or wrong")

// short is an error of a library without what it may say of its input.
func short(what string) error { return fmt.Errorf("%s", what) }
