// Package accesslog writes the accesses to buckets into log objects of the buckets that
// their owners named: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html
//
// It is best effort, as AWS's: lines wait in memory for minutes, and a crash loses
// them; an orderly end does not. Its memory is bounded; what is more is lost, and the
// log of the cloud says so. What it writes is logged nowhere, so a bucket that logs
// into itself does not feed on it.
package accesslog

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/control/delivery"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/store"
)

// Config says where to write.
type Config struct {
	DB      *store.Store
	Objects *object.Store
	Place   cloud.Place
	Owner   func(account string) string // canonical user ID
	Log     *slog.Logger
	Now     func() time.Time

	Every time.Duration // log objects are written so often: 5 minutes
	Most  int           // bytes of lines that may wait, of all buckets: 16 MiB
}

// Writer collects lines, and writes them. It is safe for concurrent use.
type Writer struct {
	Config
	full chan struct{} // much is waiting

	mu     sync.Mutex
	pages  map[place]*bytes.Buffer // guarded by mu
	size   int                     // of all pages; guarded by mu
	lost   int                     // lines; guarded by mu
	behind sync.Mutex              // held by who writes pages out
}

// place is where lines go: a page is of one bucket, one target and one day.
type place struct {
	source, account string // name of the bucket that was accessed, and its owner
	target          cloud.BucketLogging
	day             time.Time // of the events; zero where the time of delivery counts
}

// New returns a Writer.
func New(c Config) *Writer {
	if c.Every == 0 {
		c.Every = 5 * time.Minute
	}
	if c.Most == 0 {
		c.Most = 16 << 20
	}
	return &Writer{Config: c, pages: map[place]*bytes.Buffer{}, full: make(chan struct{}, 1)}
}

var buckets store.Table[cloud.Bucket]

// Note notes an access, if its bucket wants that.
func (w *Writer) Note(b cloud.Bucket, a Access) {
	if b.Logging == nil {
		return
	}
	p := place{source: b.Name, account: b.Account, target: *b.Logging}
	if b.Logging.Partition == "EventTime" {
		p.day = a.Time.UTC().Truncate(24 * time.Hour)
	}
	line := a.line(w.Owner(b.Account), b.Name, w.requester(a.Caller), w.Place.Region)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.size+len(line) > w.Most {
		w.lost++
		return
	}
	page := w.pages[p]
	if page == nil {
		page = &bytes.Buffer{}
		w.pages[p] = page
	}
	page.WriteString(line)
	if w.size += len(line); w.size > w.Most/2 {
		select {
		case w.full <- struct{}{}:
		default:
		}
	}
}

// requester is a caller as the lines name it: a root by its canonical user ID.
func (w *Writer) requester(c cloud.Caller) string {
	switch {
	case c.Account == "":
		return ""
	case c.Type == cloud.PrincipalRoot:
		return w.Owner(c.Account)
	}
	return c.ARN
}

// Run writes log objects until ctx ends. Then Flush writes what is left, once nothing
// is noted any more.
func (w *Writer) Run(ctx context.Context) error {
	tick := time.NewTicker(w.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-w.full:
		}
		if err := w.Flush(ctx); err != nil && ctx.Err() == nil {
			w.Log.Warn("write access logs", "err", err)
		}
	}
}

// Flush writes all that waits. What it could not write waits on, unless its target is
// gone.
func (w *Writer) Flush(ctx context.Context) error {
	w.behind.Lock()
	defer w.behind.Unlock()
	w.mu.Lock()
	pages, lost := w.pages, w.lost
	w.pages, w.lost = map[place]*bytes.Buffer{}, 0
	w.mu.Unlock()
	if lost > 0 {
		w.Log.Error("accesses were not logged: too many waited to be written", "lines", lost)
	}
	var errs []error
	for p, page := range pages {
		if err := w.write(ctx, p, page.Bytes()); err != nil {
			errs = append(errs, fmt.Errorf("log of bucket %s: %w", p.source, err))
			w.back(p, page)
			continue
		}
		w.mu.Lock()
		w.size -= page.Len()
		w.mu.Unlock()
	}
	return errors.Join(errs...)
}

// back puts a page that could not be written before what has come since.
func (w *Writer) back(p place, page *bytes.Buffer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if since := w.pages[p]; since != nil {
		page.Write(since.Bytes())
	}
	w.pages[p] = page
}

// write makes a log object. A target that is gone, or another's by now, gets none.
func (w *Writer) write(ctx context.Context, p place, lines []byte) error {
	target, ok := buckets.Get(w.DB.View(), p.target.Bucket)
	if !ok || target.Account != p.account {
		w.Log.Warn("accesses were not logged: the target bucket is gone", "bucket", p.source, "target", p.target.Name)
		return nil
	}
	err := delivery.Put(ctx, w.Objects, delivery.Object{
		Bucket: target, Key: w.key(p), Body: bytes.NewReader(lines), Size: int64(len(lines)), Type: "text/plain", Principal: "logging.s3.amazonaws.com",
	}, w.Now())
	if errors.Is(err, object.ErrNoBucket) {
		return nil
	}
	return err
}

// key is the name of a log object, which there was none of before.
func (w *Writer) key(p place) string {
	var tail [8]byte
	rand.Read(tail[:])
	at, prefix := w.Now().UTC(), p.target.Prefix
	if p.target.Partition != "" {
		if !p.day.IsZero() {
			at = p.day
		}
		prefix += fmt.Sprintf("%s/%s/%s/%s/", p.account, w.Place.Region, p.source, at.Format("2006/01/02"))
	}
	return prefix + at.Format("2006-01-02-15-04-05-") + strings.ToUpper(hex.EncodeToString(tail[:]))
}
