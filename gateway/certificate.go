package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Certificate is what TLS is served with: a chain of certificates, the endpoint's own
// first, and its private key, in two files of PEM. They are read again when they change;
// as long as what they then hold is of no use, the last that was goes on. It is safe for
// concurrent use.
type Certificate struct {
	chain, key string // paths
	log        *slog.Logger
	now        func() time.Time

	mu      sync.Mutex
	current *tls.Certificate // guarded by mu; with its Leaf
	read    stamps           // guarded by mu; of the files that current is from
	failed  stamps           // guarded by mu; of those that were last of no use
	looked  time.Time        // guarded by mu; at the files
}

// stamps tell one state of the two files from another.
type stamps [2]struct {
	changed time.Time
	size    int64
}

// lookEvery is how old a certificate may be that has been replaced.
const lookEvery = time.Second

// OpenCertificate reads the files, which must hold a certificate and the key of it.
func OpenCertificate(chain, key string, log *slog.Logger, now func() time.Time) (*Certificate, error) {
	c := &Certificate{chain: chain, key: key, log: log, now: now, looked: now()}
	var err error
	if c.read, err = c.stamps(); err != nil {
		return nil, err
	}
	if c.current, err = c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

// Leaf returns the endpoint's own certificate.
func (c *Certificate) Leaf() *x509.Certificate { return c.get().Leaf }

// config is TLS 1.2 or later, with whatever certificate is current.
func (c *Certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.get(), nil },
	}
}

// get returns the certificate, and reads it first if its files have changed.
func (c *Certificate) get() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.looked) >= lookEvery {
		c.looked = now
		c.refresh()
	}
	return c.current
}

// refresh reads the files if they have changed. The caller holds mu.
func (c *Certificate) refresh() {
	found, err := c.stamps()
	if err == nil && found == c.read {
		return
	}
	var fresh *tls.Certificate
	if err == nil {
		fresh, err = c.load()
	}
	switch {
	case err == nil:
		c.current, c.read, c.failed = fresh, found, stamps{}
		c.log.Info("certificate is replaced", "names", fresh.Leaf.DNSNames, "until", fresh.Leaf.NotAfter)
	case found != c.failed:
		c.failed = found
		c.log.Warn("certificate is not replaced: the last one goes on", "err", err)
	}
}

func (c *Certificate) stamps() (s stamps, err error) {
	for i, path := range []string{c.chain, c.key} {
		info, err := os.Stat(path)
		if err != nil {
			return stamps{}, fmt.Errorf("look at the certificate: %w", err)
		}
		s[i].changed, s[i].size = info.ModTime(), info.Size()
	}
	return s, nil
}

func (c *Certificate) load() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(c.chain, c.key)
	if err != nil {
		return nil, fmt.Errorf("read the certificate in %s with the key in %s: %w", c.chain, c.key, err)
	}
	return &pair, nil
}
