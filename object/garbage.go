package object

import (
	"encoding/binary"

	"github.com/vauban-cloud/vauban/object/blob"
	"github.com/vauban-cloud/vauban/object/index"
)

// garbage is what is to be removed from the disk: a file, or the files of all parts
// of a manifest.
type garbage struct {
	file, manifest uint64
}

func (g garbage) encode() []byte {
	var e encoder
	e.uint(g.file)
	e.uint(g.manifest)
	return e
}

func (s *Store) discardManifest(b index.Batch, manifest uint64) {
	b.Set(numberRow(tableGarbage, s.numbers.take()), garbage{manifest: manifest}.encode())
}

// rowNumber is the number that a row ends with.
func rowNumber(row []byte) uint64 { return binary.BigEndian.Uint64(row[len(row)-8:]) }

// forget removes a file to which nothing refers. Packed blobs are never counted
// before something does.
func (s *Store) forget(r blob.Ref) error {
	if r.Kind != blob.Alone || s.ready() != nil { // a failed index may refer to it
		return nil
	}
	return s.removeAlone(r.Unit)
}

// removeAlone removes a file, and what is kept of it in memory.
func (s *Store) removeAlone(unit uint64) error {
	s.hot.Drop(unit)
	return s.bytes.Remove(blob.Alone, unit)
}
