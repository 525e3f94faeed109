package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/gateway/wire"
)

// Form puts the file of a browser's form into a bucket, as the fields say and as far as
// their policy lets them. at is the bucket's own address.
// https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
func (w *Web) Form(ctx context.Context, out http.ResponseWriter, at, bucket string, fields map[string]string, file io.Reader) error {
	if fields["key"] == "" {
		return invalid("Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.")
	}
	for name, value := range fields {
		if name != "filename" && name != "policy" {
			fields[name] = strings.ReplaceAll(value, "${filename}", fields["filename"])
		}
	}
	if _, err := find(w.s.DB.View(), &bucket); err != nil {
		return err
	}
	body := &formBody{r: file, most: maxPut}
	if document, ok := fields["policy"]; ok {
		p, err := parsePostPolicy(document)
		if err != nil {
			return err
		}
		if err := p.check(w.s.Now(), bucket, fields); err != nil {
			return err
		}
		body.least, body.most = p.least, min(p.most, maxPut)
	}
	op := api.API().Operation("PutObject")
	r := &http.Request{Method: op.Method, URL: &url.URL{Path: "/" + bucket + "/" + fields["key"]}, Header: http.Header{}}
	if err := formHeaders(r.Header, fields); err != nil {
		return err
	}
	in, err := wire.Decode(wire.RESTXML, op, r, []byte{})
	if err != nil {
		return err
	}
	put := in.(*api.PutObjectRequest) //nolint:forcetypeassert // the operation's own input
	put.Body = body
	info, err := w.s.PutObject(ctx, put)
	if err != nil {
		return err
	}
	answerForm(out, at, bucket, fields, info, cloud.CallerFrom(ctx).RequestID)
	return nil
}

// formHeaders are the headers of PutObject that the fields stand for.
func formHeaders(h http.Header, fields map[string]string) error {
	for name, value := range fields {
		switch name {
		case "acl":
			h.Set("x-amz-acl", value)
		case "tagging":
			tags, err := formTags(value)
			if err != nil {
				return err
			}
			h.Set("x-amz-tagging", tags)
		case "cache-control", "content-type", "content-disposition", "content-encoding", "content-language", "expires", "content-md5":
			h.Set(name, value)
		case "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature", "x-amz-security-token":
		default:
			switch {
			case strings.HasPrefix(name, "x-amz-meta-"):
				h.Set(name, header(value)) // a field is text
			case strings.HasPrefix(name, "x-amz-"):
				h.Set(name, value)
			}
		}
	}
	return nil
}

// formTags is the document of the field tagging, as the header has tags.
func formTags(document string) (string, error) {
	var t struct {
		TagSet struct {
			Tag []struct{ Key, Value string }
		}
	}
	if err := xml.Unmarshal([]byte(document), &t); err != nil {
		return "", malformedXML()
	}
	values := url.Values{}
	for _, tag := range t.TagSet.Tag {
		values.Add(tag.Key, tag.Value)
	}
	return values.Encode(), nil
}

// answerForm answers as the fields want it, by default with nothing.
func answerForm(w http.ResponseWriter, at, bucket string, fields map[string]string, info *api.PutObjectOutput, id string) {
	h := w.Header()
	h.Set("x-amz-request-id", id)
	h.Set("ETag", val(info.ETag))
	if info.VersionId != nil {
		h.Set("x-amz-version-id", *info.VersionId)
	}
	for algorithm, sum := range sumsOf(info) {
		h.Set("x-amz-checksum-"+strings.ToLower(string(algorithm)), sum)
	}
	target := fields["success_action_redirect"]
	if target == "" {
		target = fields["redirect"]
	}
	if u, err := url.Parse(target); err == nil && u.Host != "" {
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += "bucket=" + url.QueryEscape(bucket) + "&key=" + url.QueryEscape(fields["key"]) + "&etag=" + url.QueryEscape(val(info.ETag))
		h.Set("Location", u.String())
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	location := at + "/" + encoded(fields["key"])
	h.Set("Location", location)
	switch fields["success_action_status"] {
	case "200":
		w.WriteHeader(http.StatusOK)
	case "201":
		answer, err := xml.Marshal(postResponse{Location: location, Bucket: bucket, Key: fields["key"], ETag: val(info.ETag)})
		if err != nil {
			answer = nil // it has only texts
		}
		h.Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusCreated)
		w.Write(append([]byte(xml.Header), answer...)) //nolint:errcheck // the client has gone
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

// postResponse is the document of a form's answer.
type postResponse struct {
	XMLName                     xml.Name `xml:"PostResponse"`
	Location, Bucket, Key, ETag string
}

// formBody is the file of a form, whose length nobody knows before it ends.
type formBody struct {
	none
	r           io.Reader
	read        int64
	least, most int64
}

// Read fails in place of the end of a file that is too short, and as soon as one is too
// long.
func (f *formBody) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	f.read += int64(n)
	switch {
	case f.read > f.most:
		return n, failure(http.StatusBadRequest, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
	case errors.Is(err, io.EOF) && f.read < f.least:
		return n, failure(http.StatusBadRequest, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
	}
	return n, err
}

// Length is unknown.
func (f *formBody) Length() int64 { return -1 }
