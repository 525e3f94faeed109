package gateway

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"time"
)

// plainWriter is the answer to a plain request, in the form that net/http would give it, but that no
// Content-Type is guessed: all that have a body say theirs. It keeps what is written until that
// is too much: a small answer leaves in one piece. One goroutine has it.
type plainWriter struct {
	c      *conn
	head   bool       // no body is sent, whatever is written
	body   *plainBody // of the request; nil if it has none
	header http.Header

	status  int            // 0 until WriteHeader
	length  int64          // of the body; -1: unknown yet
	written int64          // of it
	buf     []byte         // not sent yet: the head if it is written, and some body
	room    *heldBuffer    // whose memory buf has; nil until WriteHeader
	chunks  io.WriteCloser // of a body of unknown length; nil until it is too long to wait for its end
	began   bool           // the head is written
	closing bool           // the connection is not good for another request
	err     error          // the first of the connection
}

func newPlainWriter(c *conn, head bool, body *plainBody) *plainWriter {
	return &plainWriter{c: c, head: head, body: body, header: make(http.Header, usualFields), length: -1}
}

// free gives back the memory. Nothing is written after it.
func (w *plainWriter) free() {
	if w.room != nil {
		heldBuffers.Put(w.room)
	}
	w.buf, w.room, w.err = nil, nil, http.ErrHandlerTimeout
}

// Header returns the headers to send.
func (w *plainWriter) Header() http.Header { return w.header }

// SetReadDeadline is for http.ResponseController.
func (w *plainWriter) SetReadDeadline(t time.Time) error { return w.c.SetReadDeadline(t) }

// SetWriteDeadline is for http.ResponseController.
func (w *plainWriter) SetWriteDeadline(t time.Time) error { return w.c.Conn.SetWriteDeadline(t) }

// WriteHeader begins the answer.
func (w *plainWriter) WriteHeader(status int) {
	if w.status != 0 || status < http.StatusOK { // there is nothing to say before
		return
	}
	w.status = status
	w.room = heldBuffers.Get().(*heldBuffer) // not before: many requests wait for disks
	w.buf = w.room[:0]
	if text := w.header.Get("Content-Length"); text != "" {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
			w.length = n
		} else {
			delete(w.header, "Content-Length")
		}
	}
	if !w.bodied() || w.length >= 0 {
		w.begin()
	}
}

// bodied reports whether answers of the status have a body.
func (w *plainWriter) bodied() bool {
	return w.status != http.StatusNoContent && w.status != http.StatusNotModified
}

// begin writes the head, before what is kept of the body.
func (w *plainWriter) begin() {
	w.began = true
	kept := w.buf
	if len(kept) > 0 {
		kept = append([]byte(nil), kept...)
	}
	b := append(w.buf[:0], "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(w.status), 10)
	b = append(append(append(b, ' '), http.StatusText(w.status)...), "\r\n"...)
	if !w.bodied() {
		delete(w.header, "Content-Length")
		if w.status == http.StatusNotModified {
			delete(w.header, "Content-Type")
		}
	}
	// A body that nobody read is skipped first, if it is short: its client may still be sending, and
	// not read.
	if w.closing = w.header.Get("Connection") == "close" || !w.body.skip(); w.closing {
		w.header["Connection"] = []string{"close"}
	}
	if _, dated := w.header["Date"]; !dated {
		b = append(time.Now().UTC().AppendFormat(append(b, "Date: "...), http.TimeFormat), "\r\n"...)
	}
	w.buf = b
	w.header.Write((*plainBuffer)(&w.buf)) //nolint:errcheck // it does not fail
	w.buf = append(append(w.buf, "\r\n"...), kept...)
}

// plainBuffer is bytes to append to, as headers are written to.
type plainBuffer []byte

// Write appends.
func (b *plainBuffer) Write(p []byte) (int, error) { *b = append(*b, p...); return len(p), nil }

// WriteString appends.
func (b *plainBuffer) WriteString(s string) (int, error) { *b = append(*b, s...); return len(s), nil }

// Write adds to the body.
func (w *plainWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	w.written += int64(len(p))
	switch {
	case w.err != nil:
		return 0, w.err
	case !w.bodied():
		return 0, http.ErrBodyNotAllowed
	case w.length >= 0 && w.written > w.length:
		w.written -= int64(len(p))
		return 0, http.ErrContentLength
	case w.head:
		return len(p), nil
	case w.chunks != nil:
		return w.chunks.Write(p)
	case len(w.buf)+len(p) <= maxHeld:
		w.buf = append(w.buf, p...)
		return len(p), nil
	case !w.began:
		w.chunk()
		return w.chunks.Write(p)
	}
	return w.send(p)
}

// chunk begins a body whose length nobody knows.
func (w *plainWriter) chunk() {
	kept := append([]byte(nil), w.buf...)
	w.header["Transfer-Encoding"] = []string{"chunked"}
	w.buf = w.buf[:0]
	w.begin()
	w.chunks = httputil.NewChunkedWriter(writerFunc(w.send))
	if len(kept) > 0 {
		w.chunks.Write(kept) //nolint:errcheck // the next fails as well
	}
}

// writerFunc is a function as a writer.
type writerFunc func(p []byte) (int, error)

// Write calls it.
func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// send sends what is kept, and p. It counts the bytes of p.
func (w *plainWriter) send(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	var n int64
	kept := w.buf
	w.buf = w.buf[:0]
	switch {
	case len(p) == 0 && len(kept) == 0:
	case len(p) == 0:
		_, w.err = w.c.Conn.Write(kept)
	default:
		pieces := net.Buffers{kept, p}
		n, w.err = pieces.WriteTo(w.c.Conn)
		n = max(0, n-int64(len(kept)))
	}
	return int(n), w.err
}

// errShortAnswer says that less was written than the head has said.
var errShortAnswer = errors.New("the answer is shorter than its Content-Length")

// finish sends the rest of the answer, and reports whether the connection is good for
// another request: both bodies are at their ends.
func (w *plainWriter) finish() bool {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case w.chunks != nil:
		w.chunks.Close()       //nolint:errcheck // it is in w.err
		w.send([]byte("\r\n")) //nolint:errcheck // likewise
	case !w.began:
		if !w.head || w.written > 0 {
			w.header["Content-Length"] = []string{strconv.FormatInt(w.written, 10)}
		}
		w.begin()
	}
	w.send(nil) //nolint:errcheck // it is in w.err
	if w.err == nil && !w.head && w.length >= 0 && w.written < w.length && w.bodied() {
		w.err = errShortAnswer
	}
	return w.err == nil && !w.closing
}
