package app

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/gateway"
)

// openCertificate returns what the API is served over TLS with, nil for plain HTTP.
func (r *running) openCertificate() (*gateway.Certificate, error) {
	if r.cfg.TLSCert == "" {
		return nil, nil //nolint:nilnil // none, and no error
	}
	c, err := gateway.OpenCertificate(r.cfg.TLSCert, r.cfg.TLSKey, r.log.With("room", "gateway"), r.now)
	if err != nil {
		return nil, fmt.Errorf("%w; give --tls-cert and --tls-key files of PEM that belong together", err)
	}
	return c, nil
}

// endpointURL is where clients find the API. Over TLS, an address that the certificate is
// not for gives way to the first name that it is for.
func (c Config) endpointURL(with *gateway.Certificate) string {
	if with == nil {
		return "http://" + c.Listen
	}
	leaf := with.Leaf()
	host, port, _ := net.SplitHostPort(c.Listen) // Validate has seen to it
	if leaf.VerifyHostname(host) != nil {
		for _, name := range leaf.DNSNames {
			if !strings.HasPrefix(name, "*.") {
				host = name
				break
			}
		}
	}
	return "https://" + net.JoinHostPort(host, port)
}

// serveAPI answers the requests of a listener.
func (r *running) serveAPI(ctx context.Context, l net.Listener) error {
	if r.certificate == nil {
		return r.gateway.Serve(ctx, l)
	}
	return r.gateway.ServeTLS(ctx, l, r.certificate)
}

func (r *running) gatewayStatus() Part {
	p := Part{Name: "gateway", OK: true, Detail: "answers on " + r.endpoint}
	if r.certificate == nil {
		return p
	}
	until := r.certificate.Leaf().NotAfter
	p.OK = r.now().Before(until)
	p.Detail += ", with a certificate until " + until.UTC().Format(time.DateOnly)
	return p
}
