package gateway

import (
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/gateway/sigv4"
	"github.com/vauban-cloud/vauban/gateway/wire"
)

// maxFields is how many bytes the fields before the file may have, and maxPreface how
// many with what is around them.
const (
	maxFields  = 20 << 10
	maxPreface = 64 << 10
)

// serveForm hands the file of a form to the service as it comes, after its fields, and
// for the caller whose signature they carry. Fields behind the file are ignored. at is
// the bucket's own address.
func (q *request) serveForm(at, bucket string) error {
	if q.r.ContentLength < 0 {
		return &wire.Error{Code: "MissingContentLength", Message: "You must provide the Content-Length HTTP header.", Status: http.StatusLengthRequired}
	}
	stream := &Stream{body: &sigv4.Body{Reader: q.r.Body, Length: q.r.ContentLength}, q: q, begin: time.Now()}
	preface := &preface{Reader: stream, left: maxPreface}
	q.r.Body = preface
	parts, err := q.r.MultipartReader()
	if err != nil {
		return malformedForm()
	}
	fields, file, err := readFields(parts)
	if err != nil {
		return err
	}
	preface.left = -1
	if err := q.authenticateForm(fields); err != nil {
		return err
	}
	if err := q.limit(); err != nil {
		return err
	}
	return q.endpoint.web.Form(q.context(), q.w, at, bucket, fields, &formFile{file})
}

// authenticateForm proves whose policy a form has. One without a policy is nobody's.
func (q *request) authenticateForm(fields map[string]string) error {
	if _, ok := fields["policy"]; !ok {
		return nil
	}
	claim, err := sigv4.ParseForm(fields)
	q.key = claim.AccessKey
	if err != nil {
		return err
	}
	found, err := q.lookup(claim)
	if err != nil {
		return err
	}
	if err := q.verifier.VerifyForm(claim, q.endpoint.scope, found.Secret, fields["policy"]); err != nil {
		return err
	}
	q.caller = q.describe(found.Caller)
	q.caller.AccessKey, q.caller.Region, q.anonymous = claim.AccessKey, claim.Region, false
	if found.Suspended {
		return suspended
	}
	return nil
}

// readFields reads up to the file. The name that the file has on the sender's side is
// the field "filename", which no field of the form can be.
func readFields(parts *multipart.Reader) (map[string]string, *multipart.Part, error) {
	fields, size := map[string]string{}, 0
	for {
		part, err := parts.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			return nil, nil, &wire.Error{Code: "InvalidArgument", Message: "POST requires exactly one file upload per request.", Status: http.StatusBadRequest}
		case err != nil:
			return nil, nil, formFailure(err)
		}
		name := strings.ToLower(part.FormName())
		if name == "file" {
			fields["filename"] = part.FileName()
			return fields, part, nil
		}
		if name == "" {
			return nil, nil, malformedForm()
		}
		value, err := io.ReadAll(io.LimitReader(part, maxFields+1))
		if err != nil {
			return nil, nil, formFailure(err)
		}
		if size += len(name) + len(value); size > maxFields {
			return nil, nil, longPreface()
		}
		if name != "filename" {
			fields[name] = string(value)
		}
	}
}

// preface is a body that may have only so many bytes before the file; left is -1 from
// there on.
type preface struct {
	io.Reader
	left int
}

var errPreface = errors.New("the fields of the form are too long")

func (p *preface) Read(b []byte) (int, error) {
	if p.left < 0 {
		return p.Reader.Read(b)
	}
	if p.left == 0 {
		return 0, errPreface
	}
	n, err := p.Reader.Read(b[:min(len(b), p.left)])
	p.left -= n
	return n, err
}

// Close does nothing: the server closes the body.
func (p *preface) Close() error { return nil }

// formFile is the file of a form.
type formFile struct{ part *multipart.Part }

// Read returns io.EOF only where the form says that the file ends.
func (f *formFile) Read(b []byte) (int, error) {
	n, err := f.part.Read(b)
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	return n, formFailure(err)
}

// formFailure is what is wrong with a form that cannot be read on.
func formFailure(err error) error {
	var known trouble
	switch {
	case errors.Is(err, errPreface), errors.Is(err, multipart.ErrMessageTooLarge):
		return longPreface()
	case errors.As(err, &known):
		return known
	}
	return malformedForm()
}

func longPreface() error {
	return &wire.Error{Code: "MaxPostPreDataLengthExceeded", Message: "Your POST request fields preceding the upload file were too large.", Status: http.StatusBadRequest}
}

func malformedForm() error {
	return &wire.Error{Code: "MalformedPOSTRequest", Message: "The body of your POST request is not well-formed multipart/form-data.", Status: http.StatusBadRequest}
}
