package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/gateway/wire"
)

// Site answers a request to the website of a bucket, in which everybody may read what
// the bucket lets everybody read:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteEndpoints.html
func (w *Web) Site(ctx context.Context, out http.ResponseWriter, r *http.Request, bucket string) error {
	b, err := find(w.s.DB.View(), &bucket)
	v := &visit{s: w.s, ctx: ctx, w: out, r: r, b: b, key: strings.TrimPrefix(r.URL.Path, "/")}
	switch {
	case err != nil:
		v.page(err, "BucketName", bucket)
	case b.Website == nil:
		v.page(failure(http.StatusNotFound, "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"), "BucketName", bucket)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		v.page(failure(http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource."), "Method", r.Method)
	case b.Website.Redirect != nil:
		v.redirectAll(b.Website.Redirect)
	default:
		return v.serve()
	}
	return nil
}

// visit is one request to a website.
type visit struct {
	s   *Service
	ctx context.Context //nolint:containedctx // it lives as long as the request
	w   http.ResponseWriter
	r   *http.Request
	b   cloud.Bucket
	key string // as in the path, without the slash before it
}

// serve answers with an object, a redirect, or what stands for an error.
func (v *visit) serve() error {
	if rule := v.rule(""); rule != nil {
		v.redirect(rule)
		return nil
	}
	key := v.key
	if key == "" || strings.HasSuffix(key, "/") {
		key += v.b.Website.Index
	}
	err := v.object(key, http.StatusOK, v.r.Header)
	refused, ok := errors.AsType[*cloud.Error](err)
	if err == nil || !ok || refused.Status < 300 {
		return err
	}
	if refused.Status == http.StatusNotModified {
		for name, value := range refused.Header {
			v.w.Header().Set(name, value)
		}
		v.w.WriteHeader(refused.Status)
		return nil
	}
	if key == v.key && refused.Status != http.StatusPreconditionFailed && v.isFolder() {
		v.moved("/"+encoded(v.key)+"/", http.StatusFound)
		return nil
	}
	if rule := v.rule(strconv.Itoa(refused.Status)); rule != nil {
		v.redirect(rule)
		return nil
	}
	if v.b.Website.Error == "" {
		v.page(refused, "Key", key)
		return nil
	}
	worse := v.object(v.b.Website.Error, refused.Status, nil)
	if second, ok := errors.AsType[*cloud.Error](worse); ok {
		v.page(refused, "Key", key, second)
		return nil
	}
	return worse
}

// object answers with an object, or with where it redirects to. An error of the cloud
// means that nothing was answered.
func (v *visit) object(key string, status int, header http.Header) error {
	name := "GetObject"
	if v.r.Method == http.MethodHead {
		name = "HeadObject"
	}
	op := *api.API().Operation(name)
	op.Status = status
	in, err := v.input(&op, key, header)
	if err != nil {
		return err
	}
	out, err := op.Bind(v.s)(v.ctx, in)
	if err != nil {
		return err
	}
	var to *string
	switch out := out.(type) {
	case *api.GetObjectOutput:
		if to = out.WebsiteRedirectLocation; to != nil {
			if c, ok := out.Body.(io.Closer); ok {
				c.Close() //nolint:errcheck // nothing was read
			}
		}
	case *api.HeadObjectOutput:
		to = out.WebsiteRedirectLocation
	}
	if to != nil {
		v.moved(*to, http.StatusMovedPermanently)
		return nil
	}
	return wire.Encode(v.w, api.API(), wire.RESTXML, &op, out, v.id())
}

// input is the request for an object, with the conditions and the range of the visit.
func (v *visit) input(op *wire.Operation, key string, header http.Header) (any, error) {
	r := &http.Request{Method: op.Method, URL: &url.URL{Path: "/" + v.b.Name + "/" + key}, Header: http.Header{}}
	for _, name := range []string{"Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		if value := header.Get(name); value != "" {
			r.Header.Set(name, value)
		}
	}
	return wire.Decode(wire.RESTXML, op, r, nil)
}

// isFolder reports whether the key stands for a folder with an index that may be read.
func (v *visit) isFolder() bool {
	_, err := v.s.HeadObject(v.ctx, &api.HeadObjectRequest{Bucket: &v.b.Name, Key: new(v.key + "/" + v.b.Website.Index)})
	return err == nil
}

// rule is the first rule for the key that is for a status, or for none if it is empty.
func (v *visit) rule(status string) *cloud.SiteRule {
	for i := range v.b.Website.Rules {
		r := &v.b.Website.Rules[i]
		if r.Status == status && (r.Prefix == nil || strings.HasPrefix(v.key, *r.Prefix)) {
			return r
		}
	}
	return nil
}

// redirect answers with where a rule redirects to.
func (v *visit) redirect(rule *cloud.SiteRule) {
	to, key := rule.Redirect, v.key
	switch {
	case to.Key != nil:
		key = *to.Key
	case to.Prefix != nil:
		key = *to.Prefix + strings.TrimPrefix(key, val(rule.Prefix))
	}
	status, err := strconv.Atoi(cmp.Or(to.Code, "301"))
	if err != nil {
		status = http.StatusMovedPermanently
	}
	v.moved(cmp.Or(to.Protocol, v.protocol())+"://"+cmp.Or(to.Host, v.r.Host)+"/"+encoded(key), status)
}

// redirectAll answers with the same path at another host.
func (v *visit) redirectAll(to *cloud.SiteRedirect) {
	target := cmp.Or(to.Protocol, v.protocol()) + "://" + to.Host + v.r.URL.EscapedPath()
	if v.r.URL.RawQuery != "" {
		target += "?" + v.r.URL.RawQuery
	}
	v.moved(target, http.StatusMovedPermanently)
}

func (v *visit) protocol() string {
	if v.r.TLS != nil {
		return "https"
	}
	return "http"
}

func (v *visit) id() string { return cloud.CallerFrom(v.ctx).RequestID }

func (v *visit) moved(to string, status int) {
	v.w.Header().Set("x-amz-request-id", v.id())
	v.w.Header().Set("Location", to)
	v.w.Header().Set("Content-Length", "0")
	v.w.WriteHeader(status)
}

// page answers with an error as a page, about something of a name; second is what went
// wrong with the page that the bucket has for errors.
func (v *visit) page(err error, name, value string, second ...*cloud.Error) {
	e, ok := errors.AsType[*cloud.Error](err)
	if !ok {
		e = &cloud.Error{Code: "InternalError", Message: "We encountered an internal error. Please try again.", Status: http.StatusInternalServerError}
	}
	title := fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
	var text strings.Builder
	fmt.Fprintf(&text, "<html>\n<head><title>%s</title></head>\n<body>\n<h1>%s</h1>\n<ul>\n", title, title)
	item := func(name, value string) { fmt.Fprintf(&text, "<li>%s: %s</li>\n", name, html.EscapeString(value)) }
	item("Code", e.Code)
	item("Message", e.Message)
	item(name, value)
	item("RequestId", v.id())
	text.WriteString("</ul>\n")
	for _, e := range second {
		text.WriteString("<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n<ul>\n")
		item("Code", e.Code)
		item("Message", e.Message)
		item("Key", v.b.Website.Error)
		text.WriteString("</ul>\n")
	}
	text.WriteString("<hr/>\n</body>\n</html>\n")
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(text.Len()))
	h.Set("x-amz-error-code", e.Code)
	h.Set("x-amz-error-message", e.Message)
	h.Set("x-amz-request-id", v.id())
	v.w.WriteHeader(e.Status)
	if v.r.Method != http.MethodHead {
		io.WriteString(v.w, text.String()) //nolint:errcheck // the client has gone
	}
}
