package keyring_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"bzmage/internal/fault"
	"bzmage/internal/keyring"
	"bzmage/internal/testkeys"
)

// The keys of this checkout: one file of four blocks, of which three are
// pinned. Two of the three are certified with SHA-1 by themselves.
func TestTheRealKeys(t *testing.T) {
	k, err := keyring.Load("../../configs/keys")
	if err != nil {
		t.Fatal(err)
	}
	good := 0
	for _, e := range k.List {
		if e.Ring == keyring.Developers && e.Problem == "" && e.File == "developers.asc" {
			good++
		} else if e.Ring == keyring.Developers {
			t.Errorf("%s: %s", e.Name, e.Problem)
		}
	}
	ring := k.Ring(keyring.Developers)
	if good != 3 || !ring.Has("647F28654894E3BD457199BE38DBBDC86092693E") || !ring.Has("ABAF11C65A2970B130ABE3C479BE3E4300411886") {
		t.Errorf("%d good keys", good)
	}
	if ring.Has("AC2B29BD34A6AFDDB3F68F35E7BFC8EC95861109") {
		t.Error("a key that nobody pinned is used")
	}
}

// folder writes keys.toml and files, name and text in turn.
func folder(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoad(t *testing.T) {
	a, b := testkeys.New(t, "a", 0), testkeys.New(t, "b", 0)
	old := testkeys.New(t, "old", 3600)
	revoked := testkeys.New(t, "revoked", 0)
	if err := revoked.Entity.Revoke(packet.KeyCompromised, "lost", nil); err != nil {
		t.Fatal(err)
	}
	row := func(s testkeys.Signer) string { return testkeys.Row(keyring.Developers, s) }
	swapped := strings.Replace(a.Block(t), "\n\n", "\nComment: x\n\n", 1)
	for _, tt := range []struct {
		name  string
		files []string
		key   testkeys.Signer
		want  string // the problem; empty: it is good
	}{
		{"alone", []string{"keys.toml", row(a), "a.asc", a.Block(t)}, a, ""},
		{"second of two blocks", []string{"keys.toml", row(b), "a.asc", a.Block(t) + b.Block(t)}, b, ""},
		{"a comment", []string{"keys.toml", row(a), "a.asc", swapped}, a, ""},
		{"text between", []string{"keys.toml", row(b), "a.asc", "Ours:\n" + a.Block(t) + "and\n" + b.Block(t)}, b, ""},
		{"missing", []string{"keys.toml", row(a), "b.asc", b.Block(t)}, a, "holds its block"},
		{"expired", []string{"keys.toml", row(old), "a.asc", old.Block(t)}, old, "it expired on "},
		{"revoked", []string{"keys.toml", row(revoked), "a.asc", revoked.Block(t)}, revoked, "revoked"},
		{"twice", []string{"keys.toml", row(a), "a.asc", a.Block(t), "b.asc", a.Block(t)}, a, "and again in b.asc"},
		{"cut", []string{"keys.toml", row(a), "a.asc", a.Block(t)[:200]}, a, "holds its block"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k, err := keyring.Load(folder(t, tt.files...))
			if err != nil {
				t.Fatal(err)
			}
			e := k.List[0]
			if (e.Problem == "") != (tt.want == "") || !strings.Contains(e.Problem, tt.want) {
				t.Errorf("problem %q, want %q", e.Problem, tt.want)
			}
			ring := k.Ring(keyring.Developers)
			if usable := tt.want == ""; ring.Has(tt.key.Fingerprint()) != usable || ring.Usable() != usable {
				t.Errorf("it is usable: %v", ring.Usable())
			}
			if err := k.Missing(keyring.Developers); !strings.Contains(err.Error(), tt.key.Fingerprint()) {
				t.Error(err)
			}
			if k.Ring(keyring.Sums).Usable() {
				t.Error("it is in the other ring, too")
			}
		})
	}
	if k, err := keyring.Load(filepath.Join(t.TempDir(), "none")); err != nil || k.Ring(keyring.Developers).Usable() {
		t.Error(err)
	}
}

func TestLoadRefuses(t *testing.T) {
	a := testkeys.New(t, "a", 0)
	row := testkeys.Row(keyring.Sums, a)
	for _, tt := range []struct{ name, table, asc, want string }{
		{"unknown key", row + "colour = 1\n", "", "unknown key"},
		{"unknown ring", strings.Replace(row, `"sums"`, `"all"`, 1), "", "unknown ring"},
		{"short fingerprint", strings.Replace(row, a.Fingerprint(), a.Fingerprint()[:39], 1), "", "40 hex digits"},
		{"in both rings", row + testkeys.Row(keyring.Developers, a), "", "twice"},
		{"syntax", "[[key]", "", "key"},
		{"huge", row, strings.Repeat("x", 5<<20), "more than"},
		{"many", row, strings.Repeat("-----BEGIN PGP PUBLIC KEY BLOCK-----\n", 300), "more than 256"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := keyring.Load(folder(t, "keys.toml", tt.table, "a.asc", tt.asc))
			if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), tt.want) || fault.HintOf(err) == "" {
				t.Errorf("got %v", err)
			}
		})
	}
}
