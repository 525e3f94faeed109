package s3load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http/httputil"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Result is what a run did.
type Result struct {
	Done    int // requests that were answered, the first of those given
	Took    time.Duration
	Latency []time.Duration // of each, in no order
}

// Rate is requests a second.
func (r Result) Rate() float64 { return float64(r.Done) / r.Took.Seconds() }

// Quantile returns the q-quantile of the latencies, by the nearest rank.
func (r Result) Quantile(q float64) time.Duration {
	slices.Sort(r.Latency)
	return r.Latency[min(len(r.Latency)-1, int(q*float64(len(r.Latency))))]
}

// Run has so many clients send requests, one after another, until all were sent or
// the time is over; with again, the list begins anew at its end.
func (s Server) Run(ctx context.Context, clients int, requests []Request, again bool, span time.Duration) (Result, error) {
	conns := make([]*conn, clients)
	for k := range conns {
		c, err := s.dial(ctx)
		if err != nil {
			return Result{}, err
		}
		defer c.Close() //nolint:errcheck // nothing is under way
		conns[k] = c
	}
	var next atomic.Int64
	latencies := make([][]time.Duration, clients)
	var all errgroup.Group
	begin := time.Now()
	for k, c := range conns {
		all.Go(func() error {
			for now := begin; now.Sub(begin) < span && ctx.Err() == nil; {
				n := int(next.Add(1)) - 1
				if n >= len(requests) && !again {
					break
				}
				if err := c.do(&requests[n%len(requests)]); err != nil {
					return fmt.Errorf("%s: %w", bytes.SplitN(requests[n%len(requests)].head, []byte("\r\n"), 2)[0], err)
				}
				was := now
				now = time.Now()
				latencies[k] = append(latencies[k], now.Sub(was))
			}
			return nil
		})
	}
	err := all.Wait()
	r := Result{Took: time.Since(begin), Latency: slices.Concat(latencies...)}
	r.Done = len(r.Latency)
	if err == nil && r.Done == 0 {
		err = errors.Join(errors.New("no request was sent"), ctx.Err())
	}
	return r, err
}

// ListAll lists a bucket, page by page, and returns how many keys it has.
func (s Server) ListAll(ctx context.Context, bucket string) (keys int, took time.Duration, err error) {
	c, err := s.dial(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer c.Close() //nolint:errcheck // nothing is under way
	var page bytes.Buffer
	c.into = &page
	begin := time.Now()
	for token := ""; ; {
		page.Reset()
		request := s.List(bucket, token)
		if err := c.do(&request); err != nil {
			return keys, 0, fmt.Errorf("list %s: %w", bucket, err)
		}
		n, err := strconv.Atoi(element(page.Bytes(), "KeyCount"))
		if err != nil {
			return keys, 0, fmt.Errorf("list %s: count the keys of a page: %w", bucket, err)
		}
		keys += n
		if token = element(page.Bytes(), "NextContinuationToken"); token == "" {
			return keys, time.Since(begin), ctx.Err()
		}
	}
}

// element returns the text of an element that is once in a list of keys, before or behind
// its keys.
func element(page []byte, name string) string {
	const around = 2048
	for _, part := range [][]byte{page[:min(around, len(page))], page[max(0, len(page)-around):]} {
		if _, rest, ok := bytes.Cut(part, []byte("<"+name+">")); ok {
			text, _, _ := bytes.Cut(rest, []byte("<"))
			return html.UnescapeString(string(text))
		}
	}
	return ""
}

// conn is a connection of one client.
type conn struct {
	net.Conn
	in   *bufio.Reader
	into io.Writer // where bodies of answers go
	out  [2][]byte
}

func (s Server) dial(ctx context.Context) (*conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, in: bufio.NewReaderSize(c, 128<<10), into: io.Discard}, nil
}

// do sends a request and reads its answer.
func (c *conn) do(r *Request) error {
	if len(r.body) == 0 {
		if _, err := c.Write(r.head); err != nil {
			return err
		}
	} else {
		c.out = [2][]byte{r.head, r.body}
		pieces := net.Buffers(c.out[:])
		if _, err := pieces.WriteTo(c.Conn); err != nil {
			return err
		}
	}
	status, length, chunked, err := c.head()
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if r.bodyless || status == 204 {
		length = 0
	}
	into := c.into
	var problem bytes.Buffer
	if status >= 300 {
		into = &problem
	}
	switch {
	case chunked:
		_, err = io.Copy(into, httputil.NewChunkedReader(c.in))
		if err == nil {
			_, err = c.in.ReadSlice('\n') // behind the last chunk
		}
	case into == io.Discard:
		_, err = c.in.Discard(length)
	default:
		_, err = io.CopyN(into, c.in, int64(length))
	}
	if err == nil && status >= 300 {
		err = fmt.Errorf("status %d: %.300s", status, problem.Bytes())
	}
	return err
}

// head reads the status and how long the body is.
func (c *conn) head() (status, length int, chunked bool, err error) {
	for first := true; ; first = false {
		line, err := c.in.ReadSlice('\n')
		switch {
		case err != nil:
			return 0, 0, false, err
		case first:
			if len(line) < len("HTTP/1.1 200") {
				return 0, 0, false, fmt.Errorf("it begins with %q", line)
			}
			if status, err = strconv.Atoi(string(line[9:12])); err != nil {
				return 0, 0, false, err
			}
		case len(line) == 2:
			return status, length, chunked, nil
		case bytes.EqualFold(line[:min(len(line), 15)], []byte("Content-Length:")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[15:]))); err != nil {
				return 0, 0, false, err
			}
		case bytes.EqualFold(line[:min(len(line), 18)], []byte("Transfer-Encoding:")):
			chunked = bytes.Contains(line, []byte("chunked"))
		}
	}
}
