package cloud_test

import (
	"testing"

	"github.com/vauban-cloud/vauban/cloud"
)

func TestVolumeLimits(t *testing.T) {
	type limits = cloud.DiskLimits
	for name, c := range map[string]struct {
		volume cloud.Volume
		want   limits
	}{
		"gp3":            {cloud.Volume{Type: "gp3", SizeGiB: 8, IOPS: 3000, Throughput: 125}, limits{IOPS: 3000, MiBps: 125, IOSizeKiB: 256}},
		"gp2, small":     {cloud.Volume{Type: "gp2", SizeGiB: 8}, limits{IOPS: 100, MiBps: 128, BurstIOPS: 3000, Credit: 5_400_000, IOSizeKiB: 256}},
		"gp2, 500 GiB":   {cloud.Volume{Type: "gp2", SizeGiB: 500}, limits{IOPS: 1500, MiBps: 250, BurstIOPS: 3000, Credit: 5_400_000, IOSizeKiB: 256}},
		"gp2, 1 TB":      {cloud.Volume{Type: "gp2", SizeGiB: 1000}, limits{IOPS: 3000, MiBps: 250, IOSizeKiB: 256}},
		"gp2, large":     {cloud.Volume{Type: "gp2", SizeGiB: 16384}, limits{IOPS: 16000, MiBps: 250, IOSizeKiB: 256}},
		"io1":            {cloud.Volume{Type: "io1", SizeGiB: 100, IOPS: 1000}, limits{IOPS: 1000, MiBps: 250, IOSizeKiB: 256}},
		"io1, 32,000":    {cloud.Volume{Type: "io1", SizeGiB: 1000, IOPS: 32000}, limits{IOPS: 32000, MiBps: 500, IOSizeKiB: 256}},
		"io1, 64,000":    {cloud.Volume{Type: "io1", SizeGiB: 2000, IOPS: 64000}, limits{IOPS: 64000, MiBps: 1000, IOSizeKiB: 256}},
		"io2":            {cloud.Volume{Type: "io2", SizeGiB: 4, IOPS: 100}, limits{IOPS: 100, MiBps: 26, IOSizeKiB: 256}},
		"io2, 256,000":   {cloud.Volume{Type: "io2", SizeGiB: 400, IOPS: 256000}, limits{IOPS: 256000, MiBps: 4000, IOSizeKiB: 256}},
		"st1, 125 GiB":   {cloud.Volume{Type: "st1", SizeGiB: 125}, limits{IOPS: 500, MiBps: 5, BurstMiBps: 31, Credit: 128_000, IOSizeKiB: 1024}},
		"st1, 2 TiB":     {cloud.Volume{Type: "st1", SizeGiB: 2048}, limits{IOPS: 500, MiBps: 80, BurstMiBps: 500, Credit: 2 << 20, IOSizeKiB: 1024}},
		"st1, 12.5 TiB":  {cloud.Volume{Type: "st1", SizeGiB: 12800}, limits{IOPS: 500, MiBps: 500, IOSizeKiB: 1024}},
		"sc1, 1 TiB":     {cloud.Volume{Type: "sc1", SizeGiB: 1024}, limits{IOPS: 250, MiBps: 12, BurstMiBps: 80, Credit: 1 << 20, IOSizeKiB: 1024}},
		"sc1, 16 TiB":    {cloud.Volume{Type: "sc1", SizeGiB: 16384}, limits{IOPS: 250, MiBps: 192, BurstMiBps: 250, Credit: 16 << 20, IOSizeKiB: 1024}},
		"standard":       {cloud.Volume{Type: "standard", SizeGiB: 10}, limits{IOPS: 200, MiBps: 90, IOSizeKiB: 1024}},
		"of an old kind": {cloud.Volume{SizeGiB: 8}, limits{IOSizeKiB: 256}},
	} {
		if got := c.volume.Limits(); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}
