package gateway

import (
	"cmp"
	"context"
	"io"
	"maps"
	"mime"
	"net/http"
	"strings"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/gateway/wire"
)

// Web is what S3 has beside its operations: the ways of browsers. Its methods take
// the caller from the context, which is nobody but where a form was signed. Errors
// are as those of operations, and are answered only if nothing was written yet.
type Web interface {
	// CrossOrigin returns the headers that let a script of another origin read the
	// answer to a request with a method and such headers of its own. It fails if no
	// rule of the bucket does:
	// https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html
	CrossOrigin(bucket, origin, method string, headers []string) (http.Header, error)
	// Site answers a request to a bucket's website:
	// https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteHosting.html
	Site(ctx context.Context, w http.ResponseWriter, r *http.Request, bucket string) error
	// Form puts the file of a form, whose fields are under their names in lower case,
	// into the bucket whose own address is at:
	// https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
	Form(ctx context.Context, w http.ResponseWriter, at, bucket string, fields map[string]string, file io.Reader) error
}

// serveWeb answers what is no operation, and reports whether it did; to what is one it
// adds the headers for scripts of other origins.
func (q *request) serveWeb() (done bool, err error) {
	objects := q.endpoints[s3]
	if objects == nil || objects.web == nil {
		return false, nil
	}
	if bucket, ok := q.site(q.r.Host); ok {
		r := q.r
		q.nobody(objects, bucket)
		if err := q.limit(); err != nil {
			return true, err
		}
		q.crossOrigin(bucket)
		return true, objects.web.Site(q.context(), q.w, r, bucket)
	}
	if q.r.Header.Get("Origin") == "" && q.r.Method != http.MethodOptions && !isForm(q.r) {
		return false, nil
	}
	e, host := q.find(q.r, "")
	bucket, rest := host, strings.TrimPrefix(q.r.URL.Path, "/")
	if bucket == "" {
		bucket, rest, _ = strings.Cut(rest, "/")
	}
	if e != objects || bucket == "" {
		return false, nil
	}
	switch {
	case q.r.Method == http.MethodOptions:
		q.nobody(objects, host)
		return true, q.preflight(bucket)
	case isForm(q.r) && rest == "":
		at := q.address()
		q.nobody(objects, host)
		q.crossOrigin(bucket)
		return true, q.serveForm(at, bucket)
	}
	q.endpoint = objects
	q.crossOrigin(bucket)
	return false, nil
}

// nobody makes the request one to S3 by the anonymous caller. bucket is the one that
// the host names, if any.
func (q *request) nobody(objects *endpoint, bucket string) {
	q.endpoint, q.protocol, q.anonymous = objects, wire.RESTXML, true
	q.caller = q.describe(cloud.Caller{Region: q.cfg.Region})
	if bucket != "" {
		q.r = pathStyle(q.r, bucket)
	}
}

// address is the URL of a request, without a slash at its end.
func (q *request) address() string {
	protocol := "http://"
	if q.r.TLS != nil {
		protocol = "https://"
	}
	return strings.TrimSuffix(protocol+q.r.Host+q.r.URL.EscapedPath(), "/")
}

func (q *request) context() context.Context { return cloud.WithCaller(q.r.Context(), q.caller) }

// site understands BUCKET.s3-website.BASE, and with the region behind s3-website in
// both ways that AWS has.
func (g *Gateway) site(host string) (bucket string, ok bool) {
	sub := g.subdomain(host)
	if sub == "" {
		return "", false
	}
	for _, suffix := range []string{".s3-website", ".s3-website." + g.cfg.Region, ".s3-website-" + g.cfg.Region} {
		if bucket, ok := strings.CutSuffix(sub, suffix); ok && bucket != "" {
			return bucket, true
		}
	}
	return "", false
}

// crossOrigin adds the headers for a script of another origin, if the bucket has a
// rule for it. A preflight's own header counts before the method.
func (q *request) crossOrigin(bucket string) {
	origin := q.r.Header.Get("Origin")
	if origin == "" {
		return
	}
	method := cmp.Or(q.r.Header.Get("Access-Control-Request-Method"), q.r.Method)
	headers, err := q.endpoint.web.CrossOrigin(bucket, origin, method, nil)
	if err != nil {
		return // the answer is the same, but no script of that origin may read it
	}
	maps.Copy(q.w.Header(), headers)
}

// preflight answers a browser that asks what a script of another origin may do.
func (q *request) preflight(bucket string) error {
	if err := q.limit(); err != nil {
		return err
	}
	origin, method := q.r.Header.Get("Origin"), q.r.Header.Get("Access-Control-Request-Method")
	switch {
	case origin == "":
		return badPreflight("Insufficient information. Origin request header needed.")
	case method == "":
		return badPreflight("Invalid Access-Control-Request-Method: null")
	}
	var wanted []string
	for _, line := range q.r.Header.Values("Access-Control-Request-Headers") {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name != "" {
				wanted = append(wanted, name)
			}
		}
	}
	headers, err := q.endpoint.web.CrossOrigin(bucket, origin, method, wanted)
	if err != nil {
		return err
	}
	maps.Copy(q.w.Header(), headers)
	q.w.Header().Set("Content-Length", "0")
	q.w.Header().Set("x-amz-request-id", q.id)
	q.w.WriteHeader(http.StatusOK)
	return nil
}

func badPreflight(message string) error {
	return &wire.Error{Code: "BadRequest", Message: message, Status: http.StatusBadRequest}
}

// isForm reports whether a request is a form that a browser sends.
func isForm(r *http.Request) bool {
	if r.Method != http.MethodPost || r.URL.RawQuery != "" || r.Header.Get("Authorization") != "" {
		return false
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "multipart/form-data"
}
