package object

import (
	"bytes"
	"encoding/binary"
)

// The first byte of a row of the index says what it is of:
//
//	k bucket                        a bucket
//	o bucket key                    the current version of an object, or its delete marker
//	n bucket key ^generation        versions that are not current, the newest first; never without an o
//	u bucket key                    the generation of the null version, if it is not current
//	m bucket key generation         an upload in parts
//	p manifest number               a part of an upload, or of the object that was made of it
//	b unit                          a file that is in use: others are left of crashes
//	g generation                    what is to be removed from the disk
//	s unit                          how many bytes of a segment are in use (added to)
//	q bucket                        what the bucket holds (added to)
//	e queue number                  a note that a change has left
//	l queue                         how many notes the queue holds (added to)
//	h time bucket                   a sample of what the bucket held
//	i                               the identity of the store
//	y                               numbers below this one may have been given out
//
// Numbers are 8 bytes, big-endian. Buckets are led by their length. Keys end with
// 0x00 0x01, and a 0x00 in them is followed by 0xff, so that they sort as plain bytes
// do whatever they contain.
const (
	tableBucket   = 'k'
	tableCurrent  = 'o'
	tableOld      = 'n'
	tableNull     = 'u'
	tableUpload   = 'm'
	tablePart     = 'p'
	tableFile     = 'b'
	tableGarbage  = 'g'
	tableSegment  = 's'
	tableUsage    = 'q'
	tableNote     = 'e'
	tableQueue    = 'l'
	tableSample   = 'h'
	tableIdentity = 'i'
	tableSequence = 'y'
)

// MaxKey is the longest key, in bytes.
const MaxKey = 1024

// maxBucket is the longest bucket ID, in bytes.
const maxBucket = 255

func bucketRow(table byte, bucket string) []byte {
	b := make([]byte, 0, 2+len(bucket)+48)
	return append(append(b, table, byte(len(bucket))), bucket...)
}

func numberRow(table byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{table}, n)
}

func partRow(manifest uint64, number int) []byte {
	return binary.BigEndian.AppendUint16(numberRow(tablePart, manifest), uint16(number))
}

// keyRow is the row of a key, and what rows of its versions and uploads begin with.
func keyRow(table byte, bucket, key string) []byte {
	return append(escape(bucketRow(table, bucket), key), 0, 1)
}

// oldRow is the row of a version that is not current.
func oldRow(bucket, key string, generation uint64) []byte {
	return binary.BigEndian.AppendUint64(keyRow(tableOld, bucket, key), ^generation)
}

func uploadRow(bucket, key string, generation uint64) []byte {
	return binary.BigEndian.AppendUint64(keyRow(tableUpload, bucket, key), generation)
}

// escape appends a key, or the beginning of one.
func escape(b []byte, key string) []byte {
	for k := range len(key) {
		b = append(b, key[k])
		if key[k] == 0 {
			b = append(b, 0xff)
		}
	}
	return b
}

// splitRow returns the key of a row and what follows it. skip is the length of
// what is before the key.
func splitRow(row []byte, skip int) (key string, rest []byte) {
	row = row[skip:]
	end := bytes.IndexByte(row, 0)
	if end >= 0 && row[end+1] == 1 { // no zero in the key: nearly all
		return string(row[:end]), row[end+2:]
	}
	b := make([]byte, 0, len(row))
	for k := 0; k+1 < len(row); k++ {
		if row[k] == 0 {
			if k++; row[k] == 1 {
				return string(b), row[k+1:]
			}
			b = append(b, 0)
			continue
		}
		b = append(b, row[k])
	}
	return string(b), nil
}

// after returns the first row behind all that begin with prefix.
func after(prefix []byte) []byte {
	b := bytes.Clone(prefix)
	for k := len(b) - 1; k >= 0; k-- {
		if b[k]++; b[k] != 0 {
			return b[:k+1]
		}
	}
	return nil
}
