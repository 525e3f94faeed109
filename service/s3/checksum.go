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

// given is what a request says of its checksums.
type given struct {
	sums
	algorithm *string // x-amz-sdk-checksum-algorithm
	md5       *string
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

func decodeSum(a checksum.Algorithm, text string) ([]byte, error) {
	value, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(value) != a.Size() {
		return nil, invalidRequest("Value for %s header is invalid.", sumHeader(a))
	}
	return value, nil
}

// decodeTrailer is the checksum that came after the body.
func decodeTrailer(a checksum.Algorithm, trailer http.Header) ([]byte, error) {
	value, err := decodeSum(a, trailer.Get(sumHeader(a)))
	if err != nil {
		return nil, invalidRequest("Value for %s trailing header is invalid.", sumHeader(a))
	}
	return value, nil
}

func sumHeader(a checksum.Algorithm) string { return "x-amz-checksum-" + strings.ToLower(string(a)) }

// algorithmOf is the algorithm of a name, None for an absent one.
func algorithmOf(name *string) (checksum.Algorithm, error) {
	a := checksum.Algorithm(strings.ToUpper(val(name)))
	if a.Size() < 0 {
		return "", invalidRequest("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [%s]", algorithmNames())
	}
	return a, nil
}

// algorithmNames are all algorithms, for people.
func algorithmNames() string {
	var names []string
	for _, a := range checksum.Algorithms {
		names = append(names, string(a))
	}
	return strings.Join(names, ", ")
}

// expected is what the body must be like. The algorithm is None if the request
// names none.
func (g *given) expected(body stream) (object.Expected, error) {
	var e object.Expected
	var err error
	if e.MD5, err = decodeMD5(g.md5); err != nil {
		return e, err
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
		return e, invalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
	case algorithm != checksum.None:
		e.Checksum = func() ([]byte, error) { return value, nil }
	case trailing != checksum.None:
		algorithm = trailing
		e.Checksum = func() ([]byte, error) { return decodeTrailer(trailing, body.Trailer()) }
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
		e := cloud.Errorf("InvalidDigest", "The Content-MD5 you specified was invalid.")
		e.Detail = [][2]string{{"Content-MD5", *text}}
		return nil, e
	}
	return sum, nil
}

// sumText is how a checksum is written; that of checksums tells of how many.
func sumText(sum checksum.Sum, parts int) string {
	text := base64.StdEncoding.EncodeToString(sum.Value)
	if sum.Type == checksum.Composite && parts > 0 {
		text += "-" + itoa(parts)
	}
	return text
}
