package unpack

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bzmage/internal/fault"
	"bzmage/internal/fetch"
	"bzmage/internal/keyring"
	"bzmage/internal/testkeys"
)

// signedYard is a yard whose archive has a signature over its tar.
func signedYard(t *testing.T, format fetch.Format, dev testkeys.Signer, signature []byte) *yard {
	t.Helper()
	y := newYard(t, pack(t, format, makeTar(t, kernel())))
	y.u.Keys = testkeys.Keys(t, []testkeys.Signer{dev}, nil).Ring(keyring.Developers)
	y.u.Archive.Signature = filepath.Join(t.TempDir(), "tar.sign")
	if err := os.WriteFile(y.u.Archive.Signature, signature, 0o644); err != nil {
		t.Fatal(err)
	}
	return y
}

// The signature is over the tar, whatever it is packed with, and the tree
// remembers that it was good.
func TestTarSigned(t *testing.T) {
	dev := testkeys.New(t, "dev", 0)
	sig := dev.Detached(t, makeTar(t, kernel()))
	for _, format := range []fetch.Format{fetch.Tar, fetch.Gzip, fetch.XZ} {
		t.Run(string(format), func(t *testing.T) {
			y := signedYard(t, format, dev, sig)
			a := y.u.Archive
			tree, err := y.unpack(t)
			if err != nil {
				t.Fatal(err)
			}
			want := []string{fetch.Pinned, fetch.TarSigned}
			if !slices.Equal(tree.Archive.Proofs, want) || tree.Archive.SignedBy != dev.Fingerprint() {
				t.Errorf("got %+v", tree.Archive)
			}
			checkTree(t, tree)
			y.u.Archive = a
			if err := os.Remove(a.Path); err != nil { // it is not even read
				t.Fatal(err)
			}
			if tree, err = y.unpack(t); err != nil || !slices.Equal(tree.Archive.Proofs, want) {
				t.Errorf("kept: got %+v, %v", tree.Archive, err)
			}
			if all := Trees(y.u.Dir); len(all) != 1 || !all[0].Archive.Has(fetch.TarSigned) {
				t.Errorf("got %+v", all)
			}
			// Under KERNEL_SOURCE the same bytes are what the user says, no more.
			y.u.Archive = a
			y.u.Archive.Source, y.u.Archive.Proofs, y.u.Archive.Signature = fetch.OverrideName, []string{}, ""
			if tree, err = y.unpack(t); err != nil || tree.Archive.Verified() {
				t.Errorf("override: got %+v, %v", tree.Archive, err)
			}
			// The proof ends with its key.
			y.u.Archive = a
			y.u.Keys = keyring.Ring{}
			if _, err := y.unpack(t); err == nil {
				t.Error("a key that is no longer there proves something")
			}
		})
	}
}

// A signature that is not good leaves no tree, whether or not one was unpacked
// when there was no signature.
func TestTarNotSigned(t *testing.T) {
	dev, stranger := testkeys.New(t, "dev", 0), testkeys.New(t, "stranger", 0)
	raw := makeTar(t, kernel())
	for name, tt := range map[string]struct {
		sig  []byte
		want string
	}{
		"of another tar": {dev.Detached(t, raw[:len(raw)-1]), "not what was signed"},
		"by a stranger":  {stranger.Detached(t, raw), "not in the ring"},
		"no signature":   {[]byte("<html>"), "no armored signature"},
	} {
		for _, format := range []fetch.Format{fetch.Gzip, fetch.XZ} {
			t.Run(name+" "+string(format), func(t *testing.T) {
				y := signedYard(t, format, dev, tt.sig)
				path := y.u.Archive.Signature
				_, err := y.unpack(t)
				if fault.KindOf(err) != fault.Source || !strings.Contains(err.Error(), tt.want) || !strings.Contains(fault.HintOf(err), "rm "+path) {
					t.Errorf("got %v, hint %q", err, fault.HintOf(err))
				}
				if left := list(t, y.u.Dir); !slices.Equal(left, []string{".lock"}) {
					t.Errorf("left behind: %q", left)
				}
				y.u.Archive.Signature = ""
				if _, err := y.unpack(t); err != nil {
					t.Fatal(err)
				}
				y.u.Archive.Signature = path
				if _, err := y.unpack(t); err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("of a tree that stands there: got %v", err)
				}
			})
		}
	}
}

// A tree that was unpacked without a signature is proved by one that comes
// later, and remembers it.
func TestSignatureComesLater(t *testing.T) {
	dev := testkeys.New(t, "dev", 0)
	y := signedYard(t, fetch.XZ, dev, dev.Detached(t, makeTar(t, kernel())))
	a := y.u.Archive
	y.u.Archive.Signature = ""
	if _, err := y.unpack(t); err != nil {
		t.Fatal(err)
	}
	y.u.Archive = a
	tree, err := y.unpack(t)
	if err != nil || !tree.Archive.Has(fetch.TarSigned) {
		t.Fatalf("got %+v, %v", tree.Archive, err)
	}
	y.u.Archive = a
	if err := os.Remove(a.Path); err != nil {
		t.Fatal(err)
	}
	if tree, err = y.unpack(t); err != nil || !tree.Archive.Has(fetch.TarSigned) {
		t.Errorf("it was forgotten: %+v, %v", tree.Archive, err)
	}
}

// What follows the tar in the stream is signed or refused.
func TestSignedButCut(t *testing.T) {
	dev := testkeys.New(t, "dev", 0)
	raw := makeTar(t, kernel())
	y := signedYard(t, fetch.XZ, dev, dev.Detached(t, raw))
	body, err := os.ReadFile(y.u.Archive.Path)
	if err != nil {
		t.Fatal(err)
	}
	// The archive is damaged after fetch had hashed it.
	body[len(body)/2] ^= 0xff
	if err := os.WriteFile(y.u.Archive.Path, body, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := y.unpack(t); fault.KindOf(err) != fault.Source {
		t.Errorf("got %v", err)
	}
	if left := list(t, y.u.Dir); !slices.Equal(left, []string{".lock"}) {
		t.Errorf("left behind: %q", left)
	}
}

func TestCheckSignature(t *testing.T) {
	dev := testkeys.New(t, "dev", 0)
	raw := makeTar(t, kernel())
	y := signedYard(t, fetch.XZ, dev, dev.Detached(t, raw))
	a, err := CheckSignature(t.Context(), y.u.Params)
	if err != nil || a.SignedBy != dev.Fingerprint() || !a.Has(fetch.TarSigned) {
		t.Errorf("got %+v, %v", a, err)
	}
	if _, err := os.Stat(y.u.Dir); err == nil {
		t.Error("it wrote something")
	}
	y = signedYard(t, fetch.XZ, dev, dev.Detached(t, raw[1:]))
	if a, err := CheckSignature(t.Context(), y.u.Params); fault.KindOf(err) != fault.Source || a.Has(fetch.TarSigned) {
		t.Errorf("got %+v, %v", a, err)
	}
	y.u.Archive.Signature = ""
	if a, err := CheckSignature(t.Context(), y.u.Params); err == nil || a.Has(fetch.TarSigned) {
		t.Errorf("got %+v, %v", a, err)
	}
}
