package flowlog

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/store"
)

// Config says what a Writer works with.
type Config struct {
	DB      *store.Store
	Objects *object.Store
	Place   cloud.Place
	Log     *slog.Logger
	Now     func() time.Time

	Minute time.Duration // how long a minute is; tests want it short
	Most   int           // flows that may be put together at once: 65536; lines that wait may have 64 bytes for each
}

// Writer puts flows together into records, over the interval that each flow log has,
// and writes them into its bucket every five minutes. It is safe for concurrent use.
//
// It is best effort, as AWS's: records wait in memory for minutes, and a crash loses
// them; an orderly end does not. Its memory is bounded. Where records are lost, the log
// says so (SKIPDATA).
type Writer struct {
	Config

	mu      sync.Mutex
	windows map[window]*page     // guarded by mu
	size    int                  // flows in all windows; guarded by mu
	waiting map[string]*delivery // by flow log; guarded by mu
	behind  sync.Mutex           // held by who delivers
}

// window is one interval of one flow log.
type window struct {
	log   string
	start int64 // nanoseconds
}

// page is what a window has.
type page struct {
	log     cloud.FlowLog
	until   time.Time
	nics    map[string]facts // that were looked at
	flows   map[flow]*sums
	skipped map[string]bool // interfaces of which flows were lost
}

// delivery is the lines that wait for their bucket.
type delivery struct {
	log   cloud.FlowLog
	lines bytes.Buffer
}

// NewWriter returns a Writer.
func NewWriter(c Config) *Writer {
	if c.Minute == 0 {
		c.Minute = time.Minute
	}
	if c.Most == 0 {
		c.Most = 1 << 16
	}
	return &Writer{Config: c, windows: map[window]*page{}, waiting: map[string]*delivery{}}
}

// interval is how long windows of a flow log are.
func (w *Writer) interval(f cloud.FlowLog) time.Duration {
	return max(time.Duration(f.Interval)*w.Minute/60, time.Second)
}

// Note takes what a host counted.
func (w *Writer) Note(b cloud.FlowBatch) {
	view := w.DB.View()
	w.mu.Lock()
	defer w.mu.Unlock()
	pages := map[string][]*page{} // by interface
	for _, id := range b.Interfaces {
		n, ok := w.about(view, id)
		if !ok {
			continue
		}
		for _, resource := range []string{n.VPC, n.Subnet, n.ID} {
			for f := range logs.Select(view, "logs/"+resource) {
				p := w.page(f, b.Until)
				p.nics[id] = n
				if b.Skipped {
					p.skipped[id] = true
				}
				pages[id] = append(pages[id], p)
			}
		}
	}
	for _, f := range b.Flows {
		for _, p := range pages[f.Interface] {
			if f.Accepted && p.log.Accepted || !f.Accepted && p.log.Rejected {
				w.add(p, f)
			}
		}
	}
}

// about returns the facts of an interface, as they were last if it is gone; mu is held.
func (w *Writer) about(view store.Reader, id string) (facts, bool) {
	if n, ok := interfaces.Get(view, id); ok {
		return facts{n, w.Place.Region, w.Place.ZoneID(n.Zone)}, true
	}
	for _, p := range w.windows {
		if n, ok := p.nics[id]; ok {
			return n, true
		}
	}
	return facts{}, false
}

// page is that of the window of a flow log that ended, or goes on, at a time; mu is held.
func (w *Writer) page(f cloud.FlowLog, at time.Time) *page {
	start := at.Add(-1).Truncate(w.interval(f))
	k := window{f.ID, start.UnixNano()}
	p := w.windows[k]
	if p == nil {
		p = &page{until: start.Add(w.interval(f)), nics: map[string]facts{}, flows: map[flow]*sums{}, skipped: map[string]bool{}}
		w.windows[k] = p
	}
	p.log = f
	return p
}

// add counts a flow; mu is held.
func (w *Writer) add(p *page, f cloud.Flow) {
	k := flow{f.Interface, f.Ingress, f.Accepted, f.Source, f.Destination, f.Protocol}
	s := p.flows[k]
	if s == nil {
		if w.size >= w.Most {
			p.skipped[f.Interface] = true
			return
		}
		s = &sums{}
		p.flows[k] = s
		w.size++
	}
	s.add(f)
}

// Run writes files until ctx ends. Then Flush writes what is left, once nothing is
// noted any more.
func (w *Writer) Run(ctx context.Context) error {
	tick := time.NewTicker(5 * w.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		// A window is closed when every host had a minute to tell of its end.
		if err := w.deliver(ctx, w.Now().Add(-w.Minute)); err != nil && ctx.Err() == nil {
			w.Log.Warn("write flow logs", "err", err)
		}
	}
}

// Flush writes all that waits.
func (w *Writer) Flush(ctx context.Context) error {
	return w.deliver(ctx, w.Now().AddDate(1, 0, 0))
}

// deliver writes the windows that ended before a time, and what could not be written
// before.
func (w *Writer) deliver(ctx context.Context, before time.Time) error {
	w.behind.Lock()
	defer w.behind.Unlock()
	w.mu.Lock()
	for k, p := range w.windows {
		if p.until.After(before) {
			continue
		}
		w.render(k, p)
		w.size -= len(p.flows)
		delete(w.windows, k)
	}
	waiting := w.waiting
	w.waiting = map[string]*delivery{}
	w.mu.Unlock()
	var errs []error
	for id, d := range waiting {
		if err := w.write(ctx, d); err != nil {
			errs = append(errs, err)
			w.back(id, d)
		}
	}
	return errors.Join(errs...)
}

// render turns a window into lines; mu is held.
func (w *Writer) render(k window, p *page) {
	fields := names(p.log.Format)
	d := w.waiting[k.log]
	if d == nil {
		d = &delivery{}
		w.waiting[k.log] = d
	}
	d.log = p.log
	busy := map[string]bool{}
	for f, s := range p.flows {
		busy[f.iface] = true
		d.lines.WriteString(line(fields, p.nics[f.iface].values(fields, f, s)))
	}
	start := time.Unix(0, k.start)
	for id, n := range p.nics {
		switch {
		case p.skipped[id]:
			d.lines.WriteString(line(fields, n.about(fields, start, p.until, "SKIPDATA")))
		case !busy[id]:
			d.lines.WriteString(line(fields, n.about(fields, start, p.until, "NODATA")))
		}
	}
}

// back puts lines that could not be written before what has come since; too many are
// lost.
func (w *Writer) back(id string, d *delivery) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if since := w.waiting[id]; since != nil {
		d.log = since.log
		d.lines.Write(since.lines.Bytes())
	}
	size := d.lines.Len()
	for other, o := range w.waiting {
		if other != id {
			size += o.lines.Len()
		}
	}
	if size > w.Most*64 {
		w.Log.Error("records of a flow log are lost: too many waited to be written", "flowlog", id, "bytes", d.lines.Len())
		delete(w.waiting, id)
		return
	}
	w.waiting[id] = d
}
