package sign

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"aead.dev/minisign"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

func loadOpenPGP(text, password []byte) (*Key, error) {
	list, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(text))
	if err != nil || len(list) != 1 {
		return nil, short("it is not one armored key")
	}
	e := list[0]
	if e.PrivateKey == nil {
		return nil, short("it holds no secret part")
	}
	if err := e.DecryptPrivateKeys(password); err != nil {
		return nil, errPassword
	}
	k := &Key{Identity: ofEntity(e)}
	if k.public, err = armored(openpgp.PublicKeyType, e.Serialize); err != nil {
		return nil, short("its public part cannot be written")
	}
	k.sign = func(message []byte) ([]byte, error) {
		var b bytes.Buffer
		err := openpgp.ArmoredDetachSign(&b, []*openpgp.Entity{e}, bytes.NewReader(message), &openpgp.SignParams{})
		return append(b.Bytes(), '\n'), err
	}
	return k, nil
}

func ofEntity(e *openpgp.Entity) Identity {
	id := Identity{Kind: OpenPGP, ID: fmt.Sprintf("%X", e.PrimaryKey.Fingerprint)}
	if _, user := e.PrimaryIdentity(time.Now(), nil); user != nil {
		id.Who = user.Name
	}
	return id
}

func armored(kind string, write func(io.Writer) error) ([]byte, error) {
	var b bytes.Buffer
	w, err := armor.Encode(&b, kind, nil)
	if err == nil {
		err = errors.Join(write(w), w.Close())
	}
	return append(b.Bytes(), '\n'), err
}

func loadMinisign(text, password []byte) (*Key, error) {
	var secret minisign.PrivateKey
	var err error
	if minisign.IsEncrypted(text) {
		if secret, err = minisign.DecryptKey(string(password), text); err != nil {
			return nil, errPassword
		}
	} else if err = secret.UnmarshalText(text); err != nil {
		return nil, short("it cannot be read")
	}
	pub, ok := secret.Public().(minisign.PublicKey)
	if !ok {
		return nil, short("it has no public part")
	}
	k := &Key{Identity: ofMinisign(pub)}
	if k.public, err = pub.MarshalText(); err != nil {
		return nil, short("its public part cannot be written")
	}
	k.public = append(bytes.TrimSpace(k.public), '\n')
	k.sign = func(message []byte) ([]byte, error) {
		return append(bytes.TrimSpace(minisign.Sign(secret, message)), '\n'), nil
	}
	return k, nil
}

func ofMinisign(pub minisign.PublicKey) Identity {
	return Identity{Kind: Minisign, ID: fmt.Sprintf("%016X", pub.ID())}
}

func loadSSH(text, password []byte) (*Key, error) {
	signer, err := ssh.ParsePrivateKey(text)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		if signer, err = ssh.ParsePrivateKeyWithPassphrase(text, password); err != nil {
			return nil, errPassword
		}
	}
	if err != nil {
		return nil, short("it cannot be read")
	}
	k := &Key{Identity: ofSSH(signer.PublicKey(), ""), public: ssh.MarshalAuthorizedKey(signer.PublicKey())}
	k.sign = func(message []byte) ([]byte, error) {
		sig, err := sshsig.Sign(bytes.NewReader(message), signer, sshsig.HashSHA512, Namespace)
		if err != nil {
			return nil, err
		}
		return sshsig.Armor(sig), nil
	}
	return k, nil
}

func ofSSH(pub ssh.PublicKey, comment string) Identity {
	return Identity{Kind: SSH, ID: ssh.FingerprintSHA256(pub), Who: comment}
}

// ofAnySSH reads a line of an authorized_keys file: type, key and comment.
func ofAnySSH(text []byte) (ssh.PublicKey, Identity, error) {
	pub, comment, _, rest, err := ssh.ParseAuthorizedKey(text)
	if err != nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, Identity{}, errors.New("it is not one public key of SSH")
	}
	return pub, ofSSH(pub, comment), nil
}

// readMinisign reads a public key: a comment and the key, or the key alone.
func readMinisign(text []byte) (minisign.PublicKey, error) {
	var pub minisign.PublicKey
	rows := strings.Split(strings.TrimSpace(string(text)), "\n")
	last := strings.TrimSpace(rows[len(rows)-1])
	if len(rows) > 2 {
		return pub, errors.New("it is not one public key of minisign")
	}
	if _, err := base64.StdEncoding.DecodeString(last); err != nil {
		return pub, errors.New("it is not a public key of minisign")
	}
	return pub, pub.UnmarshalText([]byte(last))
}
