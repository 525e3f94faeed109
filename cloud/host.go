package cloud

import "time"

// Host is a server that runs guests. The node agent writes all of it but Used.
type Host struct {
	ID        string
	Zones     []string  // the zones it serves; the one host of a small cloud serves all
	VCPUs     int       // physical, times the operator's overcommit
	MemoryMiB int       // for guests, times the operator's overcommit
	DiskGiB   int       // size of the file system that holds the volumes
	DiskFree  int       // GiB free on it at Seen
	Accel     string    // "kvm" or "tcg"
	Seen      time.Time // last heartbeat
	Used      Usage     // what placement has promised; written by service and control in the transaction that promises or releases
}

// Usage is what the guests placed on a host were promised.
type Usage struct {
	VCPUs     int
	MemoryMiB int
	Guests    int
}

// Table is "host".
func (Host) Table() string { return "host" }

// Key is the host's name.
func (h Host) Key() string { return h.ID }

// Labels finds the hosts of a zone.
func (h Host) Labels() []string {
	labels := make([]string, len(h.Zones))
	for i, z := range h.Zones {
		labels[i] = "zone/" + z
	}
	return labels
}

// Fits reports whether a guest of type t finds room.
func (h Host) Fits(t InstanceType) bool {
	return h.Used.VCPUs+t.VCPUs <= h.VCPUs && h.Used.MemoryMiB+t.MemoryMiB <= h.MemoryMiB
}

// Take returns the host with a guest of type t promised to it.
func (h Host) Take(t InstanceType) Host {
	h.Used.VCPUs += t.VCPUs
	h.Used.MemoryMiB += t.MemoryMiB
	h.Used.Guests++
	return h
}

// Free returns the host with the promise of Take withdrawn.
func (h Host) Free(t InstanceType) Host {
	h.Used.VCPUs -= t.VCPUs
	h.Used.MemoryMiB -= t.MemoryMiB
	h.Used.Guests--
	return h
}
