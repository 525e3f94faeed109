package ec2

import (
	"cmp"
	"context"
	"errors"
	"fmt"

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
	caller := cloud.CallerFrom(ctx)
	l, refused := s.checkLaunch(in)
	if refused != nil {
		if err := s.askLaunch(ctx, s.asking(ctx), l, launchPlan{}); err != nil {
			return nil, err
		}
		return nil, refused
	}
	var launched []cloud.Instance
	err := s.DB.Update(ctx, func(tx *store.Tx) error {
		// What is asked about is what this very transaction would launch.
		p, impossible := s.planLaunch(tx, caller, l)
		if err := s.askLaunch(ctx, asking{s, tx, caller}, l, p); err != nil {
			return err
		}
		if val(in.DryRun) {
			return cmp.Or(impossible, errDryRun())
		}
		ids, repeated, err := s.once(tx, caller, "RunInstances", in.ClientToken, in, func() ([]string, error) {
			if impossible != nil {
				return nil, impossible
			}
			return s.launch(tx, caller, l, p)
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
func (s *Service) launch(tx *store.Tx, c cloud.Caller, l launch, p launchPlan) (ids []string, err error) {
	like := s.launchLike(c, l, p)
	like.Reservation = s.NewID("r")
	for n, host := range p.hosts {
		i := like
		i.ID, i.LaunchIndex, i.Host = s.NewID("i"), n, host
		if like.Profile != nil {
			own := *like.Profile
			own.ID = s.NewID("iip-assoc")
			i.Profile = &own
		}
		if i.Slot, err = promise(tx, host, l.kind, i.ID); err != nil {
			return nil, err
		}
		for k, d := range p.disks {
			if err := s.launchDisk(tx, i, d, k == 0, l.tags["volume"]); err != nil {
				return nil, err
			}
		}
		for _, nic := range p.nics {
			if err := s.attachNIC(tx, c, nic, i); err != nil {
				return nil, err
			}
		}
		if err := instanceTable.Create(tx, i); err != nil {
			return nil, fmt.Errorf("create instance: %w", err)
		}
		ids = append(ids, i.ID)
	}
	return ids, nil
}

// launchLike is what the instances of a launch have in common.
func (s *Service) launchLike(c cloud.Caller, l launch, p launchPlan) cloud.Instance {
	now := s.Now().UTC()
	like := cloud.Instance{
		Meta:  cloud.Meta{Account: c.Account, Created: now, Tags: l.tags["instance"]},
		Image: p.image.ID, Type: l.kind.Name, KeyName: l.key, Zone: l.zone, UserData: l.userData, ClientToken: l.token,
		RootDevice: p.image.RootDevice, Launched: now,
		OnShutdown: l.onShutdown, DisableTermination: l.keepUp, DisableStop: l.keepOn,
		EBSOptimized: l.ebsOptimized, Monitoring: l.monitoring, Metadata: l.metadata,
		Want: cloud.PowerRunning, Starts: 1,
	}
	if p.image.IMDS != "" && !l.ownTokens {
		like.Metadata.Tokens = "required"
		if !l.ownHops {
			like.Metadata.HopLimit = 2
		}
	}
	if len(p.nics) > 0 {
		like.Subnet, like.VPC, like.Zone = p.nics[0].subnet()
		like.PublicAddress = p.nics[0].port.public
	}
	if p.profile.arn != "" {
		like.Profile = &cloud.ProfileAssociation{Profile: p.profile.ID, ARN: p.profile.arn, Since: now}
	}
	return like
}

// launchDisk makes a volume of a new instance.
func (s *Service) launchDisk(tx *store.Tx, i cloud.Instance, d disk, root bool, tags map[string]string) error {
	v := d.spec.volume(cloud.Meta{ID: s.NewID("vol"), Account: i.Account, Created: i.Created, Tags: tags}, i.Zone, i.Host)
	if root {
		v.Image = i.Image
	}
	v.Sealed = s.newDiskKey(v.ID)
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
