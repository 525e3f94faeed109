// Package gateway is the one door to every service: it listens, finds the
// service and operation that a request is for, proves who sent it, hands the
// decoded input to the bound method, and encodes the answer or the error.
//
// It guarantees that a method is called only for a caller whose signature over
// the whole request was verified, with that caller in the context, but for the
// operations that an endpoint declares anonymous, and those of an open endpoint,
// which has policy decide about callers who are nobody; that every
// request is answered with its ID, in its protocol's words, and leaves one log
// line (of S3, what succeeded does so only for debugging) and one audit record; that errors which are not meant for callers stay
// inside; and that slow, oversized, malformed or too many requests cost bounded
// memory and time. A panic of a method ends its request, not the server.
//
// It does not decide what a caller may do: services ask policy. It does not stop
// an identical request from being sent twice within its 15 minutes, as AWS does
// not: services have client tokens for that.
package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/gateway/sigv4"
	"github.com/vauban-cloud/vauban/gateway/wire"
)

// Credentials finds what access keys stand for.
type Credentials interface {
	// Lookup returns what an access key stands for, together with the session
	// token that came with it (empty: none). It fails with ErrUnknownKey,
	// ErrWrongToken or ErrExpiredToken. The gateway fills in those fields of the
	// caller that describe the request, AccessKey among them.
	Lookup(ctx context.Context, accessKeyID, sessionToken string) (Credential, error)
}

// Credential is what an access key stands for.
type Credential struct {
	Secret string
	Caller cloud.Caller
	// Suspended: the account may make no calls. The caller learns of it once the
	// signature was verified.
	Suspended bool
}

// What Credentials say of a key that may not sign.
var (
	ErrUnknownKey   = errors.New("unknown access key")
	ErrWrongToken   = errors.New("session token is not the access key's")
	ErrExpiredToken = errors.New("session token has expired")
)

// Endpoint ties an API to what implements it. An operation that Impl has no
// method for is answered as not supported; Impl may be nil.
type Endpoint struct {
	API  *wire.Service
	Impl any
	// Anonymous are the operations that need no signature, because something else
	// in the request proves who sent it.
	Anonymous []string
	// Open lets every operation be called without a signature, by the anonymous
	// caller; what that one may do is the service's to decide.
	Open bool
	// Web is what the service has beside its operations; nil: nothing.
	Web Web
}

// Config says what to serve. Region, Endpoints and Credentials are required;
// the zero of any other field means the default that its comment gives.
type Config struct {
	Region      string
	Endpoints   []Endpoint
	Credentials Credentials

	Log   *slog.Logger                  // slog.Default()
	Now   func() time.Time              // time.Now
	Audit func(context.Context, Record) // called at the end of every request; nothing
	Rate  float64                       // requests a second that an account may make, a hundred times as many of S3, see DefaultRate; no limit
	Burst int                           // requests that an account may make at once; twice Rate
	Base  string                        // domain whose subdomains name services and buckets; "localhost"

	MaxBody int64 // bytes of a request's body that is not streamed; 1 MiB
	// MaxDocument is the same for S3, whose lists may have 10,000 parts with their
	// checksums, or 1,000 keys of 1,024 bytes that must all be escaped; 6 MiB.
	MaxDocument     int64
	MaxHeader       int           // bytes of a request's head; 64 KiB
	MaxConnections  int           // open at once; 2048
	HeaderTimeout   time.Duration // from the first byte of a head to its last; 10 s
	BodyTimeout     time.Duration // for the whole body; 30 s, and more for streams
	WriteTimeout    time.Duration // for the whole answer; 60 s, and more for long ones
	IdleTimeout     time.Duration // between the requests of a connection; 2 min
	ShutdownTimeout time.Duration // for requests under way when Serve is told to end; 30 s
}

// DefaultRate is a generous Rate: what no honest client reaches.
const DefaultRate = 1000

// bulkRate is how many times as many requests of S3 an account may make: an object
// a request is what S3 is for.
const bulkRate = 100

// Gateway serves. It is safe for concurrent use.
type Gateway struct {
	cfg       Config
	verifier  *sigv4.Verifier
	limiter   *limiter             // nil: no limit
	bulk      *limiter             // of S3, which moves data, not machines; nil: no limit
	endpoints map[string]*endpoint // by API.Name
	order     []*endpoint          // as configured
	newID     func() string        // of requests
}

// endpoint is an Endpoint, made ready.
type endpoint struct {
	api      *wire.Service
	scope    sigv4.Scope
	handlers map[string]wire.Handler // by operation; absent: not supported
	unsigned []string                // operations that need no signature
	open     bool                    // none does
	web      Web                     // nil: none
}

// objects reports whether the endpoint has the ways of S3: its signatures, its
// words, its rates.
func (e *endpoint) objects() bool { return e.api.Name == s3 || e.api.Name == s3Control }

// New returns a gateway, or says what is wrong with the configuration.
func New(cfg Config) (*Gateway, error) {
	if cfg.Region == "" || len(cfg.Endpoints) == 0 || cfg.Credentials == nil {
		return nil, errors.New("configure the gateway: region, endpoints and credentials are required")
	}
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Base = cmp.Or(cfg.Base, "localhost")
	cfg.MaxBody = cmp.Or(cfg.MaxBody, 1<<20)
	cfg.MaxDocument = cmp.Or(cfg.MaxDocument, 6<<20)
	cfg.MaxHeader = cmp.Or(cfg.MaxHeader, 64<<10)
	cfg.MaxConnections = cmp.Or(cfg.MaxConnections, 2048)
	cfg.HeaderTimeout = cmp.Or(cfg.HeaderTimeout, 10*time.Second)
	cfg.BodyTimeout = cmp.Or(cfg.BodyTimeout, 30*time.Second)
	cfg.WriteTimeout = cmp.Or(cfg.WriteTimeout, time.Minute)
	cfg.IdleTimeout = cmp.Or(cfg.IdleTimeout, 2*time.Minute)
	cfg.ShutdownTimeout = cmp.Or(cfg.ShutdownTimeout, 30*time.Second)

	g := &Gateway{cfg: cfg, verifier: sigv4.NewVerifier(cfg.Now), endpoints: make(map[string]*endpoint), newID: newRequestID}
	if cfg.Rate > 0 {
		burst := cmp.Or(cfg.Burst, int(2*cfg.Rate))
		g.limiter = newLimiter(cfg.Rate, burst, cfg.Now)
		g.bulk = newLimiter(bulkRate*cfg.Rate, bulkRate*burst, cfg.Now)
	}
	for _, e := range cfg.Endpoints {
		if g.endpoints[e.API.Name] != nil {
			return nil, fmt.Errorf("configure the gateway: two endpoints are named %q", e.API.Name)
		}
		ready := bind(e, cfg.Region)
		g.endpoints[e.API.Name] = ready
		g.order = append(g.order, ready)
	}
	return g, nil
}

// bind finds the methods of an endpoint's implementation.
func bind(e Endpoint, region string) *endpoint {
	b := &endpoint{api: e.API, scope: sigv4.Scope{Service: e.API.Name, Regions: []string{region}}, handlers: make(map[string]wire.Handler), unsigned: e.Anonymous, open: e.Open, web: e.Web}
	if e.API.Name == s3Control {
		b.scope.Service = s3 // what its clients sign for
	}
	if e.API.Global {
		// Clients sign for the region where AWS has these services.
		b.scope.Regions = append(b.scope.Regions, "us-east-1", "aws-global")
	}
	for _, op := range e.API.Operations {
		if h := op.Bind(e.Impl); h != nil {
			b.handlers[op.Name] = h
		}
	}
	return b
}
