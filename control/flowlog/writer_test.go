package flowlog

import (
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/seal"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
)

type oneKey struct{ *seal.Key }

func (k oneKey) BucketKey(context.Context, string) (*seal.Key, error) { return k.Key, nil }

// rig is a Writer of one flow log, of a VPC, into a bucket.
type rig struct {
	testing.TB
	*Writer
	clock time.Time
	log   cloud.FlowLog
}

func newRig(t testing.TB, change func(*cloud.FlowLog)) *rig {
	t.Helper()
	r := &rig{TB: t, clock: time.Date(2026, 2, 3, 4, 5, 0, 0, time.UTC)}
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), cloud.Documents()...)
	r.no(err)
	t.Cleanup(func() { r.no(db.Close()) })
	sealed, err := seal.New(seal.NewKey())
	r.no(err)
	now := func() time.Time { return r.clock }
	objects, err := object.Open(object.Config{Dir: t.TempDir(), Keys: oneKey{sealed}, Now: now, MinFree: 1})
	r.no(err)
	t.Cleanup(func() { r.no(objects.Close()) })
	r.Writer = NewWriter(Config{DB: db, Objects: objects, Place: cloud.DefaultPlace(), Log: slog.New(slog.DiscardHandler), Now: now, Most: 100})
	r.no(objects.CreateBucket(t.Context(), "b-1"))
	const account = "000000000001"
	r.log = cloud.FlowLog{
		Meta: cloud.Meta{ID: "fl-1", Account: account}, Resource: "vpc-1", Accepted: true, Rejected: true, Interval: 60, Destination: "arn:aws:s3:::logs/to/",
		Format: "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}",
	}
	change(&r.log)
	r.no(db.Update(t.Context(), func(tx *store.Tx) error {
		b := cloud.Bucket{Meta: cloud.Meta{ID: "b-1", Account: account}, Name: "logs"}
		r.no(tx.Claim(cloud.BucketNames, b.Name, b.ID))
		r.no(buckets.Put(tx, b))
		r.no(logs.Put(tx, r.log))
		for _, id := range []string{"eni-1", "eni-2"} {
			r.no(interfaces.Put(tx, cloud.NetworkInterface{
				Meta: cloud.Meta{ID: id, Account: account}, VPC: "vpc-1", Subnet: "subnet-1", Zone: "eu-paris-1a",
				Addresses: []cloud.PrivateAddress{{Private: netip.MustParseAddr("10.0.0.5")}}, Addresses6: []netip.Addr{netip.MustParseAddr("2001:db8::5")},
				Attachment: &cloud.InterfaceAttachment{Instance: "i-1"},
			}))
		}
		return nil
	}))
	return r
}

func (r *rig) no(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// files are those in the bucket, unpacked, by key.
func (r *rig) files() map[string]string {
	r.Helper()
	out := map[string]string{}
	for v, err := range r.Objects.All(r.Context(), "b-1", "") {
		r.no(err)
		body, _, err := r.Objects.Get(r.Context(), object.GetInput{Bucket: "b-1", Key: v.Key})
		r.no(err)
		z, err := gzip.NewReader(body)
		r.no(err)
		text, err := io.ReadAll(z)
		r.no(err)
		r.no(body.Close())
		out[v.Key] = string(text)
	}
	return out
}

// file is the only file.
func (r *rig) file() (key, text string) {
	r.Helper()
	all := r.files()
	if len(all) != 1 {
		r.Fatalf("there are %d files: %v", len(all), all)
	}
	for key, text = range all {
	}
	return key, text
}

func (r *rig) flow(accepted bool) cloud.Flow {
	return cloud.Flow{
		Interface: "eni-1", Ingress: true, Accepted: accepted, Source: netip.MustParseAddrPort("10.0.0.9:1234"), Destination: netip.MustParseAddrPort("10.0.0.5:22"),
		Protocol: 6, Packets: 2, Bytes: 100, Start: r.clock.Add(-30 * time.Second), End: r.clock.Add(-10 * time.Second),
	}
}

func (r *rig) batch(flows ...cloud.Flow) cloud.FlowBatch {
	return cloud.FlowBatch{VPC: "vpc-1", Interfaces: []string{"eni-1", "eni-2"}, Until: r.clock, Flows: flows}
}

// Counts of one flow and interval are one record; interfaces without any have one too.
func TestRecords(t *testing.T) {
	r := newRig(t, func(*cloud.FlowLog) {})
	r.clock = r.clock.Add(30 * time.Second)
	r.Note(r.batch(r.flow(true), r.flow(false)))
	r.clock = r.clock.Add(30 * time.Second)
	r.Note(r.batch(r.flow(true)))
	r.no(r.deliver(t.Context(), r.clock.Add(-time.Second)))
	if n := len(r.files()); n != 0 {
		t.Fatalf("an interval that goes on is in %d files", n)
	}
	r.no(r.deliver(t.Context(), r.clock))
	key, text := r.file()
	if !regexp.MustCompile(`^to/AWSLogs/000000000001/vpcflowlogs/eu-paris-1/2026/02/03/000000000001_vpcflowlogs_eu-paris-1_fl-1_20260203T0406Z_[0-9a-f]{8}\.log\.gz$`).MatchString(key) {
		t.Errorf("the key is %s", key)
	}
	for _, line := range []string{
		"version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n",
		"2 000000000001 eni-1 10.0.0.9 10.0.0.5 1234 22 6 4 200 1770091500 1770091550 ACCEPT OK\n",
		"2 000000000001 eni-1 10.0.0.9 10.0.0.5 1234 22 6 2 100 1770091500 1770091520 REJECT OK\n",
		"2 000000000001 eni-2 - - - - - - - 1770091500 1770091560 - NODATA\n",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("there is no %sin\n%s", line, text)
		}
	}
	if n := strings.Count(text, "\n"); n != 4 {
		t.Errorf("there are %d lines:\n%s", n, text)
	}
	if f, _ := logs.Get(r.DB.View(), "fl-1"); !f.Seen.Delivered.Equal(r.clock) || f.Seen.Error != "" {
		t.Errorf("the flow log says %+v", f.Seen)
	}
}

func TestFields(t *testing.T) {
	r := newRig(t, func(f *cloud.FlowLog) {
		f.Accepted, f.HivePartition, f.HourlyPartition, f.Destination = false, true, true, "arn:aws:s3:::logs"
		f.Format = "${vpc-id} ${subnet-id} ${instance-id} ${az-id} ${region} ${type} ${flow-direction} ${tcp-flags} ${srcaddr} ${pkt-srcaddr} ${traffic-path} ${version}"
	})
	out := r.flow(false)
	out.Ingress, out.Source, out.Destination, out.Flags = false, netip.MustParseAddrPort("[2001:db8:9::1]:7"), netip.MustParseAddrPort("[2001:db8::9]:8"), 18
	r.Note(r.batch(out, r.flow(true)))
	r.no(r.Flush(t.Context()))
	key, text := r.file()
	if !strings.HasPrefix(key, "AWSLogs/aws-account-id=000000000001/aws-service=vpcflowlogs/aws-region=eu-paris-1/year=2026/month=02/day=03/hour=04/000000000001_") {
		t.Errorf("the key is %s", key)
	}
	if want := "vpc-1 subnet-1 i-1 eup1-az1 eu-paris-1 IPv6 egress 18 2001:db8::5 2001:db8:9::1 - 5\n"; !strings.Contains(text, want) || strings.Contains(text, "ingress") {
		t.Errorf("the records are\n%s", text)
	}
}

// What is too much, or was not counted, is told.
func TestSkipped(t *testing.T) {
	r := newRig(t, func(f *cloud.FlowLog) { f.Format = "${interface-id} ${log-status}" })
	for port := range uint16(200) {
		f := r.flow(true)
		f.Source = netip.AddrPortFrom(f.Source.Addr(), port)
		r.Note(r.batch(f))
	}
	b := r.batch()
	b.Interfaces, b.Skipped = b.Interfaces[1:], true
	r.Note(b)
	r.no(r.Flush(t.Context()))
	_, text := r.file()
	if strings.Count(text, "eni-1 OK") != 100 || strings.Count(text, "eni-1 SKIPDATA") != 1 || strings.Count(text, "eni-2 SKIPDATA") != 1 || strings.Contains(text, "NODATA") {
		t.Errorf("the records are\n%s", text)
	}
	if r.size != 0 || len(r.windows) != 0 {
		t.Errorf("%d flows are left in %d intervals", r.size, len(r.windows))
	}
}

// Lines wait for a bucket that cannot be written, and are dropped where it is gone.
func TestFailures(t *testing.T) {
	r := newRig(t, func(*cloud.FlowLog) {})
	r.Note(r.batch(r.flow(true)))
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if r.Flush(canceled) == nil || len(r.waiting) != 1 {
		t.Fatalf("%d logs wait", len(r.waiting))
	}
	r.Note(r.batch(r.flow(false)))
	r.no(r.Flush(t.Context()))
	if _, text := r.file(); !strings.Contains(text, "ACCEPT") || !strings.Contains(text, "REJECT") {
		t.Errorf("the records are\n%s", text)
	}
	r.no(r.DB.Update(t.Context(), func(tx *store.Tx) error {
		return buckets.Modify(tx, "b-1", func(b *cloud.Bucket) error { b.Account = "000000000002"; return nil })
	}))
	r.Note(r.batch(r.flow(true)))
	r.no(r.Flush(t.Context()))
	if f, _ := logs.Get(r.DB.View(), "fl-1"); f.Seen.Error != "Access error" || len(r.waiting) != 0 || len(r.files()) != 1 {
		t.Errorf("the flow log says %+v, %d wait", f.Seen, len(r.waiting))
	}
}

// What an interface saw last is recorded although it is gone.
func TestInterfaceGone(t *testing.T) {
	r := newRig(t, func(*cloud.FlowLog) {})
	r.Note(r.batch())
	r.no(r.DB.Update(t.Context(), func(tx *store.Tx) error { return interfaces.Delete(tx, "eni-1") }))
	r.Note(r.batch(r.flow(true)))
	r.no(r.Flush(t.Context()))
	if _, text := r.file(); !strings.Contains(text, "eni-1 10.0.0.9 10.0.0.5") {
		t.Errorf("the records are\n%s", text)
	}
}
