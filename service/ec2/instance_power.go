package ec2

import (
	"context"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// StartInstances has stopped instances run again, on the hosts that keep their
// volumes. One that runs or is about to is left alone. All are started or none.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StartInstances.html
func (s *Service) StartInstances(ctx context.Context, in *ec2.StartInstancesRequest) (*ec2.StartInstancesResult, error) {
	changes, err := s.power(ctx, "StartInstances", in.InstanceIds, in.DryRun, func(tx *store.Tx, i cloud.Instance) (cloud.Instance, error) {
		if in.AdditionalInfo != nil {
			return i, unsupported("AdditionalInfo is reserved.")
		}
		return s.start(tx, i)
	})
	return &ec2.StartInstancesResult{StartingInstances: changes}, err
}

// StopInstances has instances shut down; with Force or SkipOsShutdown, without
// asking the guest.
// One that is stopped or about to be is left alone. All are stopped or none.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StopInstances.html
func (s *Service) StopInstances(ctx context.Context, in *ec2.StopInstancesRequest) (*ec2.StopInstancesResult, error) {
	changes, err := s.power(ctx, "StopInstances", in.InstanceIds, in.DryRun, func(_ *store.Tx, i cloud.Instance) (cloud.Instance, error) {
		if val(in.Hibernate) {
			return i, unsupported("Hibernation is not available. Leave out Hibernate to stop the instance.")
		}
		return s.stop(i, val(in.Force) || val(in.SkipOsShutdown))
	})
	return &ec2.StopInstancesResult{StoppingInstances: changes}, err
}

// RebootInstances has running instances restart. All are rebooted or none.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RebootInstances.html
func (s *Service) RebootInstances(ctx context.Context, in *ec2.RebootInstancesRequest) (*ec2.RebootInstancesOutput, error) {
	_, err := s.power(ctx, "RebootInstances", in.InstanceIds, in.DryRun, func(_ *store.Tx, i cloud.Instance) (cloud.Instance, error) {
		if i.State() != cloud.InstanceRunning {
			return i, cloud.Errorf("IncorrectInstanceState", "The instance '%s' is not in the 'running' state.", i.ID)
		}
		i.Reboots++
		return i, nil
	})
	return &ec2.RebootInstancesOutput{}, err
}

// TerminateInstances ends instances for good. A guest with a volume that
// outlives it is asked to shut down first, but for Force or SkipOsShutdown. One
// that is terminated or about to be is left alone. All are terminated or none.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TerminateInstances.html
func (s *Service) TerminateInstances(ctx context.Context, in *ec2.TerminateInstancesRequest) (*ec2.TerminateInstancesResult, error) {
	changes, err := s.power(ctx, "TerminateInstances", in.InstanceIds, in.DryRun, func(_ *store.Tx, i cloud.Instance) (cloud.Instance, error) {
		return s.terminate(i, val(in.Force) || val(in.SkipOsShutdown))
	})
	return &ec2.TerminateInstancesResult{TerminatingInstances: changes}, err
}

// power applies a change to all the instances of a request, or to none, and
// returns their states before and after it.
func (s *Service) power(ctx context.Context, action string, ids []string, dryRun *bool, change func(*store.Tx, cloud.Instance) (cloud.Instance, error)) ([]ec2.InstanceStateChange, error) {
	caller, err := s.allow(ctx, action, dryRun, aboutInstance.named(s.asking(ctx), ids...)...)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, missing("InstanceId")
	}
	var changes []ec2.InstanceStateChange
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		changes = nil
		found, err := find(tx, caller, instanceTable, "i", ids)
		if err != nil {
			return err
		}
		for _, before := range found {
			after, err := change(tx, before)
			if err != nil {
				return err
			}
			if err := instanceTable.Put(tx, after); err != nil {
				return err
			}
			changes = append(changes, ec2.InstanceStateChange{
				InstanceId: new(before.ID), PreviousState: showState(before.State()), CurrentState: showState(after.State()),
			})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	// In the order of the request, which clients pair the answer with.
	slices.SortStableFunc(changes, func(a, b ec2.InstanceStateChange) int {
		return slices.Index(ids, *a.InstanceId) - slices.Index(ids, *b.InstanceId)
	})
	return changes, nil
}

// start places a stopped instance again.
func (s *Service) start(tx *store.Tx, i cloud.Instance) (cloud.Instance, error) {
	switch i.State() {
	case cloud.InstancePending, cloud.InstanceRunning:
		return i, nil
	case cloud.InstanceStopped:
	default:
		return i, cloud.Errorf("IncorrectInstanceState", "The instance '%s' is not in a state from which it can be started.", i.ID)
	}
	t, _ := cloud.FindInstanceType(i.Type)
	if s.vcpusLeft(tx, i.Account) < t.VCPUs {
		return i, s.overLimit()
	}
	volumes := volumesOf(tx, i)
	if len(volumes) == 0 || volumes[0].Attachment.Device != i.RootDevice {
		return i, cloud.Errorf("InvalidParameterValue", "Invalid value '%s' for instanceId. Instance does not have a volume attached at root (%s)", i.ID, i.RootDevice)
	}
	room := newPlacement(tx, i.Zone, volumes[0].Host, s.Now())
	hosts := room.guests(t, 1, 0)
	if len(hosts) == 0 {
		return i, room.noCapacity(t, 0)
	}
	var err error
	if i.Slot, err = promise(tx, hosts[0], t, i.ID); err != nil {
		return i, err
	}
	i.Host, i.Want, i.Force, i.Reason = hosts[0], cloud.PowerRunning, false, cloud.Reason{}
	i.Starts++
	i.Launched = s.Now().UTC()
	return i, s.assignPublic(tx, i)
}

// assignPublic gives an instance that is about to start the public address that
// it gives up whenever it stops.
func (s *Service) assignPublic(tx *store.Tx, i cloud.Instance) error {
	nics := interfacesOf(tx, i.ID)
	if !i.PublicAddress || len(nics) != 1 || nics[0].Addresses[0].Public != nil {
		return nil
	}
	addr, err := s.claimPublic(tx, nics[0].ID)
	if err != nil {
		return err
	}
	return setPublic(tx, nics[0].ID, nics[0].Primary(), &cloud.PublicAddress{Address: addr})
}

// stop wants an instance stopped. One that is being launched for the first time
// cannot be stopped yet, as on AWS.
func (s *Service) stop(i cloud.Instance, force bool) (cloud.Instance, error) {
	switch state := i.State(); {
	case state == cloud.InstanceShuttingDown || state == cloud.InstanceTerminated:
		return i, cloud.Errorf("IncorrectInstanceState", "This instance '%s' is not in a state from which it can be stopped.", i.ID)
	case state == cloud.InstanceStopped:
		return i, nil
	case i.DisableStop:
		return i, notPermitted(i, "stopped", "disableApiStop")
	case state == cloud.InstancePending && i.Starts == 1:
		return i, cloud.Errorf("IncorrectInstanceState", "Instance '%s' cannot be stopped as it has never reached the 'running' state.", i.ID)
	}
	i.Force = i.Force || force
	return s.byUser(i, cloud.PowerStopped), nil
}

// terminate wants an instance gone. Protection from being stopped protects from
// this too: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-stop-protection.html
func (s *Service) terminate(i cloud.Instance, force bool) (cloud.Instance, error) {
	switch {
	case i.Want == cloud.PowerTerminated:
		return i, nil
	case i.DisableTermination:
		return i, notPermitted(i, "terminated", "disableApiTermination")
	case i.DisableStop:
		return i, notPermitted(i, "terminated", "disableApiStop")
	}
	i.Force = i.Force || force
	return s.byUser(i, cloud.PowerTerminated), nil
}

// byUser wants another power, and notes that the instance's owner asked for it.
func (s *Service) byUser(i cloud.Instance, want cloud.Power) cloud.Instance {
	if i.Want != want {
		i.Want = want
		i.Reason = cloud.Reason{Code: initiatedByUser, Message: initiatedByUser + ": User initiated shutdown", When: s.Now().UTC()}
	}
	return i
}

func notPermitted(i cloud.Instance, what, attribute string) error {
	return cloud.Errorf("OperationNotPermitted", "The instance '%s' may not be %s. Modify its '%s' instance attribute and try again.", i.ID, what, attribute)
}
