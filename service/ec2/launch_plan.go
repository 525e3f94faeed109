package ec2

import (
	"context"
	"slices"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// launchPlan is what a launch comes to: all that it reads before it writes.
type launchPlan struct {
	image   cloud.Image
	profile profileRef
	disks   []disk
	nics    []plan   // of each instance
	hosts   []string // one for each instance
}

// planLaunch looks up what a launch names, chooses what it leaves open, and
// decides where its instances go. With an error it returns the plan as far as it got.
func (s *Service) planLaunch(tx *store.Tx, c cloud.Caller, l launch) (p launchPlan, err error) {
	var badProfile error
	if l.profile != nil {
		p.profile, badProfile = findProfile(asking{s, tx, c}, l.profile)
	}
	var ok bool
	if p.image, ok = visibleImage(tx, c, l.image); !ok {
		p.image = cloud.Image{}
		return p, notFound("ami", l.image)
	}
	if err := usableImage(p.image); err != nil {
		return p, err
	}
	a := asking{s, tx, c}
	if p.disks, err = a.launchDisks(p.image, l.mappings); err != nil {
		return p, err
	}
	if _, ok := store.Owner(tx, keyNames(c.Account), l.key); l.key != "" && !ok {
		return p, noKeyPair(l.key)
	}
	if badProfile != nil {
		return p, badProfile
	}
	if n := len(p.disks) + len(l.nics) - 2; n > maxHotPlug {
		return p, errTooManyDevices(l.kind.Name)
	}
	most := min(l.max, s.vcpusLeft(tx, c.Account)/l.kind.VCPUs)
	if most < l.min {
		return p, s.overLimit()
	}
	pin, err := keeperOf(p.disks)
	if err != nil {
		return p, err
	}
	p.nics, p.hosts, err = s.placeLaunch(tx, c, l, most, len(p.disks), pin)
	return p, err
}

// placeLaunch decides where the instances of a launch go: the hosts of up to
// most of them, and the interfaces of each. A launch that names neither zone nor
// subnet goes to the first zone with room for all, or else for the most. pin is the
// host that keeps the snapshots of the disks, "" if they have none.
func (s *Service) placeLaunch(tx *store.Tx, c cloud.Caller, l launch, most, disks int, pin string) (plans []plan, hosts []string, err error) {
	zones := []string{l.zone}
	if l.zone == "" && l.nics[0].subnet == "" && l.nics[0].existing == "" && s.defaultVPC(tx, c) != "" {
		zones = s.Place.Zones
	}
	var failures []error
	for _, zone := range zones {
		here, err := s.planNICs(tx, c, l, zone)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		_, _, at := here[0].subnet()
		room := newPlacement(tx, at, pin, s.Now())
		found := room.guests(l.kind, most, disks)
		if len(found) < l.min {
			failures = append(failures, room.noCapacity(l.kind, disks))
			continue
		}
		if len(found) > len(hosts) {
			plans, hosts = here, found
		}
		if len(hosts) == most {
			break
		}
	}
	if len(hosts) == 0 {
		// Lack of room in one zone says more than lack of a default subnet in another.
		noRoom := slices.IndexFunc(failures, isNoCapacity)
		return nil, nil, failures[max(noRoom, 0)]
	}
	return plans, hosts, nil
}

// askLaunch asks whether the caller may launch as planned, and pass the role of
// the instance profile on.
func (s *Service) askLaunch(ctx context.Context, a asking, l launch, p launchPlan) error {
	if p.nics == nil && len(l.nics) > 0 {
		// No room, say: what it would be about is asked all the same.
		p.nics, _ = s.planNICs(a.r, a.c, l, l.zone) //nolint:errcheck // planLaunch tells
	}
	if _, err := s.ask(ctx, "RunInstances", a.launch(l, p)...); err != nil {
		return err
	}
	return p.profile.pass(ctx, a, a.subjectARN("i", "*"))
}

// launch is all that a launch is about. What does not exist is named as the
// request names it.
func (a asking) launch(l launch, p launchPlan) []subject {
	like := a.launchLike(a.c, l, p)
	about := []subject{aboutImage.of(a, l.image), aboutInstance.made(a, like, l.tags["instance"])}
	disks := p.disks
	if len(disks) == 0 {
		disks = []disk{{}}
	}
	for _, id := range mappedSnapshots(l.mappings) {
		about = append(about, aboutSnapshot.of(a, id))
	}
	for _, d := range disks {
		about = append(about, aboutVolume.made(a, d.spec.volume(cloud.Meta{}, like.Zone, ""), l.tags["volume"]))
	}
	if len(p.nics) > 0 {
		about = append(about, a.plannedNICs(l, p.nics)...)
	} else {
		about = append(about, a.namedNICs(l)...)
	}
	if l.key != "" {
		about = append(about, a.keyPair(l.key))
	}
	for n, x := range about {
		about[n] = x.with(facts{"IsLaunchTemplateResource": "false"})
	}
	return about
}

// plannedNICs is the interfaces of a launch, and their subnets and groups, each once.
func (a asking) plannedNICs(l launch, nics []plan) []subject {
	var about []subject
	var subnets, groups []string
	for _, p := range nics {
		id, vpc, zone := p.subnet()
		subnets = append(subnets, id)
		if p.existing != nil {
			about = append(about, aboutInterface.doc(a, *p.existing))
			continue
		}
		groups = append(groups, p.port.groups...)
		like := cloud.NetworkInterface{Subnet: id, VPC: vpc, Zone: zone}
		about = append(about, aboutInterface.made(a, like, l.tags["network-interface"]).with(facts{"AssociatePublicIpAddress": boolWord(p.port.public)}))
	}
	about = append(about, aboutSubnet.named(a, distinct(subnets)...)...)
	return append(about, aboutGroup.named(a, distinct(groups)...)...)
}

// namedNICs is what a request names of its interfaces, where they cannot be planned.
func (a asking) namedNICs(l launch) []subject {
	var about []subject
	var subnets, groups []string
	for _, nic := range l.nics {
		if nic.existing != "" {
			about = append(about, aboutInterface.of(a, nic.existing))
			continue
		}
		subnets, groups = append(subnets, nic.subnet), append(groups, nic.groups...)
	}
	if len(about) == 0 {
		about = append(about, aboutInterface.made(a, cloud.NetworkInterface{}, l.tags["network-interface"]))
	}
	for _, name := range l.groupNames {
		about = append(about, a.group(groupRef{name: &name}))
	}
	about = append(about, aboutSubnet.named(a, distinct(subnets)...)...)
	return append(about, aboutGroup.named(a, distinct(groups)...)...)
}

func distinct(ids []string) []string { return slices.Compact(slices.Sorted(slices.Values(ids))) }
