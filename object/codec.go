package object

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/object/blob"
	"github.com/vauban-cloud/vauban/object/checksum"
)

// errRow says that a row of the index cannot be read.
var errRow = errors.New("a row of the object index is damaged")

// writer and reader encode rows: integers as varints, texts led by their length.
type encoder []byte

func (e *encoder) uint(n uint64)    { *e = binary.AppendUvarint(*e, n) }
func (e *encoder) int(n int64)      { *e = binary.AppendVarint(*e, n) }
func (e *encoder) bytes(b []byte)   { e.uint(uint64(len(b))); *e = append(*e, b...) }
func (e *encoder) text(s string)    { e.uint(uint64(len(s))); *e = append(*e, s...) }
func (e *encoder) time(t time.Time) { e.int(millis(t)) }
func (e *encoder) ref(r blob.Ref) {
	e.uint(uint64(r.Kind))
	e.uint(r.Unit)
	e.int(r.Offset)
	e.int(r.Size)
}
func (e *encoder) flags(set ...bool) { e.uint(bits(set)) }
func (e *encoder) sum(s checksum.Sum) {
	e.text(string(s.Algorithm))
	e.text(string(s.Type))
	e.bytes(s.Value)
}

func (e *encoder) texts(m map[string]string) {
	e.uint(uint64(len(m)))
	for k, v := range m {
		e.text(k)
		e.text(v)
	}
}

func (e *encoder) attributes(a *Attributes) {
	e.texts(a.User)
	e.texts(a.System)
	e.texts(a.Tags)
	e.uint(uint64(a.Retention.Mode))
	e.time(a.Retention.Until)
	e.flags(a.Hold)
}

func bits(set []bool) (n uint64) {
	for k, b := range set {
		if b {
			n |= 1 << k
		}
	}
	return n
}

// millis of the zero time are 0.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// decoder reads what encoder wrote. After the first error all that it returns is
// zero.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail() {
	d.b, d.err = nil, errRow
}

func (d *decoder) uint() uint64 {
	n, k := binary.Uvarint(d.b)
	if k <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[k:]
	return n
}

func (d *decoder) int() int64 {
	n, k := binary.Varint(d.b)
	if k <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[k:]
	return n
}

// bytes are those of the row: clone what outlives it.
func (d *decoder) bytes() []byte {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail()
		return nil
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) text() string { return string(d.bytes()) }

// again is text, without a copy if it is what it was.
func (d *decoder) again(was string) string {
	if b := d.bytes(); string(b) != was {
		return string(b)
	}
	return was
}

func (d *decoder) time() time.Time {
	if n := d.int(); n != 0 {
		return time.UnixMilli(n).UTC()
	}
	return time.Time{}
}

func (d *decoder) ref() blob.Ref {
	return blob.Ref{Kind: blob.Kind(d.uint()), Unit: d.uint(), Offset: d.int(), Size: d.int()}
}

func (d *decoder) sum(was checksum.Type) checksum.Sum {
	return checksum.Sum{Algorithm: known(d.bytes()), Type: checksum.Type(d.again(string(was))), Value: slices.Clone(d.bytes())}
}

// known returns an algorithm's name without a copy.
func known(b []byte) checksum.Algorithm {
	for _, a := range checksum.Algorithms {
		if string(b) == string(a) {
			return a
		}
	}
	return checksum.Algorithm(b)
}

func (d *decoder) texts() map[string]string {
	n := d.uint()
	if n == 0 || n > uint64(len(d.b)) {
		if n != 0 {
			d.fail()
		}
		return nil
	}
	m := make(map[string]string, n)
	for range n {
		k := d.text()
		m[k] = d.text()
	}
	return m
}

func (d *decoder) attributes(a *Attributes) {
	a.User, a.System, a.Tags = d.texts(), d.texts(), d.texts()
	a.Retention = Retention{Mode(d.uint()), d.time()}
	a.Hold = d.uint() != 0
}

// done returns the first error, also if something is left.
func (d *decoder) done() error {
	if d.err == nil && len(d.b) > 0 {
		return errRow
	}
	return d.err
}

// etag is an MD5, and a number of parts or 0.
func etagText(sum []byte, parts int) string {
	if parts == 0 {
		return hex.EncodeToString(sum)
	}
	return hex.EncodeToString(sum) + "-" + strconv.Itoa(parts)
}

// etagSum is the MD5 of an ETag, or nil; quotes are not looked at.
func etagSum(etag string) []byte {
	text, _, _ := strings.Cut(strings.Trim(etag, `"`), "-")
	sum, err := hex.DecodeString(text)
	if err != nil {
		return nil
	}
	return sum
}
