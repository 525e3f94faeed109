package metadata

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/vauban-cloud/vauban/node/fair"
)

// Header names of IMDSv2.
const (
	headerToken = "X-Aws-Ec2-Metadata-Token" //nolint:gosec // a header's name
	headerTTL   = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
)

// connKey finds the connection in a request's context.
type connKey struct{}

// ServeHTTP answers one request of the guest at r.RemoteAddr.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "EC2ws") // some clients tell EC2 by it
	var from netip.Addr
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		from = peer.Addr().Unmap()
	}
	g, ok := s.cfg.Source.Guest(r.Context(), s.cfg.VPC, from)
	switch options := g.Instance.Metadata; {
	case !ok:
		refuse(w, http.StatusNotFound)
	case !s.allowed(from):
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable)
	case options.Endpoint == "disabled", from.Is6() && !options.IPv6:
		refuse(w, http.StatusForbidden)
	default:
		path := segments(r.URL.Path)
		if len(path) == 3 && slices.Contains(versions(), path[0]) && path[1] == "api" && path[2] == "token" {
			s.serveToken(w, r, g)
			return
		}
		s.serveData(w, r, g, path)
	}
}

// serveToken hands out a session token:
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-v2-how-it-works.html
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request, g Guest) {
	if r.Method != http.MethodPut {
		w.Header().Set("Allow", "PUT")
		refuse(w, http.StatusMethodNotAllowed)
		return
	}
	// A request that came through a proxy carries this header: an open proxy on
	// the guest must not hand tokens out.
	if len(r.Header.Values("X-Forwarded-For")) > 0 {
		refuse(w, http.StatusForbidden)
		return
	}
	ttl, err := strconv.Atoi(r.Header.Get(headerTTL))
	if err != nil || ttl < minTTL || ttl > maxTTL {
		refuse(w, http.StatusBadRequest)
		return
	}
	if err := limitHops(r, g.Instance.Metadata.HopLimit); err != nil {
		s.cfg.Log.Warn("limit the hops of a metadata token", "instance", g.Instance.ID, "err", err)
		refuse(w, http.StatusInternalServerError)
		return
	}
	token := s.seal(g.Instance.ID, s.cfg.Now().Add(time.Duration(ttl)*time.Second))
	w.Header().Set(headerTTL, strconv.Itoa(ttl))
	w.Header().Set("Content-Type", "text/plain")
	io.WriteString(w, token) //nolint:errcheck // the guest has gone
}

// limitHops lets packets of the request's connection pass at most that many
// hops, so that a token does not get past the guest itself. The limit stays for
// the life of the connection: packets with the token may be sent again later.
func limitHops(r *http.Request, hops int) error {
	c, ok := r.Context().Value(connKey{}).(net.Conn)
	if !ok || hops < 1 {
		return nil
	}
	if f, ok := c.(*fair.Conn); ok {
		c = f.NetConn()
	}
	if local, ok := c.LocalAddr().(*net.TCPAddr); ok && local.IP.To4() == nil {
		return ipv6.NewConn(c).SetHopLimit(min(hops, 64))
	}
	return ipv4.NewConn(c).SetTTL(min(hops, 64))
}

// serveData answers what stands at a path of the guest's tree.
func (s *Server) serveData(w http.ResponseWriter, r *http.Request, g Guest, path []string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed)
		return
	}
	token := r.Header.Get(headerToken)
	if token == "" && g.Instance.Metadata.Tokens == "required" {
		refuse(w, http.StatusUnauthorized)
		return
	}
	if token != "" {
		left, ok := s.check(token, g.Instance.ID)
		if !ok {
			refuse(w, http.StatusUnauthorized)
			return
		}
		w.Header().Set(headerTTL, strconv.Itoa(int(left/time.Second)))
	}
	delivery := "1.0"
	if token != "" {
		delivery = "2.0"
	}
	n, ok := find(root(g, s.cfg.Place, s.role(r.Context(), g, delivery)), path)
	if !ok {
		refuse(w, http.StatusNotFound)
		return
	}
	body, kind, err := n.content()
	if err != nil {
		s.cfg.Log.Warn("make credentials of a role", "instance", g.Instance.ID, "err", err)
		refuse(w, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("Accept-Ranges", "none")
	w.Write(body) //nolint:errcheck // the guest has gone
}

// refuse answers an error in the form that EC2 gives it.
func refuse(w http.ResponseWriter, status int) {
	title := fmt.Sprintf("%d - %s", status, http.StatusText(status))
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="iso-8859-1"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"
	"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
 <head>
  <title>%[1]s</title>
 </head>
 <body>
  <h1>%[1]s</h1>
 </body>
</html>
`, title)
}

// segments splits a path at its slashes; empty segments do not count, so that
// "//latest/meta-data/" and "/latest/meta-data" name the same.
func segments(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}
