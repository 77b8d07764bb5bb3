package keyring_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"bzmage/internal/keyring"
	"bzmage/internal/testkeys"
)

// verify checks a signature over data with a ring.
func verify(ring keyring.Ring, sig, data []byte) (string, error) {
	s, err := ring.Signature(sig)
	if err != nil {
		return "", err
	}
	r, err := s.Reader(bytes.NewReader(data))
	if err != nil {
		return "", err
	}
	got, err := io.ReadAll(r)
	if err == nil && !bytes.Equal(got, data) {
		panic("other bytes came out")
	}
	if err != nil {
		return "", err
	}
	return r.Signer()
}

// unarmor and rearmor take the armor of signatures off and put it on.
func unarmor(t *testing.T, sig []byte) []byte {
	t.Helper()
	b, err := armor.Decode(bytes.NewReader(sig))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(b.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func rearmor(t *testing.T, packets ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := armor.Encode(&b, openpgp.SignatureType, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(bytes.Join(packets, nil))
	_ = w.Close()
	return b.Bytes()
}

func TestSignature(t *testing.T) {
	dev, sums, stranger := testkeys.New(t, "dev", 0), testkeys.New(t, "sums", 0), testkeys.New(t, "stranger", 0)
	sub := testkeys.New(t, "sub", 0)
	if err := sub.Entity.AddSigningSubkey(&packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return testkeys.Born }}); err != nil {
		t.Fatal(err)
	}
	ring := testkeys.Keys(t, []testkeys.Signer{dev, sub}, []testkeys.Signer{sums}).Ring(keyring.Developers)
	data := bytes.Repeat([]byte("a tar\r\n \n"), 100_000)
	good, foreign := dev.Detached(t, data), stranger.Detached(t, data)
	other := dev.Detached(t, data[1:])
	var text bytes.Buffer
	if err := openpgp.ArmoredDetachSign(&text, []*openpgp.Entity{dev.Entity}, bytes.NewReader(data), &openpgp.SignParams{TextSig: true}); err != nil {
		t.Fatal(err)
	}
	var key bytes.Buffer
	if err := dev.Entity.Serialize(&key); err != nil {
		t.Fatal(err)
	}
	body := unarmor(t, good)
	for _, tt := range []struct {
		name string
		sig  []byte
		want string // the error; empty: good
	}{
		{"good", good, ""},
		{"by a subkey", sub.Detached(t, data), ""},
		{"crlf", bytes.ReplaceAll(good, []byte("\n"), []byte("\r\n")), ""},
		{"second of two good", rearmor(t, unarmor(t, foreign), body), ""},
		{"one of two is of another tar", rearmor(t, unarmor(t, other), body), ""},
		{"of another tar", other, "not what was signed"},
		{"unknown key", foreign, "not in the ring"},
		{"the sums' key", sums.Detached(t, data), "not in the ring"},
		{"as text", text.Bytes(), "type 0x01"},
		{"garbage after", append(bytes.Clone(good), "extra"...), "nothing else"},
		{"garbage before", append([]byte("extra\n"), good...), "nothing else"},
		{"two blocks", append(bytes.Clone(good), good...), "nothing else"},
		{"a key", rearmor(t, key.Bytes(), body), "no signature"},
		{"many", rearmor(t, bytes.Repeat(body, 5)), "more than 4"},
		{"huge", append(bytes.Clone(good), make([]byte, keyring.SignatureMax)...), "more than"},
		{"html", []byte("<html>sign in</html>"), "no armored signature"},
		{"empty", nil, "no armored signature"},
		{"an empty block", rearmor(t), "not in the ring"},
		{"cut", rearmor(t, body[:len(body)/2]), "no signature"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			signer, err := verify(ring, tt.sig, data)
			if tt.want == "" && (err != nil || !ring.Has(signer)) || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || signer != "") {
				t.Errorf("got %q, %v, want %q", signer, err, tt.want)
			}
		})
	}
	t.Run("not all was read", func(t *testing.T) {
		s, err := ring.Signature(good)
		if err != nil {
			t.Fatal(err)
		}
		r, _ := s.Reader(bytes.NewReader(data))
		_, _ = io.ReadFull(r, make([]byte, 1000))
		if signer, err := r.Signer(); err == nil || signer != "" {
			t.Errorf("got %q, %v", signer, err)
		}
	})
}

// gpg made these: a key that certifies itself with SHA-1, as Greg's and Linus's
// do, and signatures with SHA-512 and SHA-1. Only the last can be forged.
func TestSHA1(t *testing.T) {
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	k, err := keyring.Load(folder(t, "keys.toml", "[[key]]\nring = \"developers\"\nname = \"x\"\nfingerprint = \""+sha1Key+"\"\n",
		"a.asc", string(read("sha1-key.asc"))))
	if err != nil {
		t.Fatal(err)
	}
	ring := k.Ring(keyring.Developers)
	if signer, err := verify(ring, read("sha512.sig"), []byte("data\n")); err != nil || signer != sha1Key {
		t.Errorf("got %q, %v", signer, err)
	}
	if signer, err := verify(ring, read("sha1.sig"), []byte("data\n")); err == nil || !strings.Contains(err.Error(), "insecure") || signer != "" {
		t.Errorf("got %q, %v", signer, err)
	}
}

const sha1Key = "5DA6B8E28EB4719E7CD7C9AB120D17729F86F12E"

func TestClearsigned(t *testing.T) {
	sums, dev := testkeys.New(t, "sums", 0), testkeys.New(t, "dev", 0)
	ring := testkeys.Keys(t, []testkeys.Signer{dev}, []testkeys.Signer{sums}).Ring(keyring.Sums)
	text := "aa  one\n- dashed\nbb  two\n"
	good := sums.Clearsigned(t, text)
	evil := "cc  evil\n"
	for _, tt := range []struct {
		name    string
		message []byte
		want    string // the error; empty: good
	}{
		{"good", good, ""},
		{"crlf", bytes.ReplaceAll(good, []byte("\n"), []byte("\r\n")), ""},
		{"text before", append([]byte(evil), good...), ""},
		{"text after", append(bytes.Clone(good), evil...), ""},
		{"a line added", bytes.Replace(good, []byte("bb  two"), []byte("bb  two\ncc  evil"), 1), "not what was signed"},
		{"a digit changed", bytes.Replace(good, []byte("bb"), []byte("bc"), 1), "not what was signed"},
		{"header that hides text", bytes.Replace(good, []byte("Hash:"), []byte("Comment: cc  evil\nHash:"), 1), "no clearsigned message"},
		{"two messages", append(bytes.Clone(good), good...), "more than one"},
		{"a developer's", dev.Clearsigned(t, text), "not in the ring"},
		{"no signature", []byte(text), "no clearsigned message"},
		{"signature cut", good[:len(good)-60], "no clearsigned message"},
		{"empty", nil, "no clearsigned message"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, signer, err := ring.Clearsigned(tt.message)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) || got != "" {
					t.Errorf("got %q, %v, want %q", got, err, tt.want)
				}
				return
			}
			if err != nil || strings.TrimRight(got, "\n") != strings.TrimRight(text, "\n") || signer != sums.Fingerprint() {
				t.Errorf("got %q by %s, %v", got, signer, err)
			}
		})
	}
}

func FuzzSignature(f *testing.F) {
	dev := testkeys.New(f, "dev", 0)
	ring := testkeys.Keys(f, []testkeys.Signer{dev}, []testkeys.Signer{dev2(f)}).Ring(keyring.Developers)
	data := []byte("data")
	f.Add(dev.Detached(f, data))
	f.Add([]byte("-----BEGIN PGP SIGNATURE-----\n\n\n-----END PGP SIGNATURE-----"))
	f.Fuzz(func(t *testing.T, sig []byte) {
		if _, err := verify(ring, sig, []byte("other data")); err == nil {
			t.Error("it signs what it cannot have signed")
		}
	})
}

func FuzzClearsigned(f *testing.F) {
	sums := dev2(f)
	text := "aa  one\nbb  two\n"
	ring := testkeys.Keys(f, nil, []testkeys.Signer{sums}).Ring(keyring.Sums)
	f.Add(sums.Clearsigned(f, text))
	f.Add([]byte(text))
	f.Fuzz(func(t *testing.T, message []byte) {
		got, _, err := ring.Clearsigned(message)
		if err == nil && strings.TrimRight(got, "\n") != strings.TrimRight(text, "\n") {
			t.Errorf("it returns %q, which nobody signed", got)
		}
	})
}

func dev2(t testing.TB) testkeys.Signer { return testkeys.New(t, "other", 0) }
