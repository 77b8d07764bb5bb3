package sign

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aead.dev/minisign"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"bzmage/internal/fault"
)

const password = "correct horse"

// pgpKey makes a secret key, locked where there is a password.
func pgpKey(t testing.TB, lock string, config *packet.Config) string {
	t.Helper()
	e, err := openpgp.NewEntity("A Releaser", "", "releaser@example.org", config)
	if err != nil {
		t.Fatal(err)
	}
	if lock != "" {
		if err := e.EncryptPrivateKeys([]byte(lock), nil); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	w, err := armor.Encode(&b, openpgp.PrivateKeyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(e.SerializePrivateWithoutSigning(w, nil), w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func minisignKey(t testing.TB, lock string) string {
	t.Helper()
	_, secret, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	var text []byte
	if lock == "" {
		text, err = secret.MarshalText()
	} else {
		text, err = minisign.EncryptKey(lock, secret)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sshKey has ssh-keygen make one.
func sshKey(t testing.TB, kind, lock string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	program(t, "", "ssh-keygen", "-q", "-t", kind, "-N", lock, "-C", "a comment", "-f", path)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func program(t testing.TB, in string, argv ...string) string {
	t.Helper()
	if _, err := exec.LookPath(argv[0]); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

func load(t testing.TB, text, lock string) *Key {
	t.Helper()
	k, err := Load(text, []byte(lock))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// keys are one of each kind, some of them locked.
func keys(t testing.TB) map[string]*Key {
	t.Helper()
	return map[string]*Key{
		"OpenPGP":         load(t, pgpKey(t, "", nil), ""),
		"OpenPGP, locked": load(t, pgpKey(t, password, nil), password),
		"minisign":        load(t, minisignKey(t, ""), ""),
		"SSH":             load(t, sshKey(t, "ed25519", ""), ""),
		"SSH, locked":     load(t, sshKey(t, "ed25519", password), password),
		"SSH, ECDSA":      load(t, sshKey(t, "ecdsa", ""), ""),
		"SSH, RSA":        load(t, sshKey(t, "rsa", ""), ""),
	}
}

// TestSign signs with each kind, and sees who else could have: nobody.
func TestSign(t *testing.T) {
	message := []byte("sums\n")
	all := keys(t)
	for name, k := range all {
		if err := k.Try(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, k.PublicName()), k.Public(), 0o644); err != nil {
			t.Fatal(err)
		}
		trusted, err := Trusted(dir)
		if err != nil || trusted.Len() != 1 || !trusted.Has(k) {
			t.Fatalf("%s: %v, %d keys", name, err, trusted.Len())
		}
		sig, err := k.Sign(message)
		if err != nil {
			t.Fatal(err)
		}
		who, err := trusted.Verify(message, sig, k.Suffix())
		if err != nil || who.Kind != k.Kind || who.ID != k.ID {
			t.Errorf("%s: %v, %v", name, who, err)
		}
		for what, bad := range map[string]func() (Identity, error){
			"another message": func() (Identity, error) { return trusted.Verify([]byte("other\n"), sig, k.Suffix()) },
			"a bit of it":     func() (Identity, error) { return trusted.Verify(message, flip(sig), k.Suffix()) },
			"nothing":         func() (Identity, error) { return trusted.Verify(message, nil, k.Suffix()) },
			"no trusted key":  func() (Identity, error) { return Keys{}.Verify(message, sig, k.Suffix()) },
		} {
			if who, err := bad(); err == nil {
				t.Errorf("%s: %s is signed by %v", name, what, who)
			}
		}
		for other, o := range all {
			if sig, _ := o.Sign(message); other != name {
				if who, err := trusted.Verify(message, sig, o.Suffix()); err == nil || trusted.Has(o) {
					t.Errorf("%s: %s signed, and it is taken for %v", name, other, who)
				}
			}
		}
	}
}

// flip changes a bit of the body of a signature, not of its comments.
func flip(sig []byte) []byte {
	rows := bytes.Split(sig, []byte("\n"))
	for _, row := range rows {
		if len(row) > 40 && !bytes.Contains(row, []byte(" ")) {
			row[len(row)/2] ^= 1
			break
		}
	}
	return bytes.Join(rows, []byte("\n"))
}

// TestPrograms has the programs of each kind verify what we signed.
func TestPrograms(t *testing.T) {
	message := []byte("sums\n")
	dir := t.TempDir()
	put := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := put("SHA256SUMS", message)
	signed := func(k *Key) string {
		sig, err := k.Sign(message)
		if err != nil {
			t.Fatal(err)
		}
		return put("SHA256SUMS"+k.Suffix(), sig)
	}
	all := keys(t)
	pgp := all["OpenPGP"]
	block, err := armor.Decode(bytes.NewReader(pgp.Public()))
	if err != nil {
		t.Fatal(err)
	}
	var ring bytes.Buffer
	if _, err := ring.ReadFrom(block.Body); err != nil {
		t.Fatal(err)
	}
	program(t, "", "gpgv", "--keyring", put("ring.gpg", ring.Bytes()), signed(pgp), file)
	mini := all["minisign"]
	program(t, "", "minisign", "-V", "-p", put("m.pub", mini.Public()), "-x", signed(mini), "-m", file)
	for _, name := range []string{"SSH", "SSH, ECDSA", "SSH, RSA"} {
		k := all[name]
		allowed := put("allowed", append([]byte("me "), k.Public()...))
		program(t, string(message), "ssh-keygen", "-Y", "verify", "-f", allowed, "-I", "me", "-n", Namespace, "-s", signed(k))
	}
}

// TestLoadRefuses gives what is no key, or does not open; no error says what
// was given.
func TestLoadRefuses(t *testing.T) {
	ssh := sshKey(t, "ed25519", password)
	cut := func(s string) string { return s[:len(s)/2] + s[len(s)/2+7:] }
	born := time.Now().Add(-48 * time.Hour)
	old := pgpKey(t, "", &packet.Config{KeyLifetimeSecs: 3600, Time: func() time.Time { return born }})
	for name, text := range map[string]string{
		"no such file": "/no/such/file-" + "s3cret", "nothing": " ", "words": "hello\nworld s3cret", "wrong password, SSH": ssh,
		"wrong password, OpenPGP": pgpKey(t, password, nil), "broken SSH": cut(sshKey(t, "ed25519", "")),
		"broken OpenPGP": cut(pgpKey(t, "", nil)), "broken minisign": "untrusted comment: s3cret\ns3crets3cret",
		"a public key": string(load(t, pgpKey(t, "", nil), "").Public()),
	} {
		k, err := Load(text, []byte("wrong"))
		if err == nil || fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
			t.Errorf("%s: %v, %v", name, k, err)
			continue
		}
		for _, word := range strings.Fields(text) {
			if len(word) > 20 && strings.Contains(err.Error(), word) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s: the error holds what was given: %v", name, err)
			}
		}
	}
	if err := load(t, old, "").Try(); err == nil {
		t.Error("a key that has expired is good")
	}
}

func TestTrustedRefuses(t *testing.T) {
	for name, text := range map[string]string{"a.txt": "hello", "b.asc": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n", "c.minisign": "untrusted comment: x\nAAAA\n", "d.pub": "ssh-ed25519 AAAA"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Trusted(dir); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "README.md"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if k, err := Trusted(dir); err != nil || k.Len() != 0 {
		t.Errorf("a README: %v, %v", k, err)
	}
	if k, err := Trusted(filepath.Join(dir, "none")); err != nil || k.Len() != 0 {
		t.Errorf("no folder: %v, %v", k, err)
	}
}

// FuzzVerify has no signature or key of nonsense end the program.
func FuzzVerify(f *testing.F) {
	message := []byte("sums\n")
	var trusted Keys
	for name, k := range keys(f) {
		if err := trusted.add(name, k.Public()); err != nil {
			f.Fatal(err)
		}
		sig, err := k.Sign(message)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(sig, k.Public(), k.Suffix())
	}
	f.Fuzz(func(t *testing.T, sig, public []byte, suffixOf string) {
		if _, err := trusted.Verify([]byte("another\n"), sig, suffixOf); err == nil {
			t.Errorf("%q signs what it was not made for", sig)
		}
		var k Keys
		_ = k.add("x", public)
		_, _ = k.Verify(message, sig, suffixOf)
	})
}
