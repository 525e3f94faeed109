package ec2

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

const (
	// hostSilence is how long after its last heartbeat a host still gets work.
	hostSilence = time.Minute
	// thinGiB is the room that a new volume must find: volumes are thin, and
	// take their size only as guests write.
	thinGiB = 1
)

// placement chooses hosts for guests and volumes. It reads the store once, writes
// nothing, and counts what it has chosen as taken: promise writes.
type placement struct {
	tx       *store.Tx
	zone     string
	pin      string       // the one host to choose from; "" is any of the zone
	hosts    []cloud.Host // that live, less what was chosen
	promised []int        // by host: GiB of the volumes chosen for it
	full     []bool       // by host: has no room for the volumes of another guest
}

// newPlacement looks at the hosts of a zone, or at the one of them that the
// volumes of a guest lie on.
func newPlacement(tx *store.Tx, zone, pin string, now time.Time) *placement {
	p := &placement{tx: tx, zone: zone, pin: pin}
	seq := hostTable.Select(tx, "zone/"+zone)
	if pin != "" {
		h, _ := hostTable.Get(tx, pin)
		seq = slices.Values([]cloud.Host{h})
	}
	for h := range seq {
		if slices.Contains(h.Zones, zone) && now.Sub(h.Seen) <= hostSilence {
			p.hosts = append(p.hosts, h)
		}
	}
	p.promised, p.full = make([]int, len(p.hosts)), make([]bool, len(p.hosts))
	return p
}

// guests returns the hosts for n guests of type t with so many new volumes each,
// one by one; fewer than n where room ends. Each goes to the host with the most
// free memory, so that guests spread.
func (p *placement) guests(t cloud.InstanceType, n, volumes int) []string {
	var chosen []string
	for range n {
		best := p.pick(volumes, freeMemory, func(h cloud.Host) bool { return h.Fits(t) })
		if best < 0 {
			break
		}
		p.hosts[best] = p.hosts[best].Take(t)
		p.promised[best] += volumes * thinGiB
		chosen = append(chosen, p.hosts[best].ID)
	}
	return chosen
}

// volume returns the host with the most disk free, for a volume without a guest.
func (p *placement) volume() (host string, err error) {
	best := p.pick(1, freeDisk, func(cloud.Host) bool { return true })
	if best < 0 {
		return "", &cloud.Error{Code: "InsufficientVolumeCapacity", Status: 500, Message: fmt.Sprintf(
			"There is not enough capacity to create the volume in the Availability Zone '%s': no host has %d GiB of disk to spare. "+
				"Delete volumes, choose another zone, or add a host.", p.zone, thinGiB)}
	}
	return p.hosts[best].ID, nil
}

// pick returns the host that fits, has room for the volumes, and has most; -1 if
// there is none.
func (p *placement) pick(volumes int, most func(cloud.Host) int, fits func(cloud.Host) bool) int {
	for {
		best := -1
		for i, h := range p.hosts {
			if !p.full[i] && fits(h) && (best < 0 || most(h) > most(p.hosts[best])) {
				best = i
			}
		}
		if best < 0 || p.room(best, volumes*thinGiB) {
			return best
		}
		p.full[best] = true
	}
}

// room reports whether host i has need GiB of disk free: what it last reported,
// less what was promised since to volumes that are not made yet.
func (p *placement) room(i, need int) bool {
	h := p.hosts[i]
	free := h.DiskFree - p.promised[i]
	if need == 0 || free-thinGiB*volumeTable.Count(p.tx, "host/"+h.ID) >= need {
		return true // even if none of its volumes were made
	}
	for v := range volumeTable.Select(p.tx, "host/"+h.ID) {
		if !v.Seen.Ready && !v.Seen.Gone && v.Seen.Error == "" {
			free -= thinGiB
		}
	}
	return free >= need
}

func freeMemory(h cloud.Host) int { return h.MemoryMiB - h.Used.MemoryMiB }

// zoneOf returns the zone that a request names, by its name or its ID; "" if it
// names none.
func (s *Service) zoneOf(name, id *string) (string, error) {
	switch {
	case val(name) != "" && val(id) != "":
		return "", cloud.Errorf("InvalidParameterCombination", "The parameter AvailabilityZone cannot be used with the parameter AvailabilityZoneId")
	case val(id) != "":
		for _, zone := range s.Place.Zones {
			if s.Place.ZoneID(zone) == *id {
				return zone, nil
			}
		}
		return "", cloud.Errorf("InvalidParameterValue", "Invalid availability zone ID: [%s]", *id)
	case val(name) != "" && !slices.Contains(s.Place.Zones, *name):
		return "", cloud.Errorf("InvalidParameterValue", "Invalid availability zone: [%s]", *name)
	}
	return val(name), nil
}

func freeDisk(h cloud.Host) int { return h.DiskFree }

// promise takes room for a guest of type t on a host, and a slot: a number that
// no other guest of the host has, claimed for the instance. Among as many numbers
// as there are guests one is free; looking from above finds it at once unless
// guests have gone.
func promise(tx *store.Tx, host string, t cloud.InstanceType, instance string) (slot int, err error) {
	var guests int
	err = hostTable.Modify(tx, host, func(h *cloud.Host) error {
		*h = h.Take(t)
		guests = h.Used.Guests
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("promise room on %s: %w", host, err)
	}
	for n := guests; n > 0; n-- {
		if _, taken := store.Owner(tx, slots(host), strconv.Itoa(n)); !taken {
			return n, tx.Claim(slots(host), strconv.Itoa(n), instance)
		}
	}
	return 0, fmt.Errorf("claim a slot on %s: more guests have one than the host counts", host)
}

// slots is the claim space of the numbers of a host's guests.
func slots(host string) string { return "slot/" + host }

// noCapacity is the error for a guest that found no host.
func (p *placement) noCapacity(t cloud.InstanceType, volumes int) error {
	where := "no host has"
	if p.pin != "" {
		where = "the host that keeps the instance's volumes is away or lacks"
	}
	return &cloud.Error{Code: "InsufficientInstanceCapacity", Status: 500, Message: fmt.Sprintf(
		"We currently do not have sufficient %s capacity in the Availability Zone you requested (%s): %s %d vCPUs, %d MiB of memory and %d GiB of disk to spare. "+
			"Stop or terminate instances, choose a smaller type or another zone, or add a host.",
		t.Name, p.zone, where, t.VCPUs, t.MemoryMiB, volumes*thinGiB)}
}

// vcpusLeft returns how many more vCPUs the account may have.
func (s *Service) vcpusLeft(r store.Reader, account string) int {
	if s.Limits.VCPUs == 0 {
		return math.MaxInt
	}
	vcpus := make(map[string]int)
	for _, t := range cloud.InstanceTypes() {
		vcpus[t.Name] = t.VCPUs
	}
	left := s.Limits.VCPUs
	for i := range instanceTable.Select(r, cloud.AccountLabel(account)) {
		if !slices.Contains([]cloud.InstanceState{cloud.InstanceStopped, cloud.InstanceTerminated}, i.State()) {
			left -= vcpus[i.Type]
		}
	}
	return max(left, 0)
}

func (s *Service) overLimit() error {
	return cloud.Errorf("VcpuLimitExceeded",
		"You have requested more vCPU capacity than your current vCPU limit of %d allows. Stop or terminate instances, or ask the operator for a higher limit.", s.Limits.VCPUs)
}
