package sign

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"aead.dev/minisign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/hiddeco/sshsig"

	"bzmage/internal/fault"
)

// public is a trusted key: verify returns nil if it made the signature.
type public struct {
	Identity
	file   string
	verify func(message, signature []byte) error
}

// Keys are the public keys that somebody trusts.
type Keys struct {
	list []public
	now  func() time.Time
}

// Trusted reads the public keys in a folder: *.asc are OpenPGP's, *.minisign
// minisign's, *.pub SSH's. Any other file but a README is an error, as it may
// be a key that would silently count for nothing. No folder, no keys.
func Trusted(dir string) (Keys, error) {
	var k Keys
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return k, fault.New(fault.Machine, "look at who owns "+dir, "read the keys of releases: %w", err)
	}
	for _, f := range files {
		if strings.HasPrefix(f.Name(), "README") || strings.HasPrefix(f.Name(), ".") {
			continue
		}
		path := filepath.Join(dir, f.Name())
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() || info.Size() > keyMax {
			return k, fault.New(fault.Usage, "rm "+path, "keys of releases: %s is no file of a key", path)
		}
		text, err := os.ReadFile(path)
		if err == nil {
			err = k.add(path, text)
		}
		if err != nil {
			return k, fault.New(fault.Usage, "correct or remove "+path, "keys of releases: %w", err)
		}
	}
	return k, nil
}

// Len is how many keys there are.
func (k Keys) Len() int { return len(k.list) }

// Has says whether the public part of a key is among them.
func (k Keys) Has(key *Key) bool {
	for _, p := range k.list {
		if p.Kind == key.Kind && p.ID == key.ID {
			return true
		}
	}
	return false
}

// add adds the keys of a file.
func (k *Keys) add(path string, text []byte) error {
	var err error
	switch {
	case bytes.HasPrefix(bytes.TrimSpace(text), []byte("-----BEGIN PGP PUBLIC KEY BLOCK-----")):
		err = k.addOpenPGP(path, text)
	case strings.HasSuffix(path, ".minisign"), bytes.HasPrefix(text, []byte("untrusted comment:")):
		err = k.addMinisign(path, text)
	default:
		err = k.addSSH(path, text)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// addOpenPGP adds each block of a file: the library reads one and stops.
func (k *Keys) addOpenPGP(path string, text []byte) error {
	const begin = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
	for _, block := range bytes.Split(text, []byte(begin))[1:] {
		list, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(append([]byte(begin), block...)))
		if err != nil {
			return errors.New("a block in it is no key of OpenPGP")
		}
		for _, e := range list {
			k.list = append(k.list, public{ofEntity(e), path, func(message, signature []byte) error {
				config := &packet.Config{Time: k.now}
				_, _, err := openpgp.VerifyArmoredDetachedSignature(openpgp.EntityList{e}, bytes.NewReader(message), bytes.NewReader(signature), config)
				return err
			}})
		}
	}
	return nil
}

func (k *Keys) addMinisign(path string, text []byte) error {
	pub, err := readMinisign(text)
	if err != nil {
		return err
	}
	k.list = append(k.list, public{ofMinisign(pub), path, func(message, signature []byte) error {
		if !minisign.Verify(pub, message, signature) {
			return errors.New("it is not of this key and file")
		}
		return nil
	}})
	return nil
}

func (k *Keys) addSSH(path string, text []byte) error {
	pub, id, err := ofAnySSH(text)
	if err != nil {
		return err
	}
	k.list = append(k.list, public{id, path, func(message, signature []byte) error {
		sig, err := sshsig.Unarmor(signature)
		if err != nil {
			return err
		}
		return sshsig.Verify(bytes.NewReader(message), sig, pub, sig.HashAlgorithm, Namespace)
	}})
	return nil
}

// ErrUntrusted says that no trusted key made a signature.
var ErrUntrusted = errors.New("no trusted key made it")

// Verify returns who of the trusted keys made a detached signature, of the kind
// that the suffix of its file says.
func (k Keys) Verify(message, signature []byte, suffixOf string) (Identity, error) {
	if len(signature) > signatureMax {
		return Identity{}, fmt.Errorf("a signature of more than %d bytes", signatureMax)
	}
	err := ErrUntrusted
	for _, p := range k.list {
		if own, _ := suffix(p.Kind); own != suffixOf {
			continue
		}
		failed := p.verify(message, signature)
		if failed == nil {
			return p.Identity, nil
		}
		err = fmt.Errorf("%w (%s: %s)", ErrUntrusted, p.Identity, strings.TrimPrefix(failed.Error(), "openpgp: "))
	}
	return Identity{}, err
}
