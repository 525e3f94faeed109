package object

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The index and the folder hold the same random text, by which they know each other: to
// an index of other bytes, those of the folder would be what a crash has left, and be
// removed.
const identityFile = "identity"

// identify refuses a folder and an index that do not belong together. New ones, and those of
// earlier versions, begin to.
func (s *Store) identify() error {
	known, err := s.get([]byte{tableIdentity})
	if err != nil {
		return err
	}
	sequence, err := s.get([]byte{tableSequence})
	if err != nil {
		return err
	}
	name := s.FS.PathJoin(s.Dir, identityFile)
	found, err := readFile(s.FS, name)
	switch {
	case err != nil:
		return err
	case known != nil && string(known) == found:
		return nil
	case known != nil:
		return fmt.Errorf("%w: %s is not the folder that this index was made with", ErrForeign, s.Dir)
	case sequence == nil && s.holdsBytes():
		return fmt.Errorf("%w: this index is new, and %s holds objects", ErrForeign, s.Dir)
	case sequence == nil || found == "":
		found = rand.Text()
		if err := writeFile(s.FS, s.Dir, name, found); err != nil {
			return err
		}
	}
	b := s.db.Batch()
	defer b.Close()
	b.Set([]byte{tableIdentity}, []byte(found))
	return s.commit(b)
}

// holdsBytes reports whether there are blobs in the folder.
func (s *Store) holdsBytes() bool {
	_, err := s.FS.Stat(s.FS.PathJoin(s.Dir, blobsDir))
	return err == nil
}

// readFile returns "" if there is no such file.
func readFile(on vfs.FS, name string) (string, error) {
	f, err := on.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	b, err := io.ReadAll(f)
	return string(b), errors.Join(err, f.Close())
}

// writeFile puts a file on stable storage, as a whole.
func writeFile(on vfs.FS, dir, name, text string) error {
	f, err := on.Create(name+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(text))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := on.Rename(name+".new", name); err != nil {
		return err
	}
	d, err := on.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
