package dist

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"

	"bzmage/internal/fault"
	"bzmage/internal/patch"
	"bzmage/internal/release"
)

// patches writes the series with its status table, as text and as JSON.
func (p Params) patches(w *writer, uname string) error {
	names, err := patch.Names(p.SeriesFolder)
	if err != nil {
		return err
	}
	digest, err := patch.Digest(p.SeriesFolder)
	if err != nil {
		return err
	}
	if digest != p.Status.Digest {
		return fault.New(fault.Patch, "ask again: go tool mage series:status", "the status is that of another series than %s has", p.SeriesFolder)
	}
	status := p.Status
	status.Folder = "." // where it lay is nobody's business, and no input
	var table bytes.Buffer
	if err := status.Table(&table); err != nil {
		return err
	}
	text, err := json.MarshalIndent(status, "", "  ")
	if err != nil {
		return err
	}
	dir := "patches-" + uname
	list := []entry{
		{name: dir, dir: true},
		{name: dir + "/series", from: filepath.Join(p.SeriesFolder, "series")},
		{name: dir + "/status.txt", text: table.Bytes()},
		{name: dir + "/status.json", text: append(text, '\n')},
	}
	for _, name := range names {
		list = append(list, entry{name: dir + "/" + filepath.ToSlash(name), from: filepath.Join(p.SeriesFolder, name)})
		if strings.Contains(name, "/") {
			list = append(list, entry{name: dir + "/" + filepath.ToSlash(filepath.Dir(name)), dir: true})
		}
	}
	return w.add(dir+".tar.zst", release.Patches, "", archiveTo(unique(sorted(list)), p.Time))
}

// unique leaves out what is there twice, as folders are.
func unique(list []entry) []entry {
	var out []entry
	for _, e := range list {
		if len(out) == 0 || out[len(out)-1].name != e.name {
			out = append(out, e)
		}
	}
	return out
}
