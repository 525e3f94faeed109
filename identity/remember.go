package identity

import (
	"sync"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// maxRemembered bounds the memory of remembered: an entry is some 300 bytes.
const maxRemembered = 4096

// remembered is what was found out at one revision of the store, the newest that was asked
// for. Whatever changes in the store, all of it is forgotten.
type remembered[K comparable, V any] struct {
	mu       sync.Mutex
	revision int64   // guarded by mu
	of       map[K]V // guarded by mu; the values are never written again
}

// proofs are what access keys stand for.
type proofs = remembered[string, proof]

type proof struct {
	secret string
	caller cloud.Caller
	active bool // the account is
}

// policies is Policies at a view of the store. Callers with a session are gathered anew:
// sessions are many, and short.
func (j *Judge) policies(view *store.View, c cloud.Caller) (policy.Policies, error) {
	if c.Session != nil {
		return j.Policies(view, c)
	}
	id := c
	id.AccessKey, id.RequestID, id.SourceIP, id.UserAgent, id.Referer = "", "", "", "", "" // each request has its own
	if p, ok := j.remembered.get(view.Revision(), id); ok {
		return p, nil
	}
	p, err := j.Policies(view, c)
	if err == nil {
		j.remembered.put(view.Revision(), id, p)
	}
	return p, err
}

func (m *remembered[K, V]) get(revision int64, id K) (v V, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if revision == m.revision {
		v, ok = m.of[id]
	}
	return v, ok
}

func (m *remembered[K, V]) put(revision int64, id K, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if revision < m.revision {
		return
	}
	if revision > m.revision || m.of == nil || len(m.of) >= maxRemembered {
		m.revision, m.of = revision, map[K]V{}
	}
	m.of[id] = v
}
