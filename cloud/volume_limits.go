package cloud

// DiskLimits are how fast a volume may be: sustained, and above that as long as its
// credit lasts.
type DiskLimits struct {
	IOPS, MiBps           int // sustained, a second; 0: no limit
	BurstIOPS, BurstMiBps int // with credit; 0: no burst
	// Credit is what a burst may take in all, in operations or MiB; it comes back at the
	// sustained rate.
	Credit    int
	IOSizeKiB int // an operation that is larger counts as several
}

// Sizes of operations that count as one.
const (
	ssdIOSizeKiB = 256
	hddIOSizeKiB = 1024
)

// Limits are those of the volume's type, size and provision:
// https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html
func (v Volume) Limits() DiskLimits {
	switch v.Type {
	case "gp2":
		return gp2Limits(v.SizeGiB)
	case "io1": // 256 KiB an operation up to 500 MiB/s, 16 KiB an operation above
		return DiskLimits{IOPS: v.IOPS, MiBps: max(min(ceil(v.IOPS, 4), 500), v.IOPS/64), IOSizeKiB: ssdIOSizeKiB}
	case "io2":
		return DiskLimits{IOPS: v.IOPS, MiBps: min(ceil(v.IOPS*256, 1000), 4000), IOSizeKiB: ssdIOSizeKiB}
	case "st1":
		return hddLimits(v.SizeGiB, hddType{iops: 500, base: 40, burst: 250, most: 500})
	case "sc1":
		return hddLimits(v.SizeGiB, hddType{iops: 250, base: 12, burst: 80, most: 250})
	case "standard":
		return DiskLimits{IOPS: 200, MiBps: 90, IOSizeKiB: hddIOSizeKiB}
	default: // gp3
		return DiskLimits{IOPS: v.IOPS, MiBps: v.Throughput, IOSizeKiB: ssdIOSizeKiB}
	}
}

const (
	gp2Burst  = 3000
	gp2Credit = 5_400_000
)

func gp2Limits(gib int) DiskLimits {
	l := DiskLimits{IOPS: min(max(3*gib, 100), 16000), MiBps: 128, IOSizeKiB: ssdIOSizeKiB}
	if gib > 170 {
		l.MiBps = 250
	}
	if l.IOPS < gp2Burst {
		l.BurstIOPS, l.Credit = gp2Burst, gp2Credit
	}
	return l
}

// hddType is a type of disks that turn: operations a second, MiB/s for each TiB, and
// MiB/s at most.
type hddType struct{ iops, base, burst, most int }

func hddLimits(gib int, t hddType) DiskLimits {
	l := DiskLimits{IOPS: t.iops, MiBps: min(ceil(t.base*gib, 1024), t.most), IOSizeKiB: hddIOSizeKiB}
	if burst := min(ceil(t.burst*gib, 1024), t.most); burst > l.MiBps {
		l.BurstMiBps, l.Credit = burst, gib*1024
	}
	return l
}

func ceil(a, b int) int { return (a + b - 1) / b }
