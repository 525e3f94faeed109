package gateway

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/vauban-cloud/vauban/gateway/wire"
)

// The names of the services whose requests carry objects, or are about buckets.
const (
	s3        = "s3"
	s3Control = "s3-control"
)

// find returns the endpoint that a request is for, by all but its body: its
// host, the scope of its signature, its target, its path; nil if they do not
// tell. bucket is the one that the host names, if any.
func (g *Gateway) find(r *http.Request, scope string) (e *endpoint, bucket string) {
	if g.isControl(r) {
		return g.endpoints[s3Control], ""
	}
	e, bucket = g.byHost(r.Host)
	switch {
	case e != nil:
		return e, bucket
	case scope == s3:
		return g.endpoints[s3], g.subdomain(r.Host)
	case g.endpoints[scope] != nil:
		return g.endpoints[scope], ""
	}
	if e := g.byTarget(r); e != nil {
		return e, ""
	}
	switch {
	case scope == "" && r.URL.Path != "/",
		scope == "" && r.Method == http.MethodGet && !r.URL.Query().Has("Action"), // a list of buckets
		r.Header.Get("X-Amz-Content-Sha256") != "":                                // which S3's clients alone always send
		return g.endpoints[s3], ""
	}
	return nil, ""
}

// byHost understands SERVICE[.REGION].BASE and BUCKET.s3[.REGION].BASE.
func (g *Gateway) byHost(host string) (e *endpoint, bucket string) {
	sub := strings.TrimSuffix(g.subdomain(host), "."+g.cfg.Region)
	if sub == "" {
		return nil, ""
	}
	if e := g.endpoints[sub]; e != nil {
		return e, ""
	}
	if bucket, ok := strings.CutSuffix(sub, "."+s3); ok && g.endpoints[s3] != nil {
		return g.endpoints[s3], bucket
	}
	return nil, ""
}

// isControl reports whether a request is for S3 Control. Its clients put the account
// before the host, or name it in a header alone, and sign as for S3.
func (g *Gateway) isControl(r *http.Request) bool {
	if g.endpoints[s3Control] == nil {
		return false
	}
	sub := strings.TrimSuffix(g.subdomain(r.Host), "."+g.cfg.Region)
	return sub == s3Control || strings.HasSuffix(sub, "."+s3Control) ||
		strings.HasPrefix(r.URL.Path, controlPath) && r.Header.Get("X-Amz-Account-Id") != ""
}

// controlPath begins the paths of S3 Control.
const controlPath = "/v20180820/"

// subdomain returns what stands before the base domain in a host, without port.
func (g *Gateway) subdomain(host string) string {
	if strings.Contains(host, ":") {
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
	}
	if n := len(host) - len(g.cfg.Base); n <= 0 || host[n-1] != '.' {
		return ""
	}
	sub, ok := strings.CutSuffix(strings.ToLower(host), "."+g.cfg.Base)
	if !ok {
		return ""
	}
	return sub
}

// byTarget goes by X-Amz-Target, and by the path of the CBOR protocol.
func (g *Gateway) byTarget(r *http.Request) *endpoint {
	prefix, _, ok := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	for _, e := range g.order {
		switch {
		case ok && prefix == e.api.TargetPrefix:
			return e
		case e.api.TargetPrefix != "" && strings.HasPrefix(r.URL.Path, "/service/"+e.api.TargetPrefix+"/"):
			return e
		}
	}
	return nil
}

// byAction goes by the Action and Version of the query protocols. Without a
// version, the first service that knows the action is meant.
func (g *Gateway) byAction(r *http.Request, body []byte) *endpoint {
	query := r.URL.Query()
	if form, err := url.ParseQuery(string(body)); err == nil && form.Has("Action") {
		query = form
	}
	version, action := query.Get("Version"), query.Get("Action")
	for _, e := range g.order {
		if action != "" && (version == "" || version == e.api.Version) && e.api.Operation(action) != nil {
			return e
		}
	}
	return nil
}

// stranger is an endpoint for requests that are for no service here, so that
// they can be answered in the protocol that they seem to speak.
func stranger(r *http.Request) *endpoint {
	p := wire.Query
	switch {
	case r.Header.Get("Smithy-Protocol") == "rpc-v2-cbor":
		p = wire.CBOR
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-amz-json-1.0"):
		p = wire.JSON10
	case r.Header.Get("X-Amz-Target") != "":
		p = wire.JSON11
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"):
		p = wire.RESTJSON
	}
	return &endpoint{api: &wire.Service{Protocols: []wire.Protocol{p}}}
}
