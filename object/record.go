package object

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/vauban-cloud/vauban/object/blob"
)

// record is the row of a version.
type record struct {
	Info
	md5      []byte
	null     bool     // its version is NullVersion
	tail     [12]byte // the random part of its version
	sealed   []byte   // the data key; nil of markers
	id       uint64   // the blob's number under the data key
	ref      blob.Ref // of an object in one piece
	manifest uint64   // of an object in parts: where its parts are listed
	runs     []run
	row      int   // bytes of the row that it was read from
	notes    Notes // to leave when it is placed; not kept
}

// run is a sequence of parts of the same size.
type run struct {
	first, count int
	size         int64
}

const recordFormat = 1

// encode returns the row. The key and what is the row's place are not in it.
func (r *record) encode() []byte {
	e := make(encoder, 0, 256)
	e = append(e, recordFormat)
	e.uint(r.Generation)
	e.flags(r.null, r.Marker, r.Customer)
	e = append(e, r.tail[:]...)
	e.int(r.Size)
	e.bytes(r.md5)
	e.uint(uint64(r.Parts))
	e.time(r.Modified)
	e.time(r.Superseded)
	e.text(r.Class)
	e.text(r.Owner)
	e.sum(r.Checksum)
	// Listings read no further.
	e.bytes(r.sealed)
	e.uint(r.id)
	e.ref(r.ref)
	e.uint(r.manifest)
	e.uint(uint64(len(r.runs)))
	for _, n := range r.runs {
		e.uint(uint64(n.first))
		e.uint(uint64(n.count))
		e.int(n.size)
	}
	e.attributes(&r.Attributes)
	return e
}

// decodeInfo reads what listings tell. r may be that of the row before. Its MD5 is the
// row's.
func (r *record) decodeInfo(row []byte) (decoder, error) {
	if len(row) == 0 || row[0] != recordFormat {
		return decoder{}, errRow
	}
	d := decoder{b: row[1:]}
	r.Generation = d.uint()
	flags := d.uint()
	r.null, r.Marker, r.Customer = flags&1 != 0, flags&2 != 0, flags&4 != 0
	if len(d.b) < len(r.tail) {
		return d, errRow
	}
	d.b = d.b[copy(r.tail[:], d.b):]
	r.Size = d.int()
	r.md5 = d.bytes()
	r.Parts = int(d.uint())
	r.Modified = d.time()
	r.Superseded = d.time()
	r.Class = d.again(r.Class)
	r.Owner = d.again(r.Owner)
	r.Checksum = d.sum(r.Checksum.Type)
	if d.err != nil {
		return d, d.err
	}
	r.Version, r.ETag = r.version(), ""
	if !r.Marker {
		r.ETag = etagText(r.md5, r.Parts)
	}
	return d, nil
}

// decode reads all of a row.
func (r *record) decode(row []byte) error {
	d, err := r.decodeInfo(row)
	if err != nil {
		return err
	}
	sealed := d.bytes()
	own := slices.Concat(r.md5, sealed)
	r.md5, r.sealed = own[:len(r.md5):len(r.md5)], own[len(r.md5):]
	r.id = d.uint()
	r.ref = d.ref()
	r.manifest = d.uint()
	n := d.uint()
	if n > uint64(len(d.b)) {
		return errRow
	}
	for range n {
		r.runs = append(r.runs, run{int(d.uint()), int(d.uint()), d.int()})
	}
	d.attributes(&r.Attributes)
	return d.done()
}

// A version is 20 bytes in 32 characters: the generation, which says where it is,
// and random ones, so that it cannot be guessed.
var versionText = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

func (r *record) version() string {
	if r.null {
		return NullVersion
	}
	return ticket(r.Generation, r.tail)
}

// ticket is the text of a version, or of an upload.
func ticket(generation uint64, tail [12]byte) string {
	var b [20]byte
	binary.BigEndian.PutUint64(b[:], generation)
	copy(b[8:], tail[:])
	return versionText.EncodeToString(b[:])
}

var errTicket = errors.New("not one of ours")

// parseTicket undoes ticket.
func parseTicket(s string) (generation uint64, tail [12]byte, err error) {
	b, err := versionText.DecodeString(s)
	if err != nil || len(b) != 20 || versionText.EncodeToString(b) != s {
		return 0, tail, errTicket
	}
	copy(tail[:], b[8:])
	return binary.BigEndian.Uint64(b), tail, nil
}

// ValidVersion reports whether a version could have come from this store.
func ValidVersion(s string) bool {
	_, _, err := parseTicket(s)
	return err == nil || s == NullVersion
}

func newTail() (tail [12]byte) {
	rand.Read(tail[:])
	return tail
}
