package s3

import (
	"crypto/md5" //nolint:gosec // it is what Content-MD5 is
	"encoding/base64"
	"io"
	"net/http"
	"strings"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/object/checksum"
)

// defaultChecksum is what S3 computes for those who name none.
const defaultChecksum = checksum.CRC64NVME

// sums are the checksums of a request or of an answer, in base64; one at most is
// set.
type sums struct{ CRC32, CRC32C, CRC64NVME, SHA1, SHA256 *string }

// given is what a request says of its checksums.
type given struct {
	sums
	algorithm *string // x-amz-sdk-checksum-algorithm
	md5       *string
	others    []*string // headers of algorithms that the service has not
}

// stream is a body that comes bit by bit; the gateway's.
type stream interface {
	io.Reader
	Length() int64
	Trailer() http.Header
	Announced() []string
}

// none is the body of a request without one.
type none struct{}

func (none) Read([]byte) (int, error) { return 0, io.EOF }
func (none) Length() int64            { return 0 }
func (none) Trailer() http.Header     { return nil }
func (none) Announced() []string      { return nil }

// streamOf is the body of a request. What does not come from the gateway has no
// trailer, and a length if it says so as a bytes.Reader does.
func streamOf(r io.Reader) stream {
	switch r := r.(type) {
	case nil:
		return none{}
	case stream:
		return r
	case interface{ Len() int }:
		return reader{r: r.(io.Reader), length: int64(r.Len())} //nolint:forcetypeassert // it is r
	default:
		return reader{r: r, length: -1}
	}
}

type reader struct {
	none
	r      io.Reader
	length int64
}

func (r reader) Read(p []byte) (int, error) { return r.r.Read(p) }
func (r reader) Length() int64              { return r.length }

// member is a checksum and its algorithm.
type member struct {
	algorithm checksum.Algorithm
	text      **string
}

// each lists the checksums.
func (s *sums) each() [5]member {
	return [...]member{
		{checksum.CRC32, &s.CRC32},
		{checksum.CRC32C, &s.CRC32C},
		{checksum.CRC64NVME, &s.CRC64NVME},
		{checksum.SHA1, &s.SHA1},
		{checksum.SHA256, &s.SHA256},
	}
}

// one returns the only checksum there is, None if there is none.
func (s *sums) one() (checksum.Algorithm, []byte, error) {
	found, value := checksum.None, []byte(nil)
	for _, m := range s.each() {
		if *m.text == nil {
			continue
		}
		if found != checksum.None {
			return "", nil, invalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		var err error
		if value, err = decodeSum(m.algorithm, **m.text); err != nil {
			return "", nil, err
		}
		found = m.algorithm
	}
	return found, value, nil
}

func decodeSum(a checksum.Algorithm, text string) ([]byte, error) {
	value, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(value) != a.Size() {
		return nil, invalidRequest("Value for %s header is invalid.", sumHeader(a))
	}
	return value, nil
}

func sumHeader(a checksum.Algorithm) string { return "x-amz-checksum-" + strings.ToLower(string(a)) }

// algorithmOf is the algorithm of a name, None for an absent one.
func algorithmOf(name *string) (checksum.Algorithm, error) {
	a := checksum.Algorithm(strings.ToUpper(val(name)))
	if a.Size() < 0 {
		return "", invalidRequest("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
	}
	return a, nil
}

// expected is what the body must be like. The algorithm is None if the request
// names none.
func (g *given) expected(body stream) (object.Expected, error) {
	var e object.Expected
	var err error
	if e.MD5, err = decodeMD5(g.md5); err != nil {
		return e, err
	}
	for _, header := range g.others {
		if header != nil {
			return e, notImplemented("use a checksum of CRC32, CRC32C, CRC64NVME, SHA1 or SHA256")
		}
	}
	named, err := algorithmOf(g.algorithm)
	if err != nil {
		return e, err
	}
	algorithm, value, err := g.one()
	if err != nil {
		return e, err
	}
	trailing, err := announced(body)
	switch {
	case err != nil:
		return e, err
	case algorithm != checksum.None && trailing != checksum.None:
		return e, invalidRequest("Expecting a single x-amz-checksum- header")
	case algorithm != checksum.None:
		e.Checksum = func() ([]byte, error) { return value, nil }
	case trailing != checksum.None:
		algorithm = trailing
		e.Checksum = func() ([]byte, error) { return decodeSum(trailing, body.Trailer().Get(sumHeader(trailing))) }
	case named != checksum.None:
		return e, invalidRequest("x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
	}
	if named != checksum.None && named != algorithm {
		return e, invalidRequest("Value for x-amz-sdk-checksum-algorithm header is invalid.")
	}
	e.Algorithm = algorithm
	return e, nil
}

// announced is the algorithm of the checksum in the trailer, None if there is none.
func announced(body stream) (checksum.Algorithm, error) {
	found := checksum.None
	for _, header := range body.Announced() {
		name, ok := strings.CutPrefix(header, "x-amz-checksum-")
		if !ok {
			continue
		}
		a, err := algorithmOf(&name)
		if err != nil || a == checksum.None || found != checksum.None {
			return "", invalidRequest("The value specified in the x-amz-trailer header is not supported")
		}
		found = a
	}
	return found, nil
}

func decodeMD5(text *string) ([]byte, error) {
	if text == nil {
		return nil, nil
	}
	sum, err := base64.StdEncoding.DecodeString(*text)
	if err != nil || len(sum) != md5.Size {
		return nil, cloud.Errorf("InvalidDigest", "The Content-MD5 you specified was invalid.")
	}
	return sum, nil
}

// shown are a checksum's members of an answer, and its type.
func shown(sum checksum.Sum, parts int) (s sums, kind *string) {
	for _, m := range s.each() {
		if m.algorithm == sum.Algorithm {
			*m.text = new(sumText(sum, parts))
			return s, new(string(sum.Type))
		}
	}
	return s, nil
}

// sumText is how a checksum is written; that of checksums tells of how many.
func sumText(sum checksum.Sum, parts int) string {
	text := base64.StdEncoding.EncodeToString(sum.Value)
	if sum.Type == checksum.Composite && parts > 0 {
		text += "-" + itoa(parts)
	}
	return text
}
