// Package usage samples what buckets hold and what goes in and out of them, for
// metering.
//
// What a bucket holds is exact: package object counts it in the same step as every
// change. It is sampled at each full hour, or at the next start if the cloud was down
// then. Traffic is counted in memory: an orderly end keeps it, a crash loses what was
// counted since the last sample.
package usage

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/store"
)

// Config says what to sample.
type Config struct {
	DB      *store.Store
	Objects *object.Store
	Log     *slog.Logger
	Now     func() time.Time
	Keep    time.Duration // samples are kept for so long: 400 days
}

// Meter samples. It is safe for concurrent use.
type Meter struct {
	Config
	mu      sync.Mutex
	traffic map[string]*object.Traffic // since the last sample, by bucket ID; guarded by mu
}

// New returns a Meter.
func New(c Config) *Meter {
	if c.Keep == 0 {
		c.Keep = 400 * 24 * time.Hour
	}
	return &Meter{Config: c, traffic: map[string]*object.Traffic{}}
}

var buckets store.Table[cloud.Bucket]

// Period is how long a sample stands for.
const Period = time.Hour

// Note counts a request for a bucket.
func (m *Meter) Note(bucket string, t object.Traffic) {
	m.mu.Lock()
	defer m.mu.Unlock()
	sum := m.traffic[bucket]
	if sum == nil {
		sum = &object.Traffic{}
		m.traffic[bucket] = sum
	}
	sum.Add(t)
}

// Run samples until ctx ends.
func (m *Meter) Run(ctx context.Context) error {
	for {
		if err := m.Sample(ctx); err != nil && ctx.Err() == nil {
			m.Log.Error("sample what buckets hold", "err", err)
		}
		now := m.Now()
		wait := time.NewTimer(now.Truncate(Period).Add(Period).Sub(now))
		select {
		case <-ctx.Done():
			wait.Stop()
			return nil
		case <-wait.C:
		}
	}
}

// Sample keeps what all buckets hold, and what was counted since the last sample, under
// the hour that has begun. Done again in the same hour, it adds to the traffic, and
// leaves what they held first.
func (m *Meter) Sample(ctx context.Context) error {
	hour := m.Now().UTC().Truncate(Period)
	before := map[string]object.Sample{}
	err := m.Objects.Samples(ctx, hour, hour.Add(time.Second), func(_ time.Time, s object.Sample) error {
		before[s.Bucket] = s
		return nil
	})
	if err != nil {
		return err
	}
	m.mu.Lock()
	counted := m.traffic
	m.traffic = map[string]*object.Traffic{}
	m.mu.Unlock()
	samples, err := m.held(ctx)
	for k := range samples {
		s := &samples[k]
		if had, ok := before[s.Bucket]; ok {
			*s = had
		}
		if t := counted[s.Bucket]; t != nil {
			s.Add(*t)
		}
	}
	if err == nil {
		err = m.Objects.Keep(ctx, hour, samples)
	}
	if err != nil {
		for bucket, t := range counted { // they wait for the next
			m.Note(bucket, *t)
		}
		return err
	}
	return m.Objects.DropSamples(ctx, hour.Add(-m.Keep))
}

// held is what all buckets hold.
func (m *Meter) held(ctx context.Context) (list []object.Sample, err error) {
	for b := range buckets.All(m.DB.View()) {
		u, err := m.Objects.Usage(ctx, b.ID)
		if errors.Is(err, object.ErrNoBucket) {
			continue // it is being deleted
		}
		if err != nil {
			return nil, err
		}
		list = append(list, object.Sample{Bucket: b.ID, Name: b.Name, Owner: b.Account, Usage: u})
	}
	return list, nil
}

// Current is what all buckets hold, with the traffic since the last sample.
func (m *Meter) Current(ctx context.Context) ([]object.Sample, error) {
	list, err := m.held(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	for k := range list {
		if t := m.traffic[list[k].Bucket]; t != nil {
			list[k].Traffic = *t
		}
	}
	return list, err
}
