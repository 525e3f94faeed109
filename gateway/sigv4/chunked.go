package sigv4

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	minChunk = 8192 // bytes; S3's, for all chunks but the last
	maxLine  = 8192 // bytes of a chunk's head or of a trailing header
)

// chunkReader decodes a body of the form
//
//	size[;chunk-signature=…]CRLF data CRLF … 0[;chunk-signature=…]CRLF [name:value CRLF …] CRLF
//
// and verifies the signatures, each of which covers the one before:
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
type chunkReader struct {
	src     *bufio.Reader
	proof   *chunkProof // nil: unsigned
	expect  []string    // trailing headers to come; nil: no trailing part
	trailer http.Header
	left    int64 // bytes of the chunk
	todo    int64 // bytes of the body, those of the chunk included
	open    bool  // a chunk's data and signature are under way
	small   bool  // a chunk below minChunk was seen: only the last may be
	err     error // the last word
}

// newChunkReader reads a body that decodes to length bytes.
func newChunkReader(src io.Reader, length int64, expect []string) *chunkReader {
	return &chunkReader{src: bufio.NewReaderSize(src, maxLine), todo: length, expect: expect, trailer: make(http.Header)}
}

// Read returns io.EOF only when all signatures, the promised length and the
// end of the source were found right.
func (r *chunkReader) Read(p []byte) (int, error) {
	for r.err == nil && r.left == 0 {
		r.err = r.next()
	}
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.src.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	r.todo -= int64(n)
	if r.proof != nil {
		r.proof.hash.Write(p[:n])
	}
	if err != nil {
		r.err = ended(err)
	}
	return n, r.err
}

// next ends the chunk that was read, if any, and begins another. After the
// last it returns io.EOF.
func (r *chunkReader) next() error {
	if r.open {
		if err := r.endChunk(); err != nil {
			return err
		}
	}
	head, err := r.line()
	if err != nil {
		return err
	}
	size, signature, err := r.parseHead(head)
	switch {
	case err != nil:
		return err
	case size > r.todo:
		return incompleteBody()
	case size > 0 && r.small:
		return badPayload("InvalidChunkSizeError", "Only the last chunk is allowed to have a size less than 8192 bytes", http.StatusForbidden)
	}
	r.left, r.open, r.small = size, true, size < minChunk
	if r.proof != nil {
		r.proof.claimed = signature
	}
	if size > 0 {
		return nil
	}
	return r.end()
}

func (r *chunkReader) parseHead(head string) (size int64, signature string, err error) {
	digits, extension, extended := strings.Cut(head, ";")
	size, err = strconv.ParseInt(digits, 16, 64)
	if err != nil || size < 0 || strings.HasPrefix(digits, "+") {
		return 0, "", incompleteBody()
	}
	signature, signed := strings.CutPrefix(extension, "chunk-signature=")
	if signed != (r.proof != nil) || extended != signed {
		return 0, "", incompleteBody()
	}
	return size, signature, nil
}

// endChunk tests the signature of the chunk whose data was read, and skips the
// line end after it.
func (r *chunkReader) endChunk() error {
	if r.proof != nil {
		if err := r.proof.endChunk(); err != nil {
			return err
		}
	}
	r.open = false
	line, err := r.line()
	if err == nil && line != "" {
		return incompleteBody()
	}
	return err
}

// end reads what follows the head of the last chunk.
func (r *chunkReader) end() error {
	if r.proof != nil {
		if err := r.proof.endChunk(); err != nil {
			return err
		}
	}
	r.open = false
	if err := r.readTrailer(); err != nil {
		return err
	}
	switch _, err := r.src.ReadByte(); {
	case err == nil || r.todo > 0:
		return incompleteBody()
	case err != io.EOF:
		return ended(err)
	}
	return io.EOF
}

// readTrailer reads headers up to the empty line that ends the body.
func (r *chunkReader) readTrailer() error {
	var signed bytes.Buffer // the canonical form of the trailing headers
	var signature string
	for {
		line, err := r.trailerLine()
		if err != nil {
			return err
		}
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		switch {
		case !ok || signature != "":
			return malformedTrailer()
		case r.proof != nil && name == "x-amz-trailer-signature":
			signature = value
		case !slices.Contains(r.expect, name) || r.trailer.Get(name) != "":
			return malformedTrailer()
		default:
			r.trailer.Set(name, value)
			signed.WriteString(name + ":" + value + "\n")
		}
	}
	if len(r.trailer) != len(r.expect) {
		return malformedTrailer()
	}
	if r.proof != nil && r.expect != nil {
		return r.proof.checkTrailer(signed.Bytes(), signature)
	}
	return nil
}

// line reads up to a line end, without it.
func (r *chunkReader) line() (string, error) {
	line, err := r.rawLine()
	if err != nil {
		return "", err
	}
	text, ok := strings.CutSuffix(line, "\r\n")
	if !ok {
		return "", incompleteBody()
	}
	return text, nil
}

// trailerLine is line for a trailing header, which some clients send in its canonical
// form, with a line feed of its own before the line end, as AWS documents it:
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
func (r *chunkReader) trailerLine() (string, error) {
	line, err := r.rawLine()
	if err != nil {
		return "", err
	}
	if text, ok := strings.CutSuffix(line, "\r\n"); ok {
		return text, nil
	}
	if next, err := r.src.Peek(2); err == nil && string(next) == "\r\n" {
		r.src.Discard(2) //nolint:errcheck // it is there
	}
	text := strings.TrimSuffix(line, "\n")
	if text == "" {
		return "", malformedTrailer()
	}
	return text, nil
}

// rawLine reads up to a line feed, with it.
func (r *chunkReader) rawLine() (string, error) {
	line, err := r.src.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", incompleteBody()
	case err != nil:
		return "", ended(err)
	}
	return string(line), nil
}

// ended is the error for a source that ended or broke too early.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return incompleteBody()
	}
	return err
}

// chunkProof carries the chain of signatures through a body.
type chunkProof struct {
	claim    *Claim
	key      []byte
	previous string    // the signature before: at first the request's
	claimed  string    // of the chunk under way
	hash     hash.Hash // SHA-256 of its data
}

func (p *chunkProof) endChunk() error {
	sum := hex.EncodeToString(p.hash.Sum(nil))
	p.hash.Reset()
	return p.check("AWS4-HMAC-SHA256-PAYLOAD", p.claimed, emptySHA256, sum)
}

func (p *chunkProof) checkTrailer(canonical []byte, claimed string) error {
	sum := sha256.Sum256(canonical)
	return p.check("AWS4-HMAC-SHA256-TRAILER", claimed, hex.EncodeToString(sum[:]))
}

func (p *chunkProof) check(algorithm, claimed string, hashes ...string) error {
	want := sign(p.key, p.claim.appendToSign(nil, algorithm, append([]string{p.previous}, hashes...)...))
	if subtle.ConstantTimeCompare([]byte(want), []byte(claimed)) != 1 {
		return &Failure{Reason: Mismatch}
	}
	p.previous = want
	return nil
}

// emptySHA256 is the hash of nothing.
const emptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
