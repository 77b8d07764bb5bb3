package keyring

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

const (
	// SignatureMax is how many bytes a detached signature may have; one has
	// about 1 KiB.
	SignatureMax = 64 << 10
	// signers is how many signatures by keys we know are looked at: each is a
	// hash over the whole tar.
	signers = 4
)

// Ring is a set of keys that may sign one kind of thing.
type Ring struct {
	Name string
	keys []Key
	now  func() time.Time
}

// Usable says whether the ring has a key.
func (r Ring) Usable() bool { return len(r.keys) > 0 }

// Has says whether the key of that fingerprint is in the ring, and good.
func (r Ring) Has(fingerprint string) bool {
	for _, k := range r.keys {
		if k.Fingerprint == fingerprint {
			return true
		}
	}
	return false
}

func (r Ring) entities() openpgp.EntityList {
	var list openpgp.EntityList
	for _, k := range r.keys {
		list = append(list, k.entity)
	}
	return list
}

func (r Ring) config() *packet.Config { return &packet.Config{Time: r.now} }

// Signature is a detached signature that names a key of a ring as its maker.
// Whether it is good is known when all that it signs has been read.
type Signature struct {
	ring Ring
	body []byte
}

// Signature reads an armored detached signature over bytes (type 0x00 of RFC
// 9580, section 5.2.1). One that no key of the ring can have made is an error
// now, before anything large is read.
func (r Ring) Signature(armored []byte) (Signature, error) {
	if len(armored) > SignatureMax {
		return Signature{}, fmt.Errorf("a signature of more than %d bytes", SignatureMax)
	}
	body, err := dearmor(armored, openpgp.SignatureType)
	if err != nil {
		return Signature{}, fmt.Errorf("no armored signature: %s", short(err))
	}
	return Signature{r, body}, r.inspect(body, packet.SigTypeBinary)
}

// inspect reads the packets of a signature: nothing but signatures of the one
// type, at least one and not too many of them by our keys.
func (r Ring) inspect(body []byte, kind packet.SignatureType) error {
	known, others := 0, []string{}
	list := r.entities()
	for left := bytes.NewReader(body); left.Len() > 0; {
		p, err := packet.Read(left)
		if err != nil {
			return fmt.Errorf("no signature: %s", short(err))
		}
		sig, ok := p.(*packet.Signature)
		switch {
		case !ok:
			return fmt.Errorf("it holds a %T, which is no signature", p)
		case sig.SigType != kind:
			return fmt.Errorf("it is a signature of type %#02x, not %#02x", int(sig.SigType), int(kind))
		case sig.IssuerKeyId == nil:
			return errors.New("it does not say who made it")
		case len(list.EntitiesById(*sig.IssuerKeyId)) > 0:
			known++
		default:
			others = append(others, fmt.Sprintf("%016X", *sig.IssuerKeyId))
		}
	}
	if known > signers {
		return fmt.Errorf("it holds %d signatures, more than %d", known, signers)
	}
	if known == 0 {
		return fmt.Errorf("it was made with the key %s, which is not in the ring %q", strings.Join(others, ", "), r.Name)
	}
	return nil
}

// Reader returns a reader that passes signed on and hashes what goes through.
func (s Signature) Reader(signed io.Reader) (*Reader, error) {
	md, err := openpgp.VerifyDetachedSignatureReader(s.ring.entities(), signed, bytes.NewReader(s.body), s.ring.config())
	if err != nil {
		return nil, errors.New(short(err))
	}
	return &Reader{md, s.ring}, nil
}

// Reader passes on what a signature signs.
type Reader struct {
	md   *openpgp.MessageDetails
	ring Ring
}

func (r *Reader) Read(p []byte) (int, error) { return r.md.UnverifiedBody.Read(p) }

// Signer returns the fingerprint of the primary key that made the signature,
// if it is good. All must have been read, up to the end.
func (r *Reader) Signer() (string, error) {
	switch {
	case !r.md.IsVerified:
		return "", errors.New("not all that is signed was read")
	case r.md.SignatureError != nil:
		return "", fmt.Errorf("it is not what was signed, or not with that key: %s", short(r.md.SignatureError))
	case r.md.SignedBy == nil:
		return "", errors.New("nobody signed it")
	}
	// The library asks whether the key was good when the signature says that
	// it was made, which whoever has an old key can choose.
	if _, ok := r.md.SignedBy.Entity.SigningKeyById(r.ring.now(), r.md.SignedBy.PublicKey.KeyId, nil); !ok {
		return "", fmt.Errorf("the key %016X is no longer good", r.md.SignedBy.PublicKey.KeyId)
	}
	return fmt.Sprintf("%X", r.md.SignedBy.Entity.PrimaryKey.Fingerprint), nil
}

// Clearsigned returns the text of a message in the clearsigned form (RFC
// 9580, section 7), with "\n" as line ends, and its signer's fingerprint. What
// stands before or after the signed text is never returned.
func (r Ring) Clearsigned(message []byte) (text, signer string, err error) {
	block, rest := clearsign.Decode(message)
	if block == nil {
		return "", "", errors.New("it is no clearsigned message")
	}
	if other, _ := clearsign.Decode(rest); other != nil {
		return "", "", errors.New("it holds more than one clearsigned message")
	}
	body, err := io.ReadAll(io.LimitReader(block.ArmoredSignature.Body, SignatureMax))
	if err != nil {
		return "", "", fmt.Errorf("read its signature: %s", short(err))
	}
	if err := r.inspect(body, packet.SigTypeText); err != nil {
		return "", "", err
	}
	check, err := Signature{r, body}.Reader(bytes.NewReader(block.Bytes))
	if err != nil {
		return "", "", err
	}
	if _, err := io.Copy(io.Discard, check); err != nil {
		return "", "", err
	}
	if signer, err = check.Signer(); err != nil {
		return "", "", err
	}
	return strings.ReplaceAll(string(block.Bytes), "\r\n", "\n"), signer, nil
}
