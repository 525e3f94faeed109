package flowlog

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	bucket "github.com/vauban-cloud/vauban/control/delivery"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/store"
)

var buckets store.Table[cloud.Bucket]

// What DescribeFlowLogs says of a delivery that failed.
const (
	accessError  = "Access error"
	unknownError = "Unknown error"
)

// write makes a file of the lines. A bucket that is gone, or another's by now, gets
// none, and nothing waits for it.
func (w *Writer) write(ctx context.Context, d *delivery) error {
	name, prefix, _ := strings.Cut(strings.TrimPrefix(d.log.Destination, "arn:aws:s3:::"), "/")
	view := w.DB.View()
	id, _ := store.Owner(view, cloud.BucketNames, name)
	target, ok := buckets.Get(view, id)
	if !ok || target.Account != d.log.Account {
		w.Log.Warn("flows were not logged: the bucket is gone", "flowlog", d.log.ID, "bucket", name)
		return w.seen(ctx, d.log.ID, accessError)
	}
	var file bytes.Buffer
	z := gzip.NewWriter(&file)
	_, err := fmt.Fprintf(z, "%s\n%s", strings.Join(names(d.log.Format), " "), d.lines.Bytes())
	if err = errors.Join(err, z.Close()); err != nil {
		return fmt.Errorf("compress flow log %s: %w", d.log.ID, err)
	}
	now := w.Now().UTC()
	err = bucket.Put(ctx, w.Objects, bucket.Object{
		Bucket: target, Key: key(d.log, prefix, w.Place.Region, now), Body: &file, Size: int64(file.Len()), Type: "application/gzip", Principal: "delivery.logs.amazonaws.com",
	}, now)
	switch {
	case errors.Is(err, object.ErrNoBucket):
		return w.seen(ctx, d.log.ID, accessError)
	case err != nil:
		return errors.Join(fmt.Errorf("write flow log %s: %w", d.log.ID, err), w.seen(ctx, d.log.ID, unknownError))
	}
	if err := w.seen(ctx, d.log.ID, ""); err != nil {
		w.Log.Warn("record the delivery of a flow log", "flowlog", d.log.ID, "err", err) // the file is there
	}
	return nil
}

// seen records how a delivery went; a flow log that was deleted records nothing.
func (w *Writer) seen(ctx context.Context, id, failure string) error {
	return w.DB.Update(ctx, func(tx *store.Tx) error {
		f, ok := logs.Get(tx, id)
		if !ok || failure != "" && f.Seen.Error == failure {
			return nil
		}
		if f.Seen.Error = failure; failure == "" {
			f.Seen.Delivered = w.Now().UTC()
		}
		return logs.Put(tx, f)
	})
}

// key is the name of a file, which there was none of before:
// https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-s3-path.html
func key(f cloud.FlowLog, prefix, region string, now time.Time) string {
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	form, day, hour := "%sAWSLogs/%s/vpcflowlogs/%s/", "2006/01/02/", "15/"
	if f.HivePartition {
		form, day, hour = "%sAWSLogs/aws-account-id=%s/aws-service=vpcflowlogs/aws-region=%s/", "year=2006/month=01/day=02/", "hour=15/"
	}
	if f.HourlyPartition {
		day += hour
	}
	var tail [4]byte
	rand.Read(tail[:])
	return fmt.Sprintf(form, prefix, f.Account, region) + now.Format(day) +
		fmt.Sprintf("%s_vpcflowlogs_%s_%s_%s_%s.log.gz", f.Account, region, f.ID, now.Format("20060102T1504Z"), hex.EncodeToString(tail[:]))
}
