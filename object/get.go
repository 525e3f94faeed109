package object

import (
	"context"
	"fmt"

	"github.com/vauban-cloud/vauban/object/blob"
)

// GetInput names what to read.
type GetInput struct {
	Bucket, Key string
	Version     string // "": the current one
	Range       *Range // nil: all
	Part        int    // of an object in parts, from 1; 0: all. Of others, part 1 is all.
	CustomerKey []byte // which the object was put with
}

// Range is a range of bytes as in RFC 9110, 14.1.2.
type Range struct {
	First int64 // of the first byte; negative: so many before the end
	Last  int64 // of the last byte; -1, or behind the end: to the end
}

// resolve returns what there is of the range in an object of so many bytes.
func (r *Range) resolve(size int64) (first, length int64, err error) {
	if r == nil {
		return 0, size, nil
	}
	first, last := r.First, r.Last
	if first < 0 && size == 0 {
		return 0, 0, nil // the last bytes of nothing are nothing
	}
	if first < 0 {
		first, last = max(0, size+first), size-1
	}
	if last < 0 || last >= size {
		last = size - 1
	}
	if first >= size || last < first {
		return 0, 0, refuse(ErrRange, "it has %d bytes", size)
	}
	return first, last - first + 1, nil
}

// Head returns what is known of a version. With ErrMarker the Info is the marker's; with
// ErrRange, ErrNoPart, ErrCustomerKey and ErrWrongKey the object's.
func (s *Store) Head(ctx context.Context, in GetInput) (Info, error) {
	info, _, _, err := s.Span(ctx, in)
	return info, err
}

// Span returns what Head does, and which bytes Get would read: length bytes from first.
func (s *Store) Span(ctx context.Context, in GetInput) (info Info, first, length int64, err error) {
	r, err := s.lookup(in.Bucket, in.Key, in.Version)
	if err != nil {
		return infoOf(r), 0, 0, err
	}
	if first, length, err = s.span(r, in); err != nil {
		return r.Info, 0, 0, err
	}
	if r.Customer || in.CustomerKey != nil {
		if _, err := s.unwrap(ctx, in.Bucket, in.Key, r.id, r.sealed, r.Customer, in.CustomerKey); err != nil {
			return r.Info, 0, 0, err
		}
	}
	return r.Info, first, length, nil
}

func infoOf(r *record) Info {
	if r == nil {
		return Info{}
	}
	return r.Info
}

// lookup returns a version that has bytes. With ErrMarker it returns the marker.
func (s *Store) lookup(bucket, key, version string) (*record, error) {
	if _, err := s.bucket(bucket); err != nil {
		return nil, err
	}
	if err := checkKey(key); err != nil {
		return nil, err
	}
	lock := s.key(bucket, key)
	lock.RLock()
	defer lock.RUnlock()
	current, err := s.read(lock, bucket, key)
	if err != nil {
		return nil, err
	}
	r, err := s.find(bucket, key, version, current)
	switch {
	case err != nil:
		return nil, err
	case r == nil && version == "":
		return nil, ErrNoKey
	case r == nil:
		return nil, ErrNoVersion
	case r.Marker:
		return r, ErrMarker
	}
	return r, nil
}

// span is which bytes of a version are asked for.
func (s *Store) span(r *record, in GetInput) (first, length int64, err error) {
	if in.Part == 0 {
		return in.Range.resolve(r.Size)
	}
	if in.Range != nil {
		return 0, 0, refuse(ErrInput, "ask for a range or for a part")
	}
	if r.Parts == 0 && in.Part == 1 {
		return 0, r.Size, nil
	}
	at := int64(0)
	for _, run := range r.runs {
		if k := in.Part - run.first; k >= 0 && k < run.count {
			return at + int64(k)*run.size, run.size, nil
		}
		at += int64(run.count) * run.size
	}
	return 0, 0, refuse(ErrNoPart, "%d", in.Part)
}

// Get opens a version, as it is at one moment: later changes do not show. Close the
// Reader, in the end of its use: its bytes stay on the disk until then. Errors are
// those of Head, and an Info comes with the same.
func (s *Store) Get(ctx context.Context, in GetInput) (*Reader, Info, error) {
	// Nothing that the index names is removed while somebody is inside.
	inside := s.grace.enter()
	defer s.grace.leave(inside)
	r, err := s.lookup(in.Bucket, in.Key, in.Version)
	if err != nil {
		return nil, infoOf(r), err
	}
	first, length, err := s.span(r, in)
	if err != nil {
		return nil, r.Info, err
	}
	dataKey, err := s.unwrap(ctx, in.Bucket, in.Key, r.id, r.sealed, r.Customer, in.CustomerKey)
	if err != nil {
		return nil, r.Info, err
	}
	out := &Reader{Info: r.Info, First: first, Length: length, s: s, ctx: ctx, dataKey: dataKey, record: r, at: first, left: length}
	if r.manifest != 0 {
		s.pins.pin(r.manifest)
		out.pinned = true
		return out, r.Info, nil
	}
	if length == 0 {
		return out, r.Info, nil
	}
	if err := out.openPiece(piece{ref: r.ref, id: r.id, size: r.Size}); err != nil {
		return nil, r.Info, err
	}
	if r.ref.Kind == blob.Packed { // read now: a compaction moves it
		if err := out.load(); err != nil {
			out.Close()
			return nil, r.Info, err
		}
	}
	return out, r.Info, nil
}

// piece is a blob of an object, and where it begins in the object.
type piece struct {
	ref   blob.Ref
	id    uint64
	begin int64
	size  int64
}

// pieceAt finds the part of an object in parts that holds a byte.
func (s *Store) pieceAt(r *record, at int64) (piece, error) {
	begin, k := int64(0), 0
	for ; k < len(r.runs); k++ {
		length := int64(r.runs[k].count) * r.runs[k].size
		if at < begin+length {
			break
		}
		begin += length
	}
	if k == len(r.runs) {
		return piece{}, fmt.Errorf("byte %d of %d: %w", at, r.Size, errRow)
	}
	run := r.runs[k]
	n := (at - begin) / run.size
	row, err := s.part(r.manifest, run.first+int(n))
	if err != nil {
		return piece{}, err
	}
	if row == nil || row.Size != run.size {
		return piece{}, fmt.Errorf("part %d of %q: %w", run.first+int(n), r.Key, errRow)
	}
	return piece{row.ref, row.id, begin + n*run.size, run.size}, nil
}
