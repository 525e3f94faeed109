package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/gateway"
)

// patience is how long these tests wait for what should take a fraction of it.
const patience = 5 * time.Second

func (s *server) dial(t testing.TB) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// head returns the head of a signed request, as it goes over the wire.
func (s *server) head(t testing.TB, c call) string {
	t.Helper()
	r := s.newRequest(t, c)
	var b strings.Builder
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(b.String(), "\r\n\r\n")
	return head + "\r\n\r\n"
}

// closed reports whether the server closes the connection in time.
func closed(conn net.Conn) bool {
	_, err := io.Copy(io.Discard, conn)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

func TestSlowHeader(t *testing.T) {
	s := start(t, func(c *gateway.Config) { c.HeaderTimeout = 200 * time.Millisecond })
	conn := s.dial(t)
	done := make(chan bool)
	go func() { done <- closed(conn) }()
	began := time.Now()
	for _, ch := range "GET / HTTP/1.1\r\nHost: localhost\r\nX-Endless: " + strings.Repeat("x", 1000) {
		if _, err := conn.Write([]byte(string(ch))); err != nil {
			break // closed while we write, as it should be
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !<-done || time.Since(began) > patience {
		t.Fatalf("open after %s", time.Since(began))
	}
}

func TestSlowBody(t *testing.T) {
	s := start(t, func(c *gateway.Config) { c.BodyTimeout = 200 * time.Millisecond })
	for name, c := range map[string]call{
		"honest caller": query("sts", identity),
		"stranger":      {method: "POST", path: "/", body: identity, service: "sts", key: "AKIANOBODY"},
		"nobody":        {method: "POST", path: "/", body: identity},
		"page":          {method: "GET", path: "/healthz", body: identity},
		"s3":            {method: "PUT", path: "/b/k", body: identity, service: "s3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := s.dial(t)
			io.WriteString(conn, s.head(t, c)+"A")
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			switch name {
			case "honest caller":
				if response.StatusCode != 408 || !strings.Contains(string(body), "<Code>RequestTimeout</Code>") {
					t.Errorf("status %d: %s", response.StatusCode, body)
				}
			case "s3":
				if response.StatusCode != 400 || !strings.Contains(string(body), "<Code>RequestTimeout</Code>") {
					t.Errorf("status %d: %s", response.StatusCode, body)
				}
			}
			if !closed(conn) {
				t.Error("the connection stays open")
			}
		})
	}
}

func TestOversized(t *testing.T) {
	s := start(t, func(c *gateway.Config) { c.MaxBody, c.MaxDocument, c.MaxHeader = 1000, 2000, 8000 })
	for name, test := range map[string]struct {
		call   call
		status int
		want   string
	}{
		"query":     {query("sts", identity+"&x="+strings.Repeat("x", 1000)), 413, "<Code>RequestEntityTooLarge</Code><Message>Request is too long"},
		"ec2":       {query("ec2", strings.Repeat("x", 1001)), 413, "<Code>RequestEntityTooLarge</Code>"},
		"json":      {jsonCall("kms", "TrentService.ListKeys", strings.Repeat(" ", 1001)), 413, "RequestEntityTooLargeException"},
		"s3":        {call{method: "PUT", path: "/b?policy", service: "s3", body: strings.Repeat("x", 2001)}, 400, "<Code>EntityTooLarge</Code>"},
		"s3 stream": {call{method: "PUT", path: "/b/k", service: "s3", body: strings.Repeat("x", 1001)}, 200, ""},
		"chunked":   {call{method: "POST", path: "/", service: "sts", body: strings.Repeat("x", 1001), edit: func(r *http.Request) { r.ContentLength = -1; r.Header.Del("Content-Length") }}, 413, "<Code>RequestEntityTooLarge</Code>"},
		"unsigned":  {call{method: "POST", path: "/", body: identity + strings.Repeat("x", 1000)}, 403, "<Code>MissingAuthenticationToken</Code>"},
		"header":    {call{method: "GET", path: "/", header: map[string]string{"X-Long": strings.Repeat("x", 20000)}}, 431, ""},
		"address":   {call{method: "GET", path: "/?" + strings.Repeat("x", 20000)}, 431, ""},
		"just fits": {query("sts", identity+strings.Repeat("&", 1000-len(identity))), 200, "<Account>"},
	} {
		t.Run(name, func(t *testing.T) {
			response, body := s.do(t, test.call)
			if response.StatusCode != test.status || !strings.Contains(body, test.want) {
				t.Errorf("status %d: %s; want %d, %s", response.StatusCode, body, test.status, test.want)
			}
		})
	}
}

// TestTruncatedBody ends before its Content-Length.
func TestTruncatedBody(t *testing.T) {
	s := start(t)
	conn := s.dial(t)
	io.WriteString(conn, s.head(t, query("sts", identity))+identity[:10])
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(response.Body); response.StatusCode != 400 || !strings.Contains(string(body), "terminated unexpectedly") {
		t.Errorf("status %d: %s", response.StatusCode, body)
	}
}

// TestIdleConnections opens many more connections than there is room for:
// those that wait longest are closed, and honest callers are served meanwhile.
func TestIdleConnections(t *testing.T) {
	const room, crowd = 50, 2000
	s := start(t, func(c *gateway.Config) { c.MaxConnections = room })
	gone := make(chan struct{}, crowd)
	for i := range crowd {
		conn := s.dial(t)
		if i%2 == 0 {
			io.WriteString(conn, "GET / HTTP/1.1\r\nHost: ") // begins, and says no more
		}
		go func() {
			io.Copy(io.Discard, conn)
			gone <- struct{}{}
		}()
		if i%100 == 0 {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			response, err := client.Do(s.newRequest(t, query("sts", identity)))
			if err != nil {
				t.Fatalf("with %d connections: %v", i, err)
			}
			response.Body.Close()
			if response.StatusCode != 200 {
				t.Fatalf("with %d connections: status %d", i, response.StatusCode)
			}
		}
	}
	timeout := time.After(patience)
	for i := range crowd - room {
		select {
		case <-gone:
		case <-timeout:
			t.Fatalf("%d connections of %d were closed, want %d", i, crowd, crowd-room)
		}
	}
}

// TestBusyConnections has no room at all: who comes is turned away, who is
// there is served.
func TestBusyConnections(t *testing.T) {
	s := start(t, func(c *gateway.Config) { c.MaxConnections = 2 })
	answers := make(chan int, 2)
	for range 2 {
		conn := s.dial(t)
		io.WriteString(conn, s.head(t, query("ec2", stopInstances))+stopInstances)
		<-s.compute.entered
		go func() {
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				answers <- 0
				return
			}
			answers <- response.StatusCode
		}()
	}
	third := s.dial(t)
	if n, err := third.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Fatalf("the third connection got %d bytes, error %v", n, err)
	}
	close(s.compute.release)
	for range 2 {
		if status := <-answers; status != 200 {
			t.Errorf("status %d", status)
		}
	}
}

const stopInstances = "Action=StopInstances&Version=2016-11-15&InstanceId.1=i-1"

func TestIdleTimeout(t *testing.T) {
	s := start(t, func(c *gateway.Config) { c.IdleTimeout = 100 * time.Millisecond })
	conn := s.dial(t)
	fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n", s.address)
	if !closed(conn) {
		t.Error("the connection stays open")
	}
}

func TestKeepAlive(t *testing.T) {
	s := start(t)
	client := &http.Client{Transport: &http.Transport{}}
	for i, c := range []call{query("sts", identity), query("sts", "Action=Dance"), {method: "POST", path: "/", body: identity}, query("ec2", "Action=DescribeVolumes&Version=2016-11-15"), query("sts", identity)} {
		var reused bool
		ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused }})
		response, err := client.Do(s.newRequest(t, c).WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if reused != (i > 0) {
			t.Errorf("request %d: connection reused: %t", i, reused)
		}
	}
}

// flood answers with more than sockets buffer.
type flood struct{}

func (flood) DescribeRegions(context.Context, *ec2.DescribeRegionsRequest) (*ec2.DescribeRegionsResult, error) {
	name := strings.Repeat("x", 32<<20)
	return &ec2.DescribeRegionsResult{Regions: []ec2.Region{{RegionName: &name}}}, nil
}

func TestSlowReader(t *testing.T) {
	s := start(t, func(c *gateway.Config) {
		c.WriteTimeout, c.Endpoints = 200*time.Millisecond, []gateway.Endpoint{{API: ec2.API(), Impl: flood{}}}
	})
	body := "Action=DescribeRegions&Version=2016-11-15"
	conn := s.dial(t)
	io.WriteString(conn, s.head(t, query("ec2", body))+body)
	if record := s.last(t, 1); record.Code != "RequestAborted" {
		t.Errorf("record %+v", record)
	}
	if !closed(conn) {
		t.Error("the connection stays open")
	}
}

// TestHugeContentLength is refused by its word, before anything is set aside for it.
func TestHugeContentLength(t *testing.T) {
	s := start(t)
	conn := s.dial(t)
	head := s.head(t, query("sts", identity))
	head = strings.Replace(head, "Content-Length: 43", "Content-Length: 999999999999999", 1)
	if !strings.Contains(head, "99999") {
		t.Fatal(head)
	}
	io.WriteString(conn, head)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != 413 {
		t.Errorf("status %d", response.StatusCode)
	}
}
