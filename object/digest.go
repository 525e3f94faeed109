package object

import (
	"bytes"
	"crypto/md5" //nolint:gosec // it is what ETags are
	"hash"

	"github.com/vauban-cloud/vauban/object/checksum"
	"github.com/vauban-cloud/vauban/object/lanes"
)

// Expected is what the caller says of a body. The zero Expected says nothing.
type Expected struct {
	MD5 []byte
	// Algorithm is of the checksum to keep with the object.
	Algorithm checksum.Algorithm
	// Checksum returns the checksum that the body must have, nil to accept any. It is
	// called once, after the body was read: a trailer may tell it.
	Checksum func() ([]byte, error)
}

// digest hashes a body once, while it is written.
type digest struct {
	md5  hash.Hash
	lane *lanes.Hash // the MD5 in place of md5, of a body that is shared
	sum  hash.Hash   // nil if none was asked for
	Expected
}

func newDigest(e Expected) (*digest, error) {
	if err := e.Algorithm.Check(e.Algorithm.Default()); err != nil {
		return nil, refuse(ErrInput, "%v", err)
	}
	return &digest{md5: md5.New(), sum: e.Algorithm.New(), Expected: e}, nil //nolint:gosec // as above
}

// share has the MD5 computed along with those of other bodies. Nothing was written yet; close
// it. What is written then must not change before await has returned.
func (d *digest) share(with *lanes.Pool) { d.lane = with.New() }

// await returns once the first n bytes of a shared body may change.
func (d *digest) await(n int64) { d.lane.Await(n) }

func (d *digest) close() {
	if d.lane != nil {
		d.lane.Close()
	}
}

func (d *digest) write(p []byte) {
	if d.lane != nil {
		d.lane.Add(p)
	} else {
		d.md5.Write(p)
	}
	if d.sum != nil {
		d.sum.Write(p)
	}
}

// check compares, and returns what was computed.
func (d *digest) check() (md5, sum []byte, err error) {
	if d.lane != nil {
		md5 = d.lane.Sum()
	} else {
		md5 = d.md5.Sum(nil)
	}
	if d.MD5 != nil && !bytes.Equal(d.MD5, md5) {
		return nil, nil, &DigestError{checksum.None, md5, d.MD5}
	}
	if d.sum == nil {
		return md5, nil, nil
	}
	sum = d.sum.Sum(nil)
	if d.Checksum == nil {
		return md5, sum, nil
	}
	want, err := d.Checksum()
	if err != nil {
		return nil, nil, err
	}
	if want != nil && !bytes.Equal(want, sum) {
		return nil, nil, &DigestError{d.Algorithm, sum, want}
	}
	return md5, sum, nil
}
