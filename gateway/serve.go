package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
)

// vpcKey finds, in the context of a request, the VPC that it came from: a vpcWay.
type vpcKey struct{}

type vpcWay struct {
	vpc      string
	endpoint func(source string) string
}

// ServeVPC is Serve for a listener in a VPC: callers are told apart by it, because
// the addresses of one VPC may be those of another.
// endpoint says which VPC endpoint a guest's requests come through; nil if the listener is
// no endpoint's.
func (g *Gateway) ServeVPC(ctx context.Context, vpc string, endpoint func(source string) string, l net.Listener) error {
	return g.Serve(context.WithValue(ctx, vpcKey{}, vpcWay{vpc, endpoint}), l)
}

// Serve answers the requests of a listener until ctx ends; then it closes the
// listener, lets requests under way finish within the shutdown timeout, and
// returns nil. Requests that take longer are cut off, which is an error.
func (g *Gateway) Serve(ctx context.Context, l net.Listener) error { return g.serve(ctx, l, nil) }

// ServeTLS is Serve over TLS. It speaks HTTP/1.1 only, as S3 does at AWS: what bounds
// requests counts connections.
func (g *Gateway) ServeTLS(ctx context.Context, l net.Listener, with *Certificate) error {
	return g.serve(ctx, l, with)
}

// serve has no certificate for plain HTTP.
func (g *Gateway) serve(ctx context.Context, l net.Listener, with *Certificate) error {
	connections := newConnections(l, g.cfg.MaxConnections)
	rest := newHandover(l)
	server := &http.Server{
		Handler:           g,
		ReadHeaderTimeout: g.cfg.HeaderTimeout,
		IdleTimeout:       g.cfg.IdleTimeout,
		MaxHeaderBytes:    g.cfg.MaxHeader,
		ConnState:         connections.track,
		ConnContext:       func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
		Protocols:         new(http.Protocols),
		ErrorLog:          slog.NewLogLogger(g.cfg.Log.Handler(), slog.LevelWarn),
		// A request under way does not end with the server's own context.
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	server.Protocols.SetHTTP1(true)
	first := &plain{Gateway: g, from: connections, rest: rest, ctx: context.WithoutCancel(ctx), open: map[*conn]bool{}}
	served, accepted := make(chan error, 1), make(chan error, 1)
	if with != nil {
		server.TLSConfig = with.config()
		go func() {
			accepted <- server.ServeTLS(connections, "", "")
			served <- http.ErrServerClosed
		}()
	} else {
		go func() { served <- server.Serve(rest) }()
		go func() { accepted <- first.accept() }()
	}
	var broken error
	select {
	case broken = <-accepted:
	case <-ctx.Done():
		l.Close()  //nolint:errcheck // nobody is told
		<-accepted //nolint:errcheck // that it is closed
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.cfg.ShutdownTimeout)
	defer cancel()
	if err := errors.Join(first.end(grace), server.Shutdown(grace)); err != nil {
		return errors.Join(fmt.Errorf("stop serving %s: requests were cut off after %s: %w", l.Addr(), g.cfg.ShutdownTimeout, err), server.Close())
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		broken = errors.Join(broken, err)
	}
	if broken != nil {
		return fmt.Errorf("serve %s: %w", l.Addr(), broken)
	}
	return nil
}
