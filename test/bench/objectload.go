package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/test/bench/s3load"
)

// objectRun is one thing that is done to every server.
type objectRun struct {
	what    string
	clients int
	size    int      // of bodies, in bytes
	goal    float64  // ratio to the best peer
	tail    bool     // the p99 has a goal too
	unit    string   // "/s", "MB/s" or "keys/s"
	do      objectDo // one round
}

// objectDo does one round of a run, and returns its rate in the run's unit and its p99.
type objectDo func(*objectBench, *objectServer, *objectRun) (rate float64, p99 time.Duration)

// objectBench is what the rounds share.
type objectBench struct {
	*bench
	span time.Duration // of a round
	turn int
	put  map[*objectServer][]string // paths of small puts, less what was deleted
	own  time.Duration              // of all processors, what the client used in the rounds of a run
	cost map[*objectServer]*cost

	listed map[*objectServer]int // keys of listBucket: fewer than listKeys where a minute was too short
}

// cost is what a server used of all processors for some requests.
type cost struct {
	used     time.Duration
	requests int
}

// The buckets, and how much is in them before the rounds.
const (
	hotBucket, hotKeys   = "hot", 4000
	listBucket, listKeys = "list", 100_000
	workBucket           = "work"
	bigBucket            = "big"
)

// objectsByHTTP compares Vauban with its peers, all by HTTP with signed requests, in turns:
// a round of each server, then the next round. The rate of a server is the median of its
// rounds. The disk is synced before each round, so that nobody pays for what another left.
func objectsByHTTP(b *bench) {
	o := &objectBench{bench: b, span: time.Second, put: map[*objectServer][]string{}, listed: map[*objectServer]int{}}
	rounds := b.samples(3, 1)
	if b.quick {
		o.span = 200 * time.Millisecond
	}
	servers := b.objectServers()
	for _, s := range servers {
		o.prepare(s)
	}
	for _, r := range []objectRun{
		{"PUT 4 KiB, 64 clients", 64, 4 << 10, 4, false, "/s", (*objectBench).putSmall},
		{"DELETE, 16 clients", 16, 4 << 10, 2, true, "/s", (*objectBench).deleteSmall},
		{"PUT 4 KiB, 16 clients", 16, 4 << 10, 0, true, "/s", (*objectBench).putSmall},
		{"GET 4 KiB, 16 clients", 16, 4 << 10, 2, true, "/s", (*objectBench).read},
		{"HEAD, 16 clients", 16, 4 << 10, 2, true, "/s", (*objectBench).head},
		{"LIST 100,000 keys, 1 client", 1, 0, 7, false, "keys/s", (*objectBench).list},
		{"PUT 1 MiB, 8 clients", 8, 1 << 20, 1.7, false, "MB/s", (*objectBench).putLarge},
		{"PUT 10 MiB, 4 clients", 4, 10 << 20, 1.7, false, "MB/s", (*objectBench).putLarge},
		{"GET 1 MiB, 8 clients", 8, 1 << 20, 1.1, false, "MB/s", (*objectBench).read},
		{"GET 10 MiB, 4 clients", 4, 10 << 20, 1.1, false, "MB/s", (*objectBench).read},
	} {
		o.compare(servers, &r, rounds)
	}
	for _, s := range servers {
		memory, err := resident(s.pid)
		b.must(err)
		b.add(result{Measure: "resident memory after this, " + s.name, Value: memory["VmRSS"], Unit: "MB", Note: fmt.Sprintf("%.0f MB at most", memory["VmHWM"])})
	}
}

func (o *objectBench) prepare(s *objectServer) {
	for _, bucket := range []string{hotBucket, listBucket, workBucket, bigBucket} {
		o.must(s.makeBucket(o.ctx, bucket))
	}
	o.listed[s] = o.fillFor(time.Minute, s, 64, o.samples(listKeys, 5000), func(n int) s3load.Request {
		return s.Request("PUT", fmt.Sprintf("/%s/folder%03d/%06d", listBucket, n/1000, n), "", []byte("x"))
	})
	o.fill(s, 64, hotKeys, func(n int) s3load.Request { return s.Request("PUT", hotPath(4<<10, n), "", body(4<<10)) })
	for _, size := range []int{1 << 20, 10 << 20} {
		o.fill(s, 4, 16, func(n int) s3load.Request { return s.Request("PUT", hotPath(size, n), "", body(size)) })
	}
}

func hotPath(size, n int) string { return fmt.Sprintf("/%s/%d/%06d.jpg", hotBucket, size, n) }

// body is one that does not compress.
func body(size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{1}).Read(b) //nolint:errcheck // it does not fail
	return b
}

// fill sends so many requests.
func (o *objectBench) fill(s *objectServer, clients, count int, request func(n int) s3load.Request) {
	if done := o.fillFor(5*time.Minute, s, clients, count, request); done < count {
		o.Fatalf("%s: %d of %d objects were put", s.name, done, count)
	}
}

// fillFor sends at most so many requests in the time, and returns how many.
func (o *objectBench) fillFor(span time.Duration, s *objectServer, clients, count int, request func(n int) s3load.Request) int {
	all := make([]s3load.Request, count)
	for n := range all {
		all[n] = request(n)
	}
	r, err := s.Run(o.ctx, clients, all, false, span)
	if err != nil {
		o.Fatalf("%s: %v", s.name, err)
	}
	return r.Done
}

// compare does the rounds of one run, and adds its results.
func (o *objectBench) compare(servers []*objectServer, r *objectRun, rounds int) {
	rates, tails := make([][]float64, len(servers)), make([][]float64, len(servers))
	o.own, o.cost = 0, map[*objectServer]*cost{}
	for _, s := range servers {
		o.cost[s] = &cost{}
	}
	for range rounds {
		o.turn++
		for k := range servers {
			// Each is first in its turn: what a server still does after its round falls to the next.
			k = (k + o.turn) % len(servers)
			s := servers[k]
			unix.Sync()
			rate, p99 := r.do(o, s, r)
			rates[k], tails[k] = append(rates[k], rate), append(tails[k], ms(p99))
		}
	}
	costs := o.costs(servers)
	rate := median(rates[0])
	if o.alone {
		o.add(result{Measure: r.what, Value: rate, Unit: r.unit, Note: fmt.Sprintf("p99 %.2f ms; %s", median(tails[0]), costs)})
		return
	}
	best, note := bestOf(servers, rates, true)
	ratio := result{
		Measure: r.what + " / best peer", Value: rate / best, Unit: "x",
		Note: fmt.Sprintf("%.0f %s; %s; %s", rate, r.unit, note, costs),
	}
	if r.goal > 0 {
		ratio.Goal = atLeast(r.goal)
	}
	o.add(ratio)
	if r.tail {
		best, note := bestOf(servers, tails, false)
		p99 := median(tails[0])
		o.add(result{Measure: r.what + ", p99 / best peer's", Value: p99 / best, Unit: "x", Goal: atMost(1), Note: fmt.Sprintf("%.2f ms; %s", p99, note)})
	}
}

// costs tells what a request costs each server, and the client, which depends less than rates on
// what else the machine does.
func (o *objectBench) costs(servers []*objectServer) string {
	var text []string
	all := 0
	for _, s := range servers {
		c := o.cost[s]
		all += c.requests
		text = append(text, fmt.Sprintf("%d", c.used.Microseconds()/int64(max(1, c.requests))))
	}
	return fmt.Sprintf("µs of CPU a request %s, client %d", strings.Join(text, ", "), o.own.Microseconds()/int64(max(1, all)))
}

// bestOf returns the best of the peers' medians, and all of them as text.
func bestOf(servers []*objectServer, values [][]float64, high bool) (best float64, note string) {
	var notes []string
	for k, s := range servers[1:] {
		m := median(values[k+1])
		if k == 0 || (m > best) == high {
			best = m
		}
		notes = append(notes, s.name+" "+quantity(m, ""))
	}
	return best, strings.Join(notes, ", ")
}

// measured is what a run of requests is worth in the run's unit.
func (o *objectBench) measured(s *objectServer, r *objectRun, requests []s3load.Request, again bool) (float64, time.Duration, int) {
	cpu, self := s.cpu(), processorTime()
	got, err := s.Run(o.ctx, r.clients, requests, again, o.span)
	o.charge(s, s.cpu()-cpu, processorTime()-self, got.Done)
	if err != nil {
		o.Fatalf("%s, %s: %v", r.what, s.name, err)
	}
	rate := got.Rate()
	if r.unit == "MB/s" {
		rate *= float64(r.size) / 1e6
	}
	return rate, got.Quantile(0.99), got.Done
}

func (o *objectBench) charge(s *objectServer, used, own time.Duration, requests int) {
	c := o.cost[s]
	c.used, c.requests, o.own = c.used+used, c.requests+requests, o.own+own
}

// smallPuts is more than any server puts in a round.
const smallPuts = 30_000

func (o *objectBench) putSmall(s *objectServer, r *objectRun) (float64, time.Duration) {
	paths, requests := make([]string, smallPuts), make([]s3load.Request, smallPuts)
	content := body(r.size)
	for n := range requests {
		paths[n] = fmt.Sprintf("/%s/%d/%03d/%06d.jpg", workBucket, o.turn, n%100, n)
		requests[n] = s.Request("PUT", paths[n], "", content)
	}
	rate, p99, done := o.measured(s, r, requests, false)
	o.put[s] = append(o.put[s], paths[:done]...)
	return rate, p99
}

// deleteSmall deletes what was put, until the round is over; the slowest servers have to put
// some more before.
func (o *objectBench) deleteSmall(s *objectServer, r *objectRun) (float64, time.Duration) {
	const enough = 3000
	if have := len(o.put[s]); have < enough {
		content := body(r.size)
		o.fill(s, 64, enough-have, func(n int) s3load.Request {
			path := fmt.Sprintf("/%s/more/%d/%d", workBucket, o.turn, n)
			o.put[s] = append(o.put[s], path)
			return s.Request("PUT", path, "", content)
		})
		unix.Sync()
	}
	requests := make([]s3load.Request, min(len(o.put[s]), smallPuts))
	for n := range requests {
		requests[n] = s.Request("DELETE", o.put[s][n], "", nil)
	}
	rate, p99, done := o.measured(s, r, requests, false)
	o.put[s] = o.put[s][done:]
	return rate, p99
}

func (o *objectBench) read(s *objectServer, r *objectRun) (float64, time.Duration) {
	return o.hot("GET", s, r)
}

func (o *objectBench) head(s *objectServer, r *objectRun) (float64, time.Duration) {
	return o.hot("HEAD", s, r)
}

// hot asks for what prepare put, in a random order.
func (o *objectBench) hot(method string, s *objectServer, r *objectRun) (float64, time.Duration) {
	count := hotKeys
	if r.size > 4<<10 {
		count = 16
	}
	requests := make([]s3load.Request, count)
	for n, k := range rand.New(rand.NewPCG(1, 2)).Perm(count) {
		requests[n] = s.Request(method, hotPath(r.size, k), "", nil)
	}
	rate, p99, _ := o.measured(s, r, requests, true)
	return rate, p99
}

func (o *objectBench) list(s *objectServer, r *objectRun) (float64, time.Duration) {
	cpu, self := s.cpu(), processorTime()
	keys, took, err := s.ListAll(o.ctx, listBucket)
	o.charge(s, s.cpu()-cpu, processorTime()-self, keys/1000)
	if want := o.listed[s]; err == nil && keys != want {
		err = fmt.Errorf("it lists %d keys of %d", keys, want)
	}
	if err != nil {
		o.Fatalf("%s, %s: %v", r.what, s.name, err)
	}
	return float64(keys) / took.Seconds(), took / time.Duration(max(1, keys/1000))
}

// putLarge puts the same few keys again and again.
func (o *objectBench) putLarge(s *objectServer, r *objectRun) (float64, time.Duration) {
	requests := make([]s3load.Request, 2*r.clients)
	content := body(r.size)
	for n := range requests {
		requests[n] = s.Request("PUT", fmt.Sprintf("/%s/%d/%d", bigBucket, r.size, n), "", content)
	}
	rate, p99, _ := o.measured(s, r, requests, true)
	return rate, p99
}
