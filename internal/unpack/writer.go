package unpack

import (
	"hash"
	"hash/fnv"
	"os"
	"path"
)

// queue returns the queue for a file: all files of a folder go to one worker.
func (s *sink) queue(e Entry) chan<- job {
	h := fnv.New32a()
	_, _ = h.Write([]byte(path.Dir(e.Path)))
	return s.jobs[h.Sum32()%workers]
}

// writer makes files. It stays in the folder of the last one, because an
// archive has a folder's files one after the other.
type writer struct {
	*sink
	hash hash.Hash
	here string   // the folder of dir, with a slash
	dir  *os.Root // nil: nowhere yet
}

// create makes a new file, in the tree and nowhere else.
func (w *writer) create(e Entry) (*os.File, error) {
	folder, name := path.Split(e.Path)
	if w.dir == nil || w.here != folder {
		w.leave()
		dir, err := w.root.OpenRoot("./" + folder)
		if err != nil {
			return nil, err
		}
		w.here, w.dir = folder, dir
	}
	return w.dir.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, e.Mode)
}

func (w *writer) leave() {
	if w.dir != nil {
		_ = w.dir.Close()
		w.dir = nil
	}
}
