package app

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/control/accesslog"
	"github.com/vauban-cloud/vauban/control/flowlog"
	"github.com/vauban-cloud/vauban/control/notify"
	"github.com/vauban-cloud/vauban/control/usage"
	"github.com/vauban-cloud/vauban/gateway"
	"github.com/vauban-cloud/vauban/object"
	s3service "github.com/vauban-cloud/vauban/service/s3"
	"github.com/vauban-cloud/vauban/store"
)

// tending is what happens to buckets beside their requests, where the objects are.
type tending struct {
	courier *notify.Courier
	logs    *accesslog.Writer
	flows   *flowlog.Writer
	meter   *usage.Meter
}

// destinations are whom buckets may notify.
func (c Config) destinations() (list []notify.Destination, err error) {
	seen := map[string]bool{}
	for _, text := range c.Destinations {
		d, err := notify.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("%w: see --notification-destination in `vauban up --help`", err)
		}
		if seen[d.Name] {
			return nil, fmt.Errorf("two notification destinations are named %s: give each --notification-destination a name of its own", d.Name)
		}
		seen[d.Name] = true
		list = append(list, d)
	}
	return list, nil
}

func (r *running) openTending() error {
	destinations, err := r.cfg.destinations()
	if err != nil {
		return err
	}
	owner := func(account string) string { return s3service.CanonicalID(r.settings.PageKey, account) }
	r.tending = tending{
		courier: notify.New(notify.Config{
			Objects: r.objects, Destinations: destinations, Region: r.cfg.Place.Region, Owner: owner, Dead: r.cfg.deadDir(), Log: r.log.With("room", "notifications"), Now: time.Now,
		}),
		logs: accesslog.New(accesslog.Config{
			DB: r.db, Objects: r.objects, Place: r.cfg.Place, Owner: owner, Log: r.log.With("room", "access logs"), Now: time.Now, Every: r.cfg.AccessLogs,
		}),
		flows: flowlog.NewWriter(flowlog.Config{
			DB: r.db, Objects: r.objects, Place: r.cfg.Place, Log: r.log.With("room", "flow logs"), Now: time.Now, Minute: r.cfg.FlowMinute,
		}),
		meter: usage.New(usage.Config{DB: r.db, Objects: r.objects, Log: r.log.With("room", "usage"), Now: time.Now}),
	}
	return nil
}

// run tends the buckets until ctx ends.
func (t *tending) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return t.courier.Run(ctx) })
	g.Go(func() error { return t.logs.Run(ctx) })
	g.Go(func() error { return t.flows.Run(ctx) })
	g.Go(func() error { return t.meter.Run(ctx) })
	return g.Wait()
}

// lastWords is how long the end may take to write what waits.
const lastWords = 10 * time.Second

// end keeps what waits in memory.
func (t *tending) end(log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	if err := t.logs.Flush(ctx); err != nil {
		log.Warn("write access logs at the end", "err", err)
	}
	if err := t.flows.Flush(ctx); err != nil {
		log.Warn("write flow logs at the end", "err", err)
	}
	if err := t.meter.Sample(ctx); err != nil {
		log.Warn("sample the buckets at the end", "err", err)
	}
}

// notificationsStatus tells whether notifications arrive.
func (r *running) notificationsStatus(ctx context.Context) Part {
	const name = "notifications"
	queues, err := r.objects.Queues(ctx)
	if err != nil {
		return Part{Name: name, Detail: err.Error()}
	}
	waiting := int64(0)
	for _, q := range queues {
		waiting += q.Length
	}
	p := Part{Name: name, OK: true, Detail: fmt.Sprintf("%d destinations, %d notifications wait", len(r.cfg.Destinations), waiting)}
	failing := r.tending.courier.Failing()
	for _, d := range slices.Sorted(maps.Keys(failing)) {
		p.Detail += fmt.Sprintf("; %s: %v", d, failing[d])
	}
	if dead := r.tending.courier.Undelivered(); len(dead) > 0 {
		p.Detail += "; not delivered: " + strings.Join(dead, ", ")
	}
	return p
}

// audit notes a request that was answered: that a key was used, and what was asked of a
// bucket.
func (r *running) audit(_ context.Context, rec gateway.Record) {
	r.uses.Note(rec.Caller, rec.Service, rec.Time)
	name, key, _ := strings.Cut(strings.TrimPrefix(rec.HTTP.Path, "/"), "/")
	if name == "" {
		return
	}
	view := r.db.View()
	id, ok := store.Owner(view, cloud.BucketNames, name)
	if !ok {
		return
	}
	b, ok := buckets.Get(view, id)
	if !ok {
		return
	}
	r.tending.meter.Note(b.ID, trafficOf(rec))
	if b.Logging == nil {
		return
	}
	h := rec.HTTP
	r.tending.logs.Note(b, accesslog.Access{
		Time: rec.Time, Caller: rec.Caller, RequestID: rec.RequestID, Operation: rec.Operation, Key: key, Version: h.Query.Get("versionId"),
		Method: h.Method, URI: h.URI, Proto: h.Proto, Status: rec.Status, Code: rec.Code, Sent: h.Sent, Size: h.Size, Total: rec.Latency, First: h.First,
		Referer: h.Referer, Agent: rec.UserAgent, SourceIP: rec.SourceIP, HostID: h.HostID, Auth: h.Auth, Host: h.Host, TLS: h.TLS, Cipher: h.Cipher,
	})
}

// trafficOf counts a request as AWS's prices do: those that write or list are of one
// kind, those that read of another.
func trafficOf(rec gateway.Record) object.Traffic {
	t := object.Traffic{In: rec.HTTP.Received, Out: rec.HTTP.Sent}
	if read := rec.HTTP.Method == "GET" || rec.HTTP.Method == "HEAD"; read && !strings.HasPrefix(rec.Operation, "List") {
		t.Reads = 1
	} else {
		t.Writes = 1
	}
	return t
}
