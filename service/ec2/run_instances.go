package ec2

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// RunInstances launches up to MaxCount instances, and at least MinCount or none:
// as many as the account's limit allows and hosts have room for. It answers once
// it is recorded what is wanted; hosts then carry it out. See refuseUnavailable
// for the parameters that are refused.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html
func (s *Service) RunInstances(ctx context.Context, in *ec2.RunInstancesRequest) (*ec2.Reservation, error) {
	caller, err := s.allow(ctx, "RunInstances", in.DryRun)
	if err != nil {
		return nil, err
	}
	l, err := s.checkLaunch(in)
	if err != nil {
		return nil, err
	}
	var launched []cloud.Instance
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		ids, repeated, err := s.once(tx, caller, "RunInstances", in.ClientToken, in, func() ([]string, error) {
			return s.launch(tx, caller, l)
		})
		if err != nil {
			return err
		}
		launched = launched[:0]
		for _, id := range ids {
			if i, ok := instanceTable.Get(tx, id); ok {
				launched = append(launched, i)
			}
		}
		if repeated && len(launched) == 0 {
			return cloud.Errorf("IdempotentInstanceTerminated", "The request to launch an instance uses the same client token as a previous request for which the instance has been terminated.")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &s.shower(s.DB.View()).reservations(launched)[0], nil
}

// launch makes the instances and all that belongs to them, and returns their IDs.
func (s *Service) launch(tx *store.Tx, c cloud.Caller, l launch) ([]string, error) {
	image, ok := visibleImage(tx, c, l.image)
	if !ok {
		return nil, notFound("ami", l.image)
	}
	if _, ok := store.Owner(tx, keyNames(c.Account), l.key); l.key != "" && !ok {
		return nil, noKeyPair(l.key)
	}
	disks, err := launchDisks(image, l.mappings)
	if err != nil {
		return nil, err
	}
	if n := len(disks) + len(l.nics) - 2; n > maxHotPlug {
		return nil, errTooManyDevices(l.kind.Name)
	}
	most := min(l.max, s.vcpusLeft(tx, c.Account)/l.kind.VCPUs)
	if most < l.min {
		return nil, s.overLimit()
	}
	plans, hosts, err := s.placeLaunch(tx, c, l, most, len(disks))
	if err != nil {
		return nil, err
	}
	now := s.Now().UTC()
	subnet, vpc, zone := plans[0].subnet()
	like := cloud.Instance{
		Meta:        cloud.Meta{Account: c.Account, Created: now, Tags: l.tags["instance"]},
		Reservation: s.NewID("r"), Image: image.ID, Type: l.kind.Name, KeyName: l.key,
		Zone: zone, VPC: vpc, Subnet: subnet, UserData: l.userData, ClientToken: l.token,
		RootDevice: image.RootDevice, Launched: now,
		OnShutdown: l.onShutdown, DisableTermination: l.keepUp, DisableStop: l.keepOn,
		EBSOptimized: l.ebsOptimized, Monitoring: l.monitoring, PublicAddress: plans[0].port.public, Metadata: l.metadata,
		Want: cloud.PowerRunning, Starts: 1,
	}
	ids := make([]string, len(hosts))
	for n, host := range hosts {
		i := like
		i.ID, i.LaunchIndex, i.Host = s.NewID("i"), n, host
		if i.Slot, err = promise(tx, host, l.kind, i.ID); err != nil {
			return nil, err
		}
		for k, d := range disks {
			if err := s.launchDisk(tx, i, d, k == 0, l.tags["volume"]); err != nil {
				return nil, err
			}
		}
		for _, p := range plans {
			if err := s.attachNIC(tx, c, p, i); err != nil {
				return nil, err
			}
		}
		if err := instanceTable.Create(tx, i); err != nil {
			return nil, fmt.Errorf("create instance: %w", err)
		}
		ids[n] = i.ID
	}
	return ids, nil
}

// placeLaunch decides where the instances of a launch go: the hosts of up to
// most of them, and the interfaces of each. A launch that names neither zone nor
// subnet goes to the first zone with room for all, or else for the most.
func (s *Service) placeLaunch(tx *store.Tx, c cloud.Caller, l launch, most, disks int) (plans []plan, hosts []string, err error) {
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
		room := newPlacement(tx, at, "", s.Now())
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

// launchDisk makes a volume of a new instance.
func (s *Service) launchDisk(tx *store.Tx, i cloud.Instance, d disk, root bool, tags map[string]string) error {
	v := d.spec.volume(cloud.Meta{ID: s.NewID("vol"), Account: i.Account, Created: i.Created, Tags: tags}, i.Zone, i.Host)
	if root {
		v.Image = i.Image
	}
	v.Attachment = &cloud.Attachment{Instance: i.ID, Device: d.device, DeleteOnTermination: !d.keep, Attached: i.Launched}
	if err := volumeTable.Create(tx, v); err != nil {
		return fmt.Errorf("create volume: %w", err)
	}
	return nil
}

func errTooManyDevices(kind string) error {
	return cloud.Errorf("AttachmentLimitExceeded", "An instance of type %s has room for %d volumes and network interfaces beside its root device and primary interface.", kind, maxHotPlug)
}

func isNoCapacity(err error) bool {
	e, ok := errors.AsType[*cloud.Error](err)
	return ok && e.Code == "InsufficientInstanceCapacity"
}
