package object

import "context"

// Copy puts what Get reads. prepare is told the source, may refuse it, and
// returns what to put; Size is filled in. The bytes are sealed anew, under the key of
// where they come to: a bucket whose key is dropped leaves nothing to read there, and
// takes nothing along. Source and target may be the same key.
func (s *Store) Copy(ctx context.Context, from GetInput, prepare func(source Info) (PutInput, error)) (put, source Info, err error) {
	r, source, err := s.Get(ctx, from)
	if err != nil {
		return Info{}, source, err
	}
	defer r.Close()
	in, err := prepare(source)
	if err != nil {
		return Info{}, source, err
	}
	in.Size = r.Length
	put, err = s.Put(ctx, in, r)
	return put, source, err
}

// CopyPart puts what Get reads as a part of an upload, as Copy does.
func (s *Store) CopyPart(ctx context.Context, from GetInput, prepare func(source Info) (PartInput, error)) (put Part, source Info, err error) {
	r, source, err := s.Get(ctx, from)
	if err != nil {
		return Part{}, source, err
	}
	defer r.Close()
	in, err := prepare(source)
	if err != nil {
		return Part{}, source, err
	}
	in.Size = r.Length
	put, err = s.PutPart(ctx, in, r)
	return put, source, err
}
