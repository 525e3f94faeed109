package gateway_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/gateway"
	"github.com/vauban-cloud/vauban/gateway/wire"
)

// TestShutdown lets requests under way finish, and nobody in.
func TestShutdown(t *testing.T) {
	s := start(t)
	const busy = 5
	answers := make(chan string, busy)
	for range busy {
		go func() {
			response, err := http.DefaultTransport.RoundTrip(s.newRequest(t, query("ec2", stopInstances)))
			if err != nil {
				answers <- err.Error()
				return
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil || response.StatusCode != 200 {
				answers <- string(body)
				return
			}
			answers <- "ok"
		}()
		<-s.compute.entered
	}
	s.stop()
	refused := false
	for deadline := time.Now().Add(patience); !refused && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		conn, err := net.Dial("tcp", s.address)
		if refused = err != nil; !refused {
			conn.Close()
		}
	}
	if !refused {
		t.Error("new connections are still accepted")
	}
	select {
	case err := <-s.stopped:
		t.Fatalf("Serve returned with requests under way: %v", err)
	default:
	}
	close(s.compute.release)
	for range busy {
		if answer := <-answers; answer != "ok" {
			t.Error(answer)
		}
	}
	if err := <-s.stopped; err != nil {
		t.Error(err)
	}
}

// TestShutdownDeadline cuts off what does not finish, and says so.
func TestShutdownDeadline(t *testing.T) {
	s := start(t, func(c *gateway.Config) { c.ShutdownTimeout = 100 * time.Millisecond })
	defer close(s.compute.release)
	go http.DefaultTransport.RoundTrip(s.newRequest(t, query("ec2", stopInstances)))
	<-s.compute.entered
	s.stop()
	select {
	case err := <-s.stopped:
		if err == nil || !strings.Contains(err.Error(), "cut off") {
			t.Errorf("%v, want an error", err)
		}
	case <-time.After(patience):
		t.Error("Serve goes on")
	}
}

// TestShutdownUnderLoad loses no answer of a request that was carried out.
func TestShutdownUnderLoad(t *testing.T) {
	s := start(t)
	var answered atomic.Int64
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			for {
				// One try a connection and request: the transport must not repeat any.
				r := s.newRequest(t, query("sts", identity))
				r.GetBody = nil
				response, err := transport.RoundTrip(r)
				if err != nil {
					return
				}
				_, err = io.Copy(io.Discard, response.Body)
				response.Body.Close()
				if err != nil || response.StatusCode != 200 {
					t.Errorf("status %d: %v", response.StatusCode, err)
					return
				}
				answered.Add(1)
			}
		})
	}
	for answered.Load() < 500 {
		time.Sleep(time.Millisecond)
	}
	s.stop()
	if err := <-s.stopped; err != nil {
		t.Error(err)
	}
	clients.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if carriedOut := int64(len(s.records)); carriedOut != answered.Load() {
		t.Errorf("%d requests were carried out, %d answers arrived", carriedOut, answered.Load())
	}
}

// TestServeError reports a listener that breaks.
func TestServeError(t *testing.T) {
	g, err := gateway.New(gateway.Config{Region: region, Credentials: keys{}, Endpoints: []gateway.Endpoint{{API: &wire.Service{Name: "none"}}}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := g.Serve(t.Context(), l); err == nil {
		t.Error("no error")
	}
}

// TestRefusedBeforeBody asks leave to send a body, and does not wait for the answer that
// nobody may.
func TestRefusedBeforeBody(t *testing.T) {
	s := start(t)
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "PUT /b/k HTTP/1.1\r\nHost: s3.localhost\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusForbidden || !response.Close {
		t.Errorf("%s, and the connection is to be closed: %v", response.Status, response.Close)
	}
}

// TestContinueWithoutBody asks leave to send a body of no bytes, twice on a connection.
func TestContinueWithoutBody(t *testing.T) {
	s := start(t)
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	for range 2 {
		if _, err := io.WriteString(conn, "PUT /b/k HTTP/1.1\r\nHost: s3.localhost\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		line, err := r.ReadString('\n')
		if blank, _ := r.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" || blank != "\r\n" {
			t.Fatalf("first %q, then %q, %v", line, blank, err)
		}
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusForbidden {
			t.Fatalf("%s, %v", response.Status, err)
		}
		response.Body.Close()
	}
}
