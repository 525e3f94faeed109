// Package metadata is the instance metadata service of one VPC: what a guest
// finds at http://169.254.169.254, in the form that cloud-init and the AWS SDKs
// read (IMDSv2, and v1 where the instance allows it):
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
//
// A guest is told apart by the source address of its connection, so it is told
// nothing of another guest as long as the network lets no port send from
// addresses that are not its own. A token is good for the instance that asked
// for it, and for no other. The service keeps no state that matters: with the
// same key, tokens stay good over a restart.
//
// It does not sign: the identity document has no signature here, and asking for
// one answers 404.
package metadata

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/node/fair"
)

// Source tells who a guest is.
type Source interface {
	// Guest returns the facts of the instance that holds the private or IPv6 address
	// in the VPC; false if there is none.
	Guest(ctx context.Context, vpcID string, address netip.Addr) (Guest, bool)
}

// Guest is all that the service knows of an instance.
type Guest struct {
	Instance   cloud.Instance
	Interfaces []cloud.NetworkInterface // attached ones, by device index
	VPC        cloud.VPC
	Subnets    map[string]cloud.Subnet        // by ID: those of the interfaces
	Groups     map[string]cloud.SecurityGroup // by ID: those of the interfaces
	Volumes    []cloud.Volume                 // attached ones, the root volume first
	Image      cloud.Image
	Key        *cloud.KeyPair // nil if the instance has none
	Profile    *Profile       // nil if the instance has none
}

// Profile is the instance profile of an instance.
type Profile struct {
	ARN, ID string
	Since   time.Time // of the association
	Deleted bool
	// RoleID and Role, its name, are empty if the profile carries none.
	RoleID, Role string
}

// Config is what a server needs.
type Config struct {
	VPC    string
	Place  cloud.Place
	Source Source
	Key    []byte // seals tokens, at least 32 random bytes, kept secret; the same for all servers of a host
	// Credentials makes credentials of the role that an instance has, new ones at
	// each call; see node.View. It is asked only about instances with a role.
	Credentials func(ctx context.Context, instance, delivery string) (cloud.Credentials, error)
	Now         func() time.Time // nil for time.Now
	Log         *slog.Logger     // nil for slog.Default()
}

// Limits of one guest, and of all. A boot of cloud-init makes some 100 requests.
const (
	requestRate  = 100 // requests a second, lasting
	requestBurst = 500
	guestConns   = 32 // connections at once
	allConns     = 1024
)

// Server is the service of one VPC. Create it with New.
type Server struct {
	cfg Config

	conns *fair.Gate

	mu    sync.Mutex
	rates map[netip.Addr]*rate.Limiter // guarded by mu; by source address

	roles roleCache
}

// New returns the server of a VPC.
func New(cfg Config) (*Server, error) {
	if len(cfg.Key) < 32 {
		return nil, errors.New("key of the metadata service is shorter than 32 bytes")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Server{cfg: cfg, conns: fair.NewGate(guestConns, allConns), rates: map[netip.Addr]*rate.Limiter{}}, nil
}

// Serve answers on the listener, which it closes, until ctx ends; then it
// returns nil. Requests under way get a second to finish.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    8 << 10,
		ConnContext:       func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
	srv.Protocols = new(http.Protocols)
	srv.Protocols.SetHTTP1(true)

	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if srv.Shutdown(patience) != nil {
			srv.Close() //nolint:errcheck // the guest was told to hurry
		}
	})
	err := srv.Serve(s.conns.Listener(l))
	if !stop() {
		<-stopped
		return nil
	}
	return err
}

// allowed takes one request off the address's allowance. Addresses that rest are
// forgotten when there are many.
func (s *Server) allowed(from netip.Addr) bool {
	now := s.cfg.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.rates[from]
	if l == nil {
		if len(s.rates) >= 1024 {
			maps.DeleteFunc(s.rates, func(_ netip.Addr, l *rate.Limiter) bool { return l.TokensAt(now) >= requestBurst })
		}
		l = rate.NewLimiter(requestRate, requestBurst)
		s.rates[from] = l
	}
	return l.AllowN(now, 1)
}
