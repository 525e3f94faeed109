package metadata_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/node/metadata"
)

// keeper remembers the connections that it accepted.
type keeper struct {
	net.Listener
	conns chan net.Conn
}

func (k keeper) Accept() (net.Conn, error) {
	c, err := k.Listener.Accept()
	if err == nil {
		k.conns <- c
	}
	return c, err
}

// listen serves the guest on loopback until the test ends.
func listen(t *testing.T, g metadata.Guest) (addr string, conns chan net.Conn) {
	t.Helper()
	s, err := metadata.New(metadata.Config{
		VPC: "vpc-1", Place: cloud.DefaultPlace(), Source: guests{netip.MustParseAddr("127.0.0.1"): g}, Key: bytes.Repeat([]byte{7}, 32),
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	conns = make(chan net.Conn, 1000)
	go func() { done <- s.Serve(ctx, keeper{l, conns}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return l.Addr().String(), conns
}

func TestHopLimit(t *testing.T) {
	g := one()
	g.Instance.Metadata.HopLimit = 3
	addr, conns := listen(t, g)
	c, err := net.Dial("tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	server := <-conns
	in := bufio.NewReader(c)
	exchange := func(request string) {
		t.Helper()
		io.WriteString(c, request)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		if resp.StatusCode != 200 {
			t.Fatalf("status %d", resp.StatusCode)
		}
	}
	hops := func() int {
		n, err := ipv4.NewConn(server).TTL()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	exchange("GET /latest/meta-data/mac HTTP/1.1\r\nHost: x\r\n\r\n")
	if n := hops(); n <= 3 {
		t.Errorf("hops before a token was asked for: %d", n)
	}
	exchange("PUT /latest/api/token HTTP/1.1\r\nHost: x\r\n" + ttlHeader + ": 60\r\n\r\n")
	exchange("GET /latest/meta-data/mac HTTP/1.1\r\nHost: x\r\n\r\n")
	if n := hops(); n != 3 {
		t.Errorf("hops after: %d, want 3", n)
	}
}

func TestConnectionLimit(t *testing.T) {
	addr, _ := listen(t, one())
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	request := func() error {
		c, err := net.Dial("tcp4", addr)
		if err != nil {
			return err
		}
		open = append(open, c)
		fmt.Fprint(c, "GET /latest/meta-data/mac HTTP/1.1\r\nHost: x\r\n\r\n")
		_, err = http.ReadResponse(bufio.NewReader(c), nil)
		return err
	}
	var err error
	for range 100 {
		if err = request(); err != nil {
			break
		}
	}
	if err == nil || len(open) < 10 {
		t.Fatalf("%d connections, last: %v", len(open), err)
	}
	for _, c := range open {
		c.Close()
	}
	open = nil
	deadline := time.Now().Add(5 * time.Second)
	for request() != nil {
		if time.Now().After(deadline) {
			t.Fatal("no connection after all were closed")
		}
	}
}

func TestLargeHeader(t *testing.T) {
	addr, _ := listen(t, one())
	r, _ := http.NewRequest("GET", "http://"+addr+"/latest/meta-data/mac", nil)
	r.Header.Set("X", strings.Repeat("x", 64<<10))
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return // the server may close before the request is out
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", resp.StatusCode)
	}
}
