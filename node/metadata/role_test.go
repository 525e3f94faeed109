package metadata_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/node/metadata"
)

// mint is a control plane that makes credentials.
type mint struct {
	clock *clock

	mu   sync.Mutex
	made int    // guarded by mu; how often it was asked
	role string // guarded by mu; the role's ID
	err  error  // guarded by mu
}

func (m *mint) Credentials(_ context.Context, instance, delivery string) (cloud.Credentials, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.made++
	now := m.clock.Now()
	return cloud.Credentials{
		Role: m.role, AccessKey: fmt.Sprintf("ASIA%d", m.made), Secret: "secret of " + instance, Token: "token by " + delivery,
		Issued: now, Expires: now.Add(6 * time.Hour),
	}, m.err
}

func (m *mint) set(role string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.role, m.err = role, err
}

func (m *mint) asked() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.made
}

const address = "10.0.1.5"

// roleRig is a guest with a role; tests change its profile.
type roleRig struct {
	*testing.T
	*metadata.Server
	*mint
	src guests
}

func newRoleRig(t *testing.T) *roleRig {
	r := &roleRig{T: t, mint: &mint{clock: &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}, role: "AROA1"}, src: guests{}}
	r.profile(&metadata.Profile{
		ARN: "arn:aws:iam::000000000001:instance-profile/web", ID: "AIPA1", Since: r.clock.Now().Add(-time.Hour), RoleID: "AROA1", Role: "web",
	})
	s, err := metadata.New(metadata.Config{
		VPC: "vpc-1", Place: cloud.DefaultPlace(), Source: r.src, Key: bytes.Repeat([]byte{7}, 32), Credentials: r.Credentials, Now: r.clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Server = s
	return r
}

func (r *roleRig) profile(p *metadata.Profile) {
	g := one()
	g.Profile = p
	r.src[netip.MustParseAddr(address)] = g
}

// get returns what stands at a path below meta-data/iam, "404" if nothing does.
func (r *roleRig) get(path string, header ...string) string {
	r.Helper()
	w := ask(r.Server, address, "GET", "/latest/meta-data/iam"+path, header...)
	if w.Code != 200 {
		return fmt.Sprint(w.Code)
	}
	return w.Body.String()
}

// document returns the members of a JSON document.
func (r *roleRig) document(path string, header ...string) map[string]string {
	r.Helper()
	text := r.get(path, header...)
	var m map[string]string
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		r.Fatalf("%s: %v in %q", path, err, text)
	}
	return m
}

const credentials = "/security-credentials/web"

func same(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}

func TestRole(t *testing.T) {
	r := newRoleRig(t)
	for path, want := range map[string]string{
		"": "info\nsecurity-credentials/", "/security-credentials/": "web", "/security-credentials": "web",
		"/security-credentials/other": "404", "/other": "404",
	} {
		if got := r.get(path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	if n := r.asked(); n != 0 {
		t.Errorf("credentials were made %d times though nobody asked", n)
	}
	same(t, "credentials", r.document(credentials), map[string]string{
		"Code": "Success", "LastUpdated": "2026-01-02T03:04:05Z", "Type": "AWS-HMAC", "AccessKeyId": "ASIA1",
		"SecretAccessKey": "secret of i-0123456789abcdef0", "Token": "token by 1.0", "Expiration": "2026-01-02T09:04:05Z",
	})
	same(t, "info", r.document("/info"), map[string]string{
		"Code": "Success", "LastUpdated": "2026-01-02T03:04:05Z",
		"InstanceProfileArn": "arn:aws:iam::000000000001:instance-profile/web", "InstanceProfileId": "AIPA1",
	})
	if got := r.document(credentials, tokenHeader, token(t, r.Server, address, "60"))["Token"]; got != "token by 2.0" {
		t.Errorf("with a session token: got %q", got)
	}
	w := ask(r.Server, address, "GET", "/latest/meta-data/iam"+credentials)
	if kind := w.Header().Get("Content-Type"); kind != "text/plain" {
		t.Errorf("content type %q", kind)
	}
}

// Credentials stay the same until a quarter of an hour before their end, and are
// new from then on: clients always find some that are good for five minutes.
func TestRoleCredentialsAreRenewed(t *testing.T) {
	r := newRoleRig(t)
	key := func() string { t.Helper(); return r.document(credentials)["AccessKeyId"] }
	first := key()
	r.clock.advance(6*time.Hour - 15*time.Minute - time.Second)
	if got := key(); got != first || r.asked() != 1 {
		t.Errorf("got %s after %d times, want %s once", got, r.asked(), first)
	}
	r.clock.advance(time.Second)
	if got := key(); got != "ASIA2" {
		t.Errorf("a quarter of an hour before the end: got %s", got)
	}
	if got := r.document(credentials)["Expiration"]; got != "2026-01-02T14:49:05Z" {
		t.Errorf("they expire %s", got)
	}
	// While the control plane is away, those that are good must do.
	r.set("AROA1", errors.New("away"))
	r.clock.advance(6*time.Hour - time.Second)
	if got := key(); got != "ASIA2" {
		t.Errorf("a second before the end: got %s", got)
	}
	r.clock.advance(time.Second)
	if got := r.get(credentials); got != "500" {
		t.Errorf("at the end: got %q", got)
	}
	r.set("AROA1", nil)
	if got := key(); got == "ASIA2" {
		t.Error("the control plane is back, and not asked")
	}
}

// A role that is taken away or replaced is gone as soon as the host knows.
func TestRoleChanges(t *testing.T) {
	r := newRoleRig(t)
	p := *r.src[netip.MustParseAddr(address)].Profile
	first := r.document(credentials)["AccessKeyId"]

	replaced := p
	replaced.RoleID, replaced.Role, replaced.ID = "AROA2", "batch", "AIPA2"
	r.profile(&replaced)
	if got := r.get(credentials); got != "404" {
		t.Errorf("the old role: got %q", got)
	}
	if got := r.get("/security-credentials/batch"); got != "500" {
		t.Errorf("while the control plane still knows the old role: got %q", got)
	}
	r.set("AROA2", nil)
	if got := r.document("/security-credentials/batch")["AccessKeyId"]; got == first {
		t.Error("the new role has the old one's credentials")
	}
	again := p // another role of the same name
	again.RoleID = "AROA3"
	r.set("AROA3", nil)
	r.profile(&again)
	if got := r.document(credentials)["AccessKeyId"]; got == first {
		t.Error("a role of the same name has the old one's credentials")
	}

	empty := p
	empty.RoleID, empty.Role = "", ""
	r.profile(&empty)
	same(t, "without a role", r.document("/info"), map[string]string{
		"Code": "Success", "Message": "Instance Profile does not contain a role.", "LastUpdated": "2026-01-02T02:04:05Z",
		"InstanceProfileArn": p.ARN, "InstanceProfileId": p.ID,
	})
	deleted := empty
	deleted.Deleted = true
	r.profile(&deleted)
	if got := r.document("/info"); got["Code"] != "InstanceProfileNotFound" || got["InstanceProfileArn"] != "" {
		t.Errorf("deleted: got %v", got)
	}
	for _, gone := range []string{"/security-credentials/", credentials} {
		if got := r.get(gone); got != "404" {
			t.Errorf("%s without a role: got %q", gone, got)
		}
	}
	r.profile(nil)
	if got := r.get(""); got != "404" {
		t.Errorf("without a profile: got %q", got)
	}
	if all := ask(r.Server, address, "GET", "/latest/meta-data/").Body.String(); strings.Contains(all, "iam") {
		t.Errorf("without a profile the list is %q", all)
	}
}

// A refusal is told in both documents, and soon asked about again.
func TestRoleIsRefused(t *testing.T) {
	r := newRoleRig(t)
	refused := cloud.Errorf("AssumeRoleUnauthorizedAccess", "EC2 cannot assume the role web.")
	r.set("AROA1", refused)
	same(t, "credentials", r.document(credentials), map[string]string{
		"Code": refused.Code, "Message": refused.Message, "LastUpdated": "2026-01-02T03:04:05Z",
	})
	if got := r.document("/info"); got["Code"] != refused.Code || got["Message"] != refused.Message {
		t.Errorf("info: got %v", got)
	}
	if n := r.asked(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	r.set("AROA1", nil)
	r.clock.advance(10 * time.Second)
	if got := r.document(credentials)["Code"]; got != "Success" {
		t.Errorf("once it is trusted: got %s", got)
	}
	// Trust that ends shows when credentials are renewed.
	r.set("AROA1", refused)
	if got := r.document(credentials)["Code"]; got != "Success" {
		t.Errorf("credentials that are good: got %s", got)
	}
	r.clock.advance(6*time.Hour - 15*time.Minute)
	if got := r.document(credentials)["Code"]; got != refused.Code {
		t.Errorf("when they are renewed: got %s", got)
	}
}

// However many ask at once, the control plane is asked once.
func TestRoleCredentialsAreMadeOnce(t *testing.T) {
	r := newRoleRig(t)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if got := ask(r.Server, address, "GET", "/latest/meta-data/iam"+credentials).Code; got != 200 {
				t.Errorf("got %d", got)
			}
		})
	}
	all.Wait()
	if n := r.asked(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}
