package build

import (
	"os"
	"path/filepath"
	"testing"
)

// What the compiler noted of objects is a part of the dist, is kept with it,
// and a note that make did not write is not missed.
func TestNotesAreInTheDist(t *testing.T) {
	p := tree(t, goodRecipe+"\tmkdir -p $(O)/fs/proc && echo note > $(O)/fs/proc/base.gcno\n")
	p.Notes = []string{"fs/proc/base.gcno", "kernel/other.gcno"}
	res, err := Build(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(p.Dist, NotesDir, "fs/proc/base.gcno")
	if text, err := os.ReadFile(path); err != nil || string(text) != "note\n" {
		t.Errorf("%q, %v", text, err)
	}
	if f, ok := res.File("notes/fs/proc/base.gcno"); !ok || f.Size != 5 || len(res.Files) != 5 {
		t.Errorf("%+v", res.Files)
	}
	if again, err := Build(t.Context(), p); err != nil || !again.Kept {
		t.Fatalf("the second time: kept %v, %v", again.Kept, err)
	}
	if err := os.WriteFile(path, []byte("other\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if again, err := Build(t.Context(), p); err != nil || again.Kept {
		t.Errorf("with another note: kept %v, %v", again.Kept, err)
	}
}
