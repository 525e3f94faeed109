package oidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/vauban-cloud/vauban/cloud"
)

// How keys are kept.
const (
	keyLife   = time.Hour        // how long a key counts that the provider may have taken back
	quiet     = 10 * time.Second // between two questions to one provider, whatever tokens say
	maxKept   = 1024             // providers
	maxKeys   = 200              // of one provider
	leastBits = 2048             // of an RSA key
	mostBits  = 8192             // more would cost more than they prove
)

// Keys are the signing keys of providers, fetched when they are needed. They are
// safe for concurrent use.
type Keys struct {
	fetcher *Fetcher
	now     func() time.Time

	mu   sync.Mutex
	kept map[string]*provider // guarded by mu; by what keptAs returns
}

// NewKeys returns an empty set of keys.
func NewKeys(f *Fetcher, now func() time.Time) *Keys {
	return &Keys{fetcher: f, now: now, kept: map[string]*provider{}}
}

// provider is what is known of one provider. mu is held while it is asked, so
// that it is asked once however many tokens come.
type provider struct {
	mu      sync.Mutex
	keys    []jose.JSONWebKey
	fetched time.Time // the keys
	asked   time.Time // last, with or without success
	err     error     // of the last question, nil if it was answered
}

// find returns the keys of a provider; among them that with the ID, unless the
// provider does not have it. An unknown ID makes it ask again.
func (k *Keys) find(ctx context.Context, p cloud.OIDCProvider, id string) ([]jose.JSONWebKey, error) {
	if k == nil {
		return nil, unreachable("This cloud may fetch keys of no identity provider: ask its operator to allow the host of %s (--identity-providers)", p.URL)
	}
	known := k.provider(keptAs(p))
	known.mu.Lock()
	defer known.mu.Unlock()
	now := k.now()
	fresh := known.keys != nil && now.Before(known.fetched.Add(keyLife))
	if fresh && (id == "" || slices.ContainsFunc(known.keys, func(j jose.JSONWebKey) bool { return j.KeyID == id })) {
		return known.keys, nil
	}
	if known.asked.IsZero() || !now.Before(known.asked.Add(quiet)) {
		known.asked = now
		// A caller that goes away must not spoil the answer for those who wait.
		keys, err := k.fetcher.fetch(context.WithoutCancel(ctx), p)
		if known.err = err; err == nil {
			known.keys, known.fetched, fresh = keys, now, true
		}
	}
	if !fresh {
		return nil, known.trouble(p)
	}
	return known.keys, nil
}

// trouble is why there are no keys.
func (p *provider) trouble(of cloud.OIDCProvider) error {
	if errors.Is(p.err, errThumbprint) {
		return invalid("OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint")
	}
	return unreachable("The keys of %s could not be fetched: %v", of.URL, p.err)
}

// keptAs is what keys of a provider are kept under: with other thumbprints, they
// might not have been fetched.
func keptAs(p cloud.OIDCProvider) string {
	return p.ARN + "\n" + p.URL + "\n" + strings.Join(p.Thumbprints, "\n")
}

// provider returns what is known under a name; if there is no room for more, what
// was asked for longest ago is forgotten.
func (k *Keys) provider(name string) *provider {
	k.mu.Lock()
	defer k.mu.Unlock()
	if p := k.kept[name]; p != nil {
		return p
	}
	if len(k.kept) >= maxKept {
		k.forget()
	}
	p := &provider{}
	k.kept[name] = p
	return p
}

// forget makes room for one provider. One that is being asked is in use.
func (k *Keys) forget() {
	oldest, when := "", time.Time{}
	for name, p := range k.kept {
		if !p.mu.TryLock() {
			continue
		}
		if oldest == "" || p.asked.Before(when) {
			oldest, when = name, p.asked
		}
		p.mu.Unlock()
	}
	delete(k.kept, oldest)
}

// readKeys reads a JWK set (RFC 7517), and leaves out what cannot sign here.
func readKeys(text []byte) ([]jose.JSONWebKey, error) {
	var set struct{ Keys []json.RawMessage }
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("read key set: %w", err)
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("the key set has %d keys, %d are allowed", len(set.Keys), maxKeys)
	}
	keys := []jose.JSONWebKey{}
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if json.Unmarshal(raw, &k) == nil && k.Valid() && (k.Use == "" || k.Use == "sig") && fit(k.Key) {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// fit reports whether a key is public, and strong enough.
func fit(key any) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return leastBits <= k.N.BitLen() && k.N.BitLen() <= mostBits
	case *ecdsa.PublicKey:
		return true // of a curve that an algorithm names, or it verifies nothing
	default:
		return false
	}
}

func unreachable(format string, args ...any) error {
	return cloud.Errorf("IDPCommunicationError", format, args...)
}
