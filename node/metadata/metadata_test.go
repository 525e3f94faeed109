package metadata_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/node/metadata"
)

// guests is a Source: what stands at each address of any VPC.
type guests map[netip.Addr]metadata.Guest

func (g guests) Guest(_ context.Context, vpc string, a netip.Addr) (metadata.Guest, bool) {
	guest, ok := g[a]
	return guest, ok && guest.VPC.ID == vpc
}

// one is a guest with everything.
func one() metadata.Guest {
	private, public := netip.MustParseAddr("10.0.1.5"), netip.MustParseAddr("100.64.0.9")
	return metadata.Guest{
		Instance: cloud.Instance{
			Meta: cloud.Meta{
				ID: "i-0123456789abcdef0", Account: "000000000001",
				Tags: map[string]string{"Name": "web", "empty": "", "bad/key": "x"},
			},
			Reservation: "r-0123456789abcdef0", LaunchIndex: 2, Image: "ami-0123456789abcdef0", Type: "t3.micro",
			KeyName: "laptop", Zone: "eu-paris-1a", VPC: "vpc-1", Subnet: "subnet-1", UserData: []byte("#!/bin/sh\n\x00\xff"),
			RootDevice: "/dev/xvda", Launched: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
			Metadata: cloud.MetadataOptions{Tokens: "optional", HopLimit: 1, Endpoint: "enabled", Tags: "enabled"},
		},
		Interfaces: []cloud.NetworkInterface{{
			Meta: cloud.Meta{ID: "eni-1", Account: "000000000001"}, VPC: "vpc-1", Subnet: "subnet-1", MAC: "02:00:00:00:00:01",
			Addresses: []cloud.PrivateAddress{
				{Private: private, Public: &cloud.PublicAddress{Address: public}},
				{Private: netip.MustParseAddr("10.0.1.6")},
			},
			Addresses6: []netip.Addr{netip.MustParseAddr("2001:db8::5"), netip.MustParseAddr("2001:db8::6")},
			Groups:     []string{"sg-1", "sg-2"}, Attachment: &cloud.InterfaceAttachment{DeviceIndex: 0},
		}},
		VPC: cloud.VPC{
			Meta: cloud.Meta{ID: "vpc-1"}, DNSHostnames: true,
			CIDRs6: []cloud.CIDRBlock{{Prefix: netip.MustParsePrefix("2001:db8::/56")}},
			CIDRs:  []cloud.CIDRBlock{{Prefix: netip.MustParsePrefix("10.0.0.0/16")}, {Prefix: netip.MustParsePrefix("10.1.0.0/16")}},
		},
		Subnets: map[string]cloud.Subnet{"subnet-1": {Prefix: netip.MustParsePrefix("10.0.1.0/24"), Prefix6: netip.MustParsePrefix("2001:db8::/64")}},
		Groups:  map[string]cloud.SecurityGroup{"sg-1": {Name: "default"}, "sg-2": {Name: "web servers"}},
		Volumes: []cloud.Volume{
			{Attachment: &cloud.Attachment{Device: "/dev/xvda"}}, {Attachment: &cloud.Attachment{Device: "/dev/sdf"}},
		},
		Image: cloud.Image{Architecture: "x86_64"},
		Key:   &cloud.KeyPair{Name: "laptop", PublicKey: "ssh-ed25519 AAAA laptop\n"},
	}
}

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newServer(t testing.TB, src metadata.Source) (*metadata.Server, *clock) {
	t.Helper()
	c := &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	s, err := metadata.New(metadata.Config{
		VPC: "vpc-1", Place: cloud.DefaultPlace(), Source: src, Key: bytes.Repeat([]byte{7}, 32), Now: c.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

// ask sends one request of the guest at an address.
func ask(s *metadata.Server, from, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://169.254.169.254/", nil)
	r.URL.Path = path
	r.RemoteAddr = from + ":4242"
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

const (
	ttlHeader   = "X-aws-ec2-metadata-token-ttl-seconds"
	tokenHeader = "X-aws-ec2-metadata-token"
)

func token(t *testing.T, s *metadata.Server, from, ttl string) string {
	t.Helper()
	w := ask(s, from, "PUT", "/latest/api/token", ttlHeader, ttl)
	if w.Code != 200 || w.Header().Get(ttlHeader) != ttl || len(w.Body.String()) != 56 {
		t.Fatalf("token: %d %q %q", w.Code, w.Header(), w.Body)
	}
	return w.Body.String()
}

func TestTree(t *testing.T) {
	s, _ := newServer(t, guests{netip.MustParseAddr("10.0.1.5"): one()})
	const nic = "/latest/meta-data/network/interfaces/macs/02:00:00:00:00:01"
	for path, want := range map[string]string{
		"/latest":                              "dynamic\nmeta-data\nuser-data",
		"/2009-04-04/":                         "dynamic\nmeta-data\nuser-data",
		"/2021-03-23/meta-data/instance-id":    "i-0123456789abcdef0",
		"/1.0/meta-data/ami-id":                "ami-0123456789abcdef0",
		"/latest/meta-data/ami-launch-index":   "2",
		"/latest/meta-data/instance-action":    "none",
		"/latest/meta-data/instance-type":      "t3.micro",
		"/latest/meta-data/hostname":           "ip-10-0-1-5.eu-paris-1.compute.internal",
		"/latest/meta-data/local-hostname":     "ip-10-0-1-5.eu-paris-1.compute.internal",
		"/latest/meta-data/local-ipv4":         "10.0.1.5",
		"/latest/meta-data/public-ipv4":        "100.64.0.9",
		"/latest/meta-data/public-hostname":    "ec2-100-64-0-9.eu-paris-1.compute.vauban.internal",
		"/latest/meta-data/mac":                "02:00:00:00:00:01",
		"/latest/meta-data/reservation-id":     "r-0123456789abcdef0",
		"/latest/meta-data/security-groups":    "default\nweb servers",
		"/latest/meta-data/services":           "domain\npartition",
		"/latest/meta-data/services/partition": "aws",
		"/latest/meta-data/placement/":         "availability-zone\navailability-zone-id\nregion",
		// boto asks for this leaf with a slash.
		"/latest/meta-data/placement/availability-zone/":   "eu-paris-1a",
		"/latest/meta-data/placement/availability-zone-id": "eup1-az1",
		"/latest/meta-data/placement/region":               "eu-paris-1",
		"//latest//meta-data/instance-id":                  "i-0123456789abcdef0",
		"/latest/meta-data/public-keys/":                   "0=laptop",
		"/latest/meta-data/public-keys/0/":                 "openssh-key",
		"/latest/meta-data/public-keys/0/openssh-key":      "ssh-ed25519 AAAA laptop",
		"/latest/meta-data/block-device-mapping/":          "ami\nebs1\nroot",
		"/latest/meta-data/block-device-mapping/ami":       "xvda",
		"/latest/meta-data/block-device-mapping/ebs1":      "sdf",
		"/latest/meta-data/block-device-mapping/root":      "/dev/xvda",
		"/latest/meta-data/network/interfaces/macs/":       "02:00:00:00:00:01/",
		"/latest/meta-data/tags/instance":                  "Name\nempty",
		"/latest/meta-data/tags/instance/Name":             "web",
		"/latest/meta-data/tags/instance/empty":            "",
		"/latest/user-data":                                "#!/bin/sh\n\x00\xff",
		"/latest/dynamic":                                  "instance-identity/",
		"/latest/dynamic/instance-identity/":               "document",
		nic:                                                "device-number\ninterface-id\nipv4-associations/\nipv6s\nlocal-hostname\nlocal-ipv4s\nmac\nowner-id\npublic-hostname\npublic-ipv4s\nsecurity-group-ids\nsecurity-groups\nsubnet-id\nsubnet-ipv4-cidr-block\nsubnet-ipv6-cidr-blocks\nvpc-id\nvpc-ipv4-cidr-block\nvpc-ipv4-cidr-blocks\nvpc-ipv6-cidr-blocks",
		nic + "/device-number":                             "0",
		nic + "/ipv6s":                                     "2001:db8::5\n2001:db8::6",
		nic + "/subnet-ipv6-cidr-blocks":                   "2001:db8::/64",
		nic + "/vpc-ipv6-cidr-blocks":                      "2001:db8::/56",
		"/latest/meta-data/ipv6":                           "2001:db8::5",
		nic + "/local-ipv4s":                               "10.0.1.5\n10.0.1.6",
		nic + "/public-ipv4s":                              "100.64.0.9",
		nic + "/ipv4-associations/100.64.0.9":              "10.0.1.5",
		nic + "/security-group-ids":                        "sg-1\nsg-2",
		nic + "/subnet-ipv4-cidr-block":                    "10.0.1.0/24",
		nic + "/vpc-ipv4-cidr-block":                       "10.0.0.0/16",
		nic + "/vpc-ipv4-cidr-blocks":                      "10.0.0.0/16\n10.1.0.0/16",
		nic + "/owner-id":                                  "000000000001",
		"/latest/meta-data":                                "ami-id\nami-launch-index\nami-manifest-path\nblock-device-mapping/\nhostname\ninstance-action\ninstance-id\ninstance-life-cycle\ninstance-type\nipv6\nlocal-hostname\nlocal-ipv4\nmac\nnetwork/\nplacement/\npublic-hostname\npublic-ipv4\npublic-keys/\nreservation-id\nsecurity-groups\nservices/\ntags/",
	} {
		if w := ask(s, "10.0.1.5", "GET", path); w.Code != 200 || w.Body.String() != want {
			t.Errorf("%s: %d %q, want %q", path, w.Code, w.Body, want)
		}
	}
	for _, path := range []string{
		"/latest/meta-data/iam", "/latest/meta-data/iam/security-credentials/", "/latest/meta-data/instance-id/x",
		"/latest/dynamic/instance-identity/signature", "/latest/dynamic/instance-identity/pkcs7", "/2030-01-01/meta-data/",
		"/latest/meta-data/../user-data", "/latest/meta-data/./mac", "/latest/meta-data/public-keys/0=laptop", "/latest/meta-data/MAC",
	} {
		w := ask(s, "10.0.1.5", "GET", path)
		if w.Code != 404 || !strings.Contains(w.Body.String(), "<h1>404 - Not Found</h1>") || w.Header().Get("Content-Type") != "text/html" {
			t.Errorf("%s: %d %q", path, w.Code, w.Body)
		}
	}
	if w := ask(s, "10.0.1.5", "GET", "/"); !strings.HasSuffix(w.Body.String(), "\nlatest") || !strings.Contains(w.Body.String(), "2009-04-04\n") {
		t.Errorf("versions: %q", w.Body)
	}
	w := ask(s, "10.0.1.5", "GET", "/latest/user-data")
	if k := w.Header().Get("Content-Type"); k != "application/octet-stream" {
		t.Errorf("content type of user data: %q", k)
	}
	if w := ask(s, "10.0.1.5", "HEAD", "/latest/meta-data/mac"); w.Code != 200 || w.Header().Get("Content-Length") != "17" {
		t.Errorf("HEAD: %d %v", w.Code, w.Header())
	}
}

func TestIdentityDocument(t *testing.T) {
	s, _ := newServer(t, guests{netip.MustParseAddr("10.0.1.5"): one()})
	var doc map[string]any
	if err := json.Unmarshal(ask(s, "10.0.1.5", "GET", "/latest/dynamic/instance-identity/document").Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	for k, want := range map[string]any{
		"instanceId": "i-0123456789abcdef0", "accountId": "000000000001", "region": "eu-paris-1", "availabilityZone": "eu-paris-1a",
		"imageId": "ami-0123456789abcdef0", "instanceType": "t3.micro", "privateIp": "10.0.1.5", "architecture": "x86_64",
		"pendingTime": "2026-01-02T03:04:05Z", "version": "2017-09-30", "kernelId": nil, "billingProducts": nil,
	} {
		if got, ok := doc[k]; !ok || got != want {
			t.Errorf("%s: %v, want %v", k, got, want)
		}
	}
}

// What has no value is neither listed nor found.
func TestAbsent(t *testing.T) {
	g := one()
	g.Instance.UserData, g.Key, g.Instance.Metadata.Tags, g.VPC.DNSHostnames = nil, nil, "disabled", false
	g.Interfaces[0].Addresses[0].Public = nil
	s, _ := newServer(t, guests{netip.MustParseAddr("10.0.1.5"): g})
	if got := ask(s, "10.0.1.5", "GET", "/latest/").Body.String(); got != "dynamic\nmeta-data" {
		t.Errorf("listing: %q", got)
	}
	list := ask(s, "10.0.1.5", "GET", "/latest/meta-data/").Body.String()
	for _, name := range []string{"public-ipv4", "public-hostname", "public-keys", "tags", "tags/instance/Name"} {
		if strings.Contains(list, name) {
			t.Errorf("%s is listed", name)
		}
		if w := ask(s, "10.0.1.5", "GET", "/latest/meta-data/"+name); w.Code != 404 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	if w := ask(s, "10.0.1.5", "GET", "/latest/user-data"); w.Code != 404 {
		t.Errorf("user-data: %d", w.Code)
	}
}

func TestTokens(t *testing.T) {
	required, other := one(), one()
	required.Instance.Metadata.Tokens = "required"
	other.Instance.ID = "i-0fedcba9876543210"
	s, clock := newServer(t, guests{netip.MustParseAddr("10.0.1.5"): required, netip.MustParseAddr("10.0.1.7"): other})
	const path = "/latest/meta-data/instance-id"

	if w := ask(s, "10.0.1.5", "GET", path); w.Code != 401 {
		t.Errorf("without a token where one is required: %d", w.Code)
	}
	if w := ask(s, "10.0.1.7", "GET", path); w.Code != 200 {
		t.Errorf("without a token where it is optional: %d", w.Code)
	}
	tok := token(t, s, "10.0.1.5", "60")
	if w := ask(s, "10.0.1.5", "GET", path, tokenHeader, tok); w.Code != 200 || w.Header().Get(ttlHeader) != "60" {
		t.Errorf("with a token: %d %v", w.Code, w.Header())
	}
	again, _ := newServer(t, guests{netip.MustParseAddr("10.0.1.5"): required})
	if w := ask(again, "10.0.1.5", "GET", path, tokenHeader, tok); w.Code != 200 {
		t.Errorf("after a restart: %d", w.Code)
	}
	if w := ask(s, "10.0.1.7", "GET", path, tokenHeader, tok); w.Code != 401 {
		t.Errorf("with another guest's token: %d", w.Code)
	}
	flipped := []byte(tok)
	flipped[9] ^= 1 // within the expiry
	for _, bad := range []string{"x", string(flipped), tok[:55], tok + tok, strings.Repeat("A", 56), "\x00"} {
		if w := ask(s, "10.0.1.5", "GET", path, tokenHeader, bad); w.Code != 401 {
			t.Errorf("with %q: %d", bad, w.Code)
		}
	}
	clock.advance(59 * time.Second)
	if w := ask(s, "10.0.1.5", "GET", path, tokenHeader, tok); w.Code != 200 || w.Header().Get(ttlHeader) != "1" {
		t.Errorf("a second before its end: %d %v", w.Code, w.Header())
	}
	clock.advance(time.Second)
	if w := ask(s, "10.0.1.5", "GET", path, tokenHeader, tok); w.Code != 401 {
		t.Errorf("at its end: %d", w.Code)
	}
	for _, ttl := range []string{"", "0", "-1", "21601", "1.5", "x", "99999999999999999999"} {
		if w := ask(s, "10.0.1.5", "PUT", "/latest/api/token", ttlHeader, ttl); w.Code != 400 {
			t.Errorf("token for %q seconds: %d", ttl, w.Code)
		}
	}
	token(t, s, "10.0.1.5", "1")
	token(t, s, "10.0.1.5", "21600")
}

func TestRefusals(t *testing.T) {
	off := one()
	off.Instance.Metadata.Endpoint = "disabled"
	s, _ := newServer(t, guests{netip.MustParseAddr("10.0.1.5"): one(), netip.MustParseAddr("10.0.1.7"): off})
	for _, c := range []struct {
		from, method, path string
		header             []string
		want               int
	}{
		{"10.0.1.5", "GET", "/latest/api/token", nil, 405},
		{"10.0.1.5", "POST", "/latest/api/token", []string{ttlHeader, "60"}, 405},
		{"10.0.1.5", "PUT", "/latest/api/token", []string{ttlHeader, "60", "X-Forwarded-For", "192.0.2.1"}, 403},
		{"10.0.1.5", "PUT", "/latest/api/token", []string{ttlHeader, "60", "X-Forwarded-For", ""}, 403},
		{"10.0.1.5", "PUT", "/latest/api/token/x", []string{ttlHeader, "60"}, 405},
		{"10.0.1.5", "PUT", "/latest/meta-data/mac", nil, 405},
		{"10.0.1.5", "DELETE", "/latest/user-data", nil, 405},
		{"10.0.1.5", "GET", "/latest/api/", nil, 404},
		{"10.0.1.7", "GET", "/latest/meta-data/mac", nil, 403},
		{"10.0.1.7", "PUT", "/latest/api/token", []string{ttlHeader, "60"}, 403},
		{"10.0.1.8", "GET", "/latest/meta-data/mac", nil, 404},
		{"10.0.1.8", "PUT", "/latest/api/token", []string{ttlHeader, "60"}, 404},
	} {
		if w := ask(s, c.from, c.method, c.path, c.header...); w.Code != c.want {
			t.Errorf("%s %s of %s: %d, want %d", c.method, c.path, c.from, w.Code, c.want)
		}
	}
}

// A VPC's server tells nothing of a guest in another VPC that has the same address.
func TestOtherVPC(t *testing.T) {
	g := one()
	g.VPC.ID = "vpc-2"
	s, _ := newServer(t, guests{netip.MustParseAddr("10.0.1.5"): g})
	if w := ask(s, "10.0.1.5", "GET", "/latest/meta-data/mac"); w.Code != 404 {
		t.Errorf("status %d", w.Code)
	}
}

func TestThrottle(t *testing.T) {
	s, clock := newServer(t, guests{netip.MustParseAddr("10.0.1.5"): one(), netip.MustParseAddr("10.0.1.6"): one()})
	n := 0
	for ask(s, "10.0.1.5", "GET", "/latest/meta-data/mac").Code == 200 {
		if n++; n > 10000 {
			t.Fatal("never throttled")
		}
	}
	if w := ask(s, "10.0.1.5", "GET", "/latest/meta-data/mac"); w.Code != 503 {
		t.Errorf("throttled: %d", w.Code)
	}
	if w := ask(s, "10.0.1.6", "GET", "/latest/meta-data/mac"); w.Code != 200 {
		t.Errorf("another guest: %d", w.Code)
	}
	clock.advance(time.Second)
	if w := ask(s, "10.0.1.5", "GET", "/latest/meta-data/mac"); w.Code != 200 {
		t.Errorf("a second later: %d", w.Code)
	}
}

func TestShortKey(t *testing.T) {
	if _, err := metadata.New(metadata.Config{Key: []byte("short")}); err == nil {
		t.Error("a short key was taken")
	}
}

func FuzzPath(f *testing.F) {
	for _, p := range []string{"/", "/latest/meta-data/", "//latest", "/latest/../x", "/latest/api/token", "latest", "/\x00", "/latest/meta-data/public-keys/0=laptop"} {
		f.Add("GET", p, "")
		f.Add("PUT", p, "60")
	}
	other := one()
	other.Instance.ID, other.Instance.UserData = "i-secret", []byte("secret")
	f.Fuzz(func(t *testing.T, method, path, ttl string) {
		s, _ := newServer(t, guests{netip.MustParseAddr("10.0.1.5"): one(), netip.MustParseAddr("10.0.1.7"): other})
		r := httptest.NewRequest("GET", "/", nil)
		r.Method, r.URL.Path, r.RemoteAddr = method, path, "10.0.1.5:1"
		r.Header.Set(ttlHeader, ttl)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		switch w.Code {
		case 200, 400, 404, 405:
		default:
			t.Errorf("%q %q: %d", method, path, w.Code)
		}
		if strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%q %q told of another guest", method, path)
		}
	})
}
