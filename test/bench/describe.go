package main

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/gateway/wire"
	service "github.com/vauban-cloud/vauban/service/ec2"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/test/sim"
)

// describeInstances measures lists of 10,000 and of 100,000 instances. Only the
// first have goals.
func describeInstances(b *bench) {
	l := lister{bench: b, db: b.open()}
	c, err := sim.New(sim.Config{DB: l.db})
	b.must(err)
	l.service = c.EC2
	p, err := settle(b.ctx, l.db, sim.Account)
	b.must(err)
	have := 0
	for _, n := range []int{10_000, 100_000} {
		begin := time.Now()
		b.must(p.fill(b.ctx, l.db, have, n))
		filled := time.Since(begin)
		l.filters(n, p, fmt.Sprintf("%d instances written in %.1f s", n-have, filled.Seconds()))
		l.page(n)
		have = n
	}
}

type lister struct {
	*bench
	db      *store.Store
	service *service.Service
}

// filters measures one filter of each kind, and reports the slowest.
func (l lister) filters(n int, p population, filled string) {
	last := n - 1
	var worst durations
	var which string
	var cpu time.Duration // of a call of the slowest
	samples := 0
	for _, f := range []struct {
		name, value string
		found       int
	}{
		{"tag:Name", "web-" + strconv.Itoa(last), 1},
		{"tag:Name", "*-" + strconv.Itoa(last), 1},
		{"private-ip-address", address(last).String(), 1},
		{"block-device-mapping.volume-id", number("vol", last), 1},
		{"instance-state-name", "stopped", 0},
	} {
		took, each := l.time(f.found, &ec2.DescribeInstancesRequest{Filters: []ec2.Filter{{Name: new(f.name), Values: []string{f.value}}}})
		if worst == nil || took.at(0.99) > worst.at(0.99) {
			worst, which, cpu = took, f.name+"="+f.value, each
		}
		samples += len(took)
	}
	r := result{
		Measure: fmt.Sprintf("DescribeInstances with a filter, %d instances, p99", n), Value: ms(worst.at(0.99)), Unit: "ms",
		Note: fmt.Sprintf("slowest of 5 filters, %s (p50 %.1f ms, %.1f ms of CPU); %d calls; %s", which, ms(worst.at(0.5)), ms(cpu), samples, filled),
	}
	if n == 10_000 {
		r.Goal = atMost(50)
	}
	l.add(r)
}

// page measures a page of 1,000: the method, and the encoding of its answer.
func (l lister) page(n int) {
	in := &ec2.DescribeInstancesRequest{MaxResults: new(int32(1000))}
	took, cpu := l.time(1000, in)
	for _, percent := range []int{50, 99} {
		r := result{
			Measure: fmt.Sprintf("page of 1000 of %d instances beyond encoding, p%d", n, percent), Value: ms(took.at(float64(percent) / 100)), Unit: "ms",
			Note: fmt.Sprintf("the method alone, %.1f ms of CPU; %d calls", ms(cpu), len(took)),
		}
		if n == 10_000 {
			r.Goal = atMost(20)
		}
		l.add(r)
	}

	out, err := l.service.DescribeInstances(sim.Caller(l.ctx), in)
	l.must(err)
	api := ec2.API()
	var encoding durations
	var w sink
	for range l.samples(50, 5) {
		w = sink{}
		begin := time.Now()
		l.must(wire.Encode(&w, api, api.Protocols[0], api.Operation("DescribeInstances"), out, "bench"))
		encoding = append(encoding, time.Since(begin))
	}
	l.add(result{
		Measure: fmt.Sprintf("encoding that page of %d instances, p50", n), Value: ms(encoding.at(0.5)), Unit: "ms",
		Note: fmt.Sprintf("%d KiB of XML", w.bytes>>10),
	})
}

// time calls DescribeInstances again and again, for 3 seconds at most. It
// returns how long each call took, and the processor time of one, collections of
// garbage included.
func (l lister) time(found int, in *ec2.DescribeInstancesRequest) (took durations, cpu time.Duration) {
	ctx, begun := sim.Caller(l.ctx), processorTime()
	for end := time.Now().Add(3 * time.Second); len(took) < l.samples(100, 10) && time.Now().Before(end); {
		begin := time.Now()
		out, err := l.service.DescribeInstances(ctx, in)
		took = append(took, time.Since(begin))
		l.must(err)
		n := 0
		for _, r := range out.Reservations {
			n += len(r.Instances)
		}
		if n != found {
			l.Fatalf("DescribeInstances found %d instances, want %d", n, found)
		}
	}
	return took, (processorTime() - begun) / time.Duration(len(took))
}

// sink is an http.ResponseWriter that only counts.
type sink struct {
	header http.Header
	bytes  int
}

// Header returns what was set.
func (s *sink) Header() http.Header {
	if s.header == nil {
		s.header = http.Header{}
	}
	return s.header
}

// WriteHeader does nothing.
func (*sink) WriteHeader(int) {}

// Write counts.
func (s *sink) Write(p []byte) (int, error) {
	s.bytes += len(p)
	return len(p), nil
}
