package app

import (
	"context"
	"fmt"
	"time"

	"github.com/vauban-cloud/vauban/object"
)

// UsageFilter says whose usage to tell.
type UsageFilter struct {
	Account string    `json:"account,omitempty"`
	Bucket  string    `json:"bucket,omitempty"` // name
	Since   time.Time `json:"since,omitzero"`   // tell the samples from then on; zero: what there is now
}

func (f UsageFilter) args() map[string]string {
	args := map[string]string{"account": f.Account, "bucket": f.Bucket}
	if !f.Since.IsZero() {
		args["since"] = f.Since.Format(time.RFC3339)
	}
	return args
}

// BucketUsage is what a bucket holds, or held in an hour.
type BucketUsage struct {
	Time     time.Time `json:"time"` // now, or the hour of the sample
	Account  string    `json:"account"`
	Bucket   string    `json:"bucket"` // name
	ID       string    `json:"id"`     // tells buckets apart that had the same name
	Objects  int64     `json:"objects"`
	Versions int64     `json:"versions"`
	Markers  int64     `json:"markers"`
	Bytes    int64     `json:"bytes"` // of all versions
	Uploads  int64     `json:"uploads"`
	Pending  int64     `json:"pending_bytes"` // of their parts
	Reads    int64     `json:"reads"`         // requests since the sample before
	Writes   int64     `json:"writes"`
	In       int64     `json:"bytes_in"`
	Out      int64     `json:"bytes_out"`
}

// maxUsage bounds an answer.
const maxUsage = 100_000

// bucketUsage tells what buckets hold.
func (r *running) bucketUsage(ctx context.Context, f UsageFilter) ([]BucketUsage, error) {
	out := []BucketUsage{}
	add := func(at time.Time, s object.Sample) error {
		if f.Account != "" && s.Owner != f.Account || f.Bucket != "" && s.Name != f.Bucket {
			return nil
		}
		if len(out) == maxUsage {
			return fmt.Errorf("there are more than %d samples: ask for one account (--account), one bucket (--bucket), or a shorter time (--since)", maxUsage)
		}
		out = append(out, BucketUsage{
			Time: at, Account: s.Owner, Bucket: s.Name, ID: s.Bucket, Objects: s.Objects, Versions: s.Versions, Markers: s.Markers, Bytes: s.Bytes,
			Uploads: s.Uploads, Pending: s.Pending, Reads: s.Reads, Writes: s.Writes, In: s.In, Out: s.Out,
		})
		return nil
	}
	now := r.now().UTC()
	if !f.Since.IsZero() {
		err := r.objects.Samples(ctx, f.Since, now.Add(time.Second), add)
		return out, err
	}
	samples, err := r.tending.meter.Current(ctx)
	for _, s := range samples {
		if err == nil {
			err = add(now, s)
		}
	}
	return out, err
}
