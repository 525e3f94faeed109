package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// The values of x-amz-content-sha256 that are not a hash:
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
const (
	streamSigned        = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	streamSignedTrailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	streamTrailer       = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	streamECDSA         = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD" // and -TRAILER
)

// Body is the decoded body of an S3 request. What Read returns is proven only
// when it has returned io.EOF: nothing may be made durable or visible before.
// Any other error is a *Failure, or the connection's own.
type Body struct {
	io.Reader
	// Length is the number of bytes to come, -1 if the client did not say.
	Length int64
	chunks *chunkReader
}

// Trailer returns the headers that came after a chunked body, such as its
// checksum, under canonical names. It is complete once Read has returned io.EOF.
func (b *Body) Trailer() http.Header {
	if b.chunks == nil {
		return nil
	}
	return b.chunks.trailer
}

// Announced returns the lower-case names of the trailing headers to come.
func (b *Body) Announced() []string {
	if b.chunks == nil {
		return nil
	}
	return b.chunks.expect
}

// Open tests the signature and the time of an S3 request, after Check, and
// returns its body, which is verified while it is read. A refusal is a *Failure.
func (v *Verifier) Open(r *http.Request, c *Claim, secret string) (*Body, error) {
	promised, err := c.promisedPayload(r)
	if err != nil {
		return nil, err
	}
	key, err := v.verify(r, c, secret, promised)
	if err != nil {
		return nil, err
	}
	if err := v.checkTimeS3(c); err != nil {
		return nil, err
	}
	switch promised {
	case unsigned:
		return &Body{Reader: r.Body, Length: r.ContentLength}, nil
	case streamSigned, streamSignedTrailer, streamTrailer:
		return openChunks(r, c, key, promised)
	default:
		return &Body{Reader: &hashReader{r.Body, sha256.New(), promised}, Length: r.ContentLength}, nil
	}
}

// OpenUnsigned returns the body of an S3 request that nobody signed, which may come
// in unsigned chunks, or with its hash. A refusal is a *Failure.
func OpenUnsigned(r *http.Request) (*Body, error) {
	values := r.Header["X-Amz-Content-Sha256"]
	if len(values) == 0 {
		values = []string{unsigned}
	}
	promised, err := checkPromise(values)
	switch {
	case err != nil:
		return nil, err
	case promised == streamSigned, promised == streamSignedTrailer:
		return nil, &Failure{Reason: Unsigned} // nothing could verify the chunks
	case promised == streamTrailer:
		return openChunks(r, nil, nil, promised)
	case promised == unsigned:
		return &Body{Reader: r.Body, Length: r.ContentLength}, nil
	}
	return &Body{Reader: &hashReader{r.Body, sha256.New(), promised}, Length: r.ContentLength}, nil
}

// promisedPayload returns what the client signed in place of the body. A
// presigned request may leave it out, which leaves the body unsigned.
func (c *Claim) promisedPayload(r *http.Request) (string, error) {
	values := r.Header["X-Amz-Content-Sha256"]
	if len(values) == 0 && c.Presigned {
		pairs, err := parseQuery(r.URL.RawQuery)
		if err != nil {
			return "", err
		}
		for _, p := range pairs {
			if strings.EqualFold(p.name, "X-Amz-Content-Sha256") {
				values = append(values, p.value)
			}
		}
		if len(values) == 0 {
			return unsigned, nil
		}
	}
	if len(values) == 0 {
		return "", &Failure{
			Reason: Incomplete,
			S3:     Answer{"InvalidRequest", "Missing required header for this request: x-amz-content-sha256", http.StatusBadRequest},
		}
	}
	return checkPromise(values)
}

// checkPromise returns the one value of x-amz-content-sha256.
func checkPromise(values []string) (string, error) {
	switch promised := values[0]; {
	case len(values) > 1:
	case promised == unsigned, promised == streamSigned, promised == streamSignedTrailer, promised == streamTrailer, isSHA256(promised):
		return promised, nil
	case strings.HasPrefix(promised, streamECDSA):
		return "", badPayload("NotImplemented", "A header you provided implies functionality that is not implemented", http.StatusNotImplemented)
	}
	f := badPayload("InvalidArgument", "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, "+streamTrailer+", "+streamSigned+", "+
		streamSignedTrailer+", "+streamECDSA+", "+streamECDSA+"-TRAILER or a valid sha256 value.", http.StatusBadRequest)
	f.Detail = [][2]string{{"ArgumentName", "x-amz-content-sha256"}, {"ArgumentValue", values[0]}}
	return "", f
}

func isSHA256(s string) bool {
	return len(s) == 2*sha256.Size && strings.Trim(s, "0123456789abcdef") == ""
}

// openChunks prepares to read an aws-chunked body, whose decoded length the
// client must tell.
func openChunks(r *http.Request, c *Claim, key []byte, promised string) (*Body, error) {
	length, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
	if err != nil || length < 0 {
		return nil, badPayload("MissingContentLength", "You must provide the Content-Length HTTP header.", http.StatusLengthRequired)
	}
	expect, err := expectedTrailers(r, promised)
	if err != nil {
		return nil, err
	}
	chunks := newChunkReader(r.Body, length, expect)
	if promised != streamTrailer {
		chunks.proof = &chunkProof{claim: c, key: key, previous: c.Signature, hash: sha256.New()}
	}
	return &Body{Reader: chunks, Length: length, chunks: chunks}, nil
}

// expectedTrailers returns the lower-case names in x-amz-trailer; nil means
// that no trailing part follows.
func expectedTrailers(r *http.Request, promised string) ([]string, error) {
	names := []string{}
	for _, value := range r.Header["X-Amz-Trailer"] {
		for name := range strings.SplitSeq(value, ",") {
			names = append(names, strings.ToLower(strings.TrimSpace(name)))
		}
	}
	switch {
	case promised == streamSigned && len(names) > 0:
		return nil, malformedTrailer()
	case promised == streamSigned:
		return nil, nil
	}
	return names, nil
}

// hashReader compares what it has read with the promised SHA-256.
type hashReader struct {
	src      io.Reader
	hash     hash.Hash
	promised string
}

func (h *hashReader) Read(p []byte) (int, error) {
	n, err := h.src.Read(p)
	h.hash.Write(p[:n])
	switch {
	case err == io.EOF:
		if sum := hex.EncodeToString(h.hash.Sum(nil)); sum != h.promised {
			return n, &Failure{Reason: BadPayload, Detail: [][2]string{{"ClientComputedContentSHA256", h.promised}, {"S3ComputedContentSHA256", sum}}}
		}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return n, incompleteBody()
	}
	return n, err
}

func badPayload(code, message string, status int) *Failure {
	return &Failure{Reason: BadPayload, S3: Answer{code, message, status}}
}

func incompleteBody() *Failure {
	return badPayload("IncompleteBody", "The request body terminated unexpectedly", http.StatusBadRequest)
}

func malformedTrailer() *Failure {
	return badPayload("MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema.", http.StatusBadRequest)
}
