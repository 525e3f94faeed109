package oidc

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/vauban-cloud/vauban/cloud"
)

// The bounds of a question to a provider.
const (
	maxDocument  = 64 << 10  // bytes of the discovery document
	maxKeySet    = 512 << 10 // bytes
	maxRedirects = 3
	maxFetches   = 64 // at once
)

// Fetcher asks providers. Fields are set once, before the first use.
type Fetcher struct {
	hosts hosts
	roots *x509.CertPool
	now   func() time.Time
	wait  time.Duration
	dial  func(ctx context.Context, network, address string) (net.Conn, error)
	slots chan struct{} // holds one value for each question under way
}

// FetcherConfig says whom a fetcher may ask.
type FetcherConfig struct {
	// Hosts are the names that it may connect to; "*" stands for every host with a
	// public address.
	Hosts   []string
	Now     func() time.Time
	Roots   *x509.CertPool // of trusted certificates; nil: the system's
	Timeout time.Duration  // of a whole question; 0: 5 s
	// Dial connects instead of the system; the address is HOST:PORT.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// NewFetcher returns a fetcher.
func NewFetcher(c FetcherConfig) *Fetcher {
	f := &Fetcher{
		hosts: newHosts(c.Hosts), roots: c.Roots, now: c.Now, wait: cmp.Or(c.Timeout, 5*time.Second),
		dial: c.Dial, slots: make(chan struct{}, maxFetches),
	}
	if f.dial == nil {
		f.dial = f.hosts.dial
	}
	return f
}

// fetch returns the keys that a provider publishes:
// https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
func (f *Fetcher) fetch(ctx context.Context, p cloud.OIDCProvider) ([]jose.JSONWebKey, error) {
	ctx, cancel := context.WithTimeout(ctx, f.wait)
	defer cancel()
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-ctx.Done():
		return nil, errors.New("too many identity providers are asked at once, and some are slow: try again")
	}
	issuer := "https://" + p.URL
	text, err := f.get(ctx, p, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration", maxDocument)
	if err != nil {
		return nil, err
	}
	var about struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(text, &about); err != nil {
		return nil, fmt.Errorf("read discovery document: %w", err)
	}
	if about.Issuer != issuer {
		return nil, fmt.Errorf("the discovery document is that of another issuer, %q", shorten(about.Issuer))
	}
	if text, err = f.get(ctx, p, about.Keys, maxKeySet); err != nil {
		return nil, err
	}
	return readKeys(text)
}

// get fetches a document of at most so many bytes. The connection is for it
// alone: each provider has its own thumbprints.
func (f *Fetcher) get(ctx context.Context, p cloud.OIDCProvider, address string, most int64) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return nil, fmt.Errorf("%q is no https URL of a host", shorten(address))
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
			if err := f.hosts.check(to); err != nil {
				return nil, err
			}
			return f.dial(ctx, network, to)
		},
		TLSClientConfig: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			InsecureSkipVerify: true, //nolint:gosec // VerifyConnection does it, and knows thumbprints
			VerifyConnection:   func(s tls.ConnectionState) error { return f.trust(s, u.Hostname(), p.Thumbprints) },
		},
		DisableKeepAlives: true, MaxResponseHeaderBytes: maxDocument,
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		if next.URL.Scheme != "https" || next.URL.Host != u.Host || len(via) > maxRedirects {
			return errors.New("it redirects elsewhere, or too often")
		}
		return nil
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "vauban")
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", address, res.Status)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	switch {
	case err != nil:
	case ctx.Err() != nil: // a server that hears of it may end what it has not finished as if it had
		err = ctx.Err()
	case int64(len(text)) > most:
		err = fmt.Errorf("GET %s: the answer has more than %d bytes", address, most)
	}
	return text, err
}
