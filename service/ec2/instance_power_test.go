package ec2

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// powerOps calls the four operations on power with IDs.
func (r *rig) powerOps() map[string]func(ids ...string) ([]ec2.InstanceStateChange, error) {
	return map[string]func(ids ...string) ([]ec2.InstanceStateChange, error){
		"start": func(ids ...string) ([]ec2.InstanceStateChange, error) {
			out, err := r.StartInstances(r.ctx, &ec2.StartInstancesRequest{InstanceIds: ids})
			return out.StartingInstances, err
		},
		"stop": func(ids ...string) ([]ec2.InstanceStateChange, error) {
			out, err := r.StopInstances(r.ctx, &ec2.StopInstancesRequest{InstanceIds: ids})
			return out.StoppingInstances, err
		},
		"terminate": func(ids ...string) ([]ec2.InstanceStateChange, error) {
			out, err := r.TerminateInstances(r.ctx, &ec2.TerminateInstancesRequest{InstanceIds: ids})
			return out.TerminatingInstances, err
		},
		"reboot": func(ids ...string) ([]ec2.InstanceStateChange, error) {
			_, err := r.RebootInstances(r.ctx, &ec2.RebootInstancesRequest{InstanceIds: ids})
			return nil, err
		},
	}
}

// inState makes an instance that is in a state.
func (r *rig) inState(state cloud.InstanceState) string {
	r.Helper()
	ops := r.powerOps()
	var id string
	switch state {
	case cloud.InstancePending:
		id = r.launchIDs()[0]
	case cloud.InstanceRunning:
		id = r.running()
	case cloud.InstanceStopping:
		id = r.running()
		must(ops["stop"](id))(r)
	case cloud.InstanceStopped:
		id = r.stopped()
	case cloud.InstanceShuttingDown, cloud.InstanceTerminated:
		id = r.running()
		must(ops["terminate"](id))(r)
		if state == cloud.InstanceTerminated {
			r.ends(id)
			r.settle(id)
		}
	}
	if got := r.doc(id).State(); got != state {
		r.Fatalf("made an instance that is %s, want %s", got, state)
	}
	return id
}

// Every operation on power in every state: the state that follows at once, or
// why not.
func TestPowerInEveryState(t *testing.T) {
	r := newGuestRig(t)
	const (
		noStart = "The instance '%' is not in a state from which it can be started."
		noStop  = "This instance '%' is not in a state from which it can be stopped."
	)
	for _, c := range []struct {
		state  cloud.InstanceState
		op     string
		after  cloud.InstanceState // empty if it is refused
		refuse string
	}{
		{cloud.InstancePending, "start", cloud.InstancePending, ""},
		{cloud.InstancePending, "stop", "", "Instance '%' cannot be stopped as it has never reached the 'running' state."},
		{cloud.InstancePending, "reboot", "", "The instance '%' is not in the 'running' state."},
		{cloud.InstancePending, "terminate", cloud.InstanceShuttingDown, ""},
		{cloud.InstanceRunning, "start", cloud.InstanceRunning, ""},
		{cloud.InstanceRunning, "stop", cloud.InstanceStopping, ""},
		{cloud.InstanceRunning, "reboot", cloud.InstanceRunning, ""},
		{cloud.InstanceRunning, "terminate", cloud.InstanceShuttingDown, ""},
		{cloud.InstanceStopping, "start", "", noStart},
		{cloud.InstanceStopping, "stop", cloud.InstanceStopping, ""},
		{cloud.InstanceStopping, "reboot", "", "The instance '%' is not in the 'running' state."},
		{cloud.InstanceStopping, "terminate", cloud.InstanceShuttingDown, ""},
		{cloud.InstanceStopped, "start", cloud.InstancePending, ""},
		{cloud.InstanceStopped, "stop", cloud.InstanceStopped, ""},
		{cloud.InstanceStopped, "reboot", "", "The instance '%' is not in the 'running' state."},
		{cloud.InstanceStopped, "terminate", cloud.InstanceShuttingDown, ""},
		{cloud.InstanceShuttingDown, "start", "", noStart},
		{cloud.InstanceShuttingDown, "stop", "", noStop},
		{cloud.InstanceShuttingDown, "terminate", cloud.InstanceShuttingDown, ""},
		{cloud.InstanceTerminated, "start", "", noStart},
		{cloud.InstanceTerminated, "stop", "", noStop},
		{cloud.InstanceTerminated, "reboot", "", "The instance '%' is not in the 'running' state."},
		{cloud.InstanceTerminated, "terminate", cloud.InstanceTerminated, ""},
	} {
		t.Run(string(c.state)+" "+c.op, func(t *testing.T) {
			id := r.inState(c.state)
			changes, err := r.powerOps()[c.op](id)
			if c.after == "" {
				want(t, c.op, err, "IncorrectInstanceState", replaceID(c.refuse, id))
				if r.doc(id).State() != c.state {
					t.Errorf("a refused operation changed the state to %s", r.doc(id).State())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := r.doc(id).State(); got != c.after {
				t.Errorf("got state %s, want %s", got, c.after)
			}
			if c.op == "reboot" {
				return
			}
			if got := changes[0]; *got.PreviousState.Name != string(c.state) || *got.CurrentState.Name != string(c.after) ||
				*got.PreviousState.Code != c.state.Code() || *got.CurrentState.Code != c.after.Code() || *got.InstanceId != id {
				t.Errorf("got %s to %s", *got.PreviousState.Name, *got.CurrentState.Name)
			}
		})
	}
}

func replaceID(sentence, id string) string { return strings.Replace(sentence, "%", id, 1) }

func TestPowerIsAllOrNothing(t *testing.T) {
	r := newGuestRig(t)
	running, stopping := r.inState(cloud.InstanceRunning), r.inState(cloud.InstanceStopping)
	stopped, protected := r.stopped(), r.running(func(in *runIn) { in.DisableApiTermination = new(true) })
	ops := r.powerOps()
	_, err := ops["reboot"](running, stopping)
	want(t, "reboot", err, "IncorrectInstanceState")
	_, err = ops["start"](stopped, stopping)
	want(t, "start", err, "IncorrectInstanceState")
	_, err = ops["terminate"](running, protected)
	want(t, "terminate", err, "OperationNotPermitted", "The instance '"+protected+"' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.")
	_, err = ops["terminate"](running, "i-00000000000000001", "i-00000000000000002")
	want(t, "unknown", err, "InvalidInstanceID.NotFound", "The instance IDs 'i-00000000000000001, i-00000000000000002' do not exist")
	_, err = ops["terminate"](running, "i-1")
	want(t, "malformed", err, "InvalidInstanceID.Malformed", `Invalid id: "i-1"`)
	_, err = ops["stop"]()
	want(t, "none", err, "MissingParameter", "The request must contain the parameter InstanceId")
	if i := r.doc(running); i.Reboots != 0 || i.State() != cloud.InstanceRunning {
		t.Errorf("got %s after %d reboots", i.State(), i.Reboots)
	}
	if r.doc(stopped).State() != cloud.InstanceStopped {
		t.Error("one of a refused request was started")
	}
	_, err = r.TerminateInstances(r.bob, &ec2.TerminateInstancesRequest{InstanceIds: []string{running}})
	want(t, "another's", err, "InvalidInstanceID.NotFound", "The instance ID '"+running+"' does not exist")
	_, err = r.StopInstances(r.ctx, &ec2.StopInstancesRequest{InstanceIds: []string{running}, DryRun: new(true)})
	want(t, "dry run", err, "DryRunOperation")
	changes := must(ops["terminate"](stopped, running, stopped))(t)
	if len(changes) != 2 || *changes[0].InstanceId != stopped || *changes[1].InstanceId != running {
		t.Errorf("got %d changes", len(changes))
	}
}

func TestStopProtection(t *testing.T) {
	r := newGuestRig(t)
	id := r.running(func(in *runIn) { in.DisableApiStop = new(true) })
	_, err := r.powerOps()["stop"](id)
	want(t, "stop", err, "OperationNotPermitted", "The instance '"+id+"' may not be stopped. Modify its 'disableApiStop' instance attribute and try again.")
	_, err = r.powerOps()["terminate"](id)
	want(t, "terminate", err, "OperationNotPermitted", "The instance '"+id+"' may not be terminated. Modify its 'disableApiStop' instance attribute and try again.")
	_, err = r.StopInstances(r.ctx, &ec2.StopInstancesRequest{InstanceIds: []string{id}, Hibernate: new(true)})
	want(t, "hibernate", err, "UnsupportedOperation", "Hibernation is not available. Leave out Hibernate to stop the instance.")
}

func TestForcedStop(t *testing.T) {
	r := newGuestRig(t)
	for name, in := range map[string]ec2.StopInstancesRequest{"force": {Force: new(true)}, "skip": {SkipOsShutdown: new(true)}} {
		id := r.inState(cloud.InstanceStopping)
		if r.doc(id).Force {
			t.Error("a plain stop is forced")
		}
		in.InstanceIds = []string{id}
		must(r.StopInstances(r.ctx, &in))(t)
		if !r.doc(id).Force {
			t.Errorf("%s: not forced", name)
		}
		r.ends(id)
		r.settle(id)
		must(r.powerOps()["start"](id))(t)
		if r.doc(id).Force {
			t.Error("the next stop will be forced too")
		}
	}
}

func TestStopAndStart(t *testing.T) {
	r := newGuestRig(t)
	id := r.running()
	first := r.describe(id)
	r.tick(time.Minute)
	must(r.powerOps()["stop"](id))(t)
	if i := r.describe(id); *i.StateReason.Code != "Client.UserInitiatedShutdown" || *i.StateReason.Message != "Client.UserInitiatedShutdown: User initiated shutdown" ||
		*i.StateTransitionReason != "User initiated (2023-11-14 22:14:20 GMT)" {
		t.Errorf("got reason %s, %s", *i.StateReason.Message, *i.StateTransitionReason)
	}
	r.ends(id)
	r.settle(id)
	stopped := r.describe(id)
	if stopped.PublicIpAddress != nil || *stopped.PrivateIpAddress != *first.PrivateIpAddress || *stopped.State.Name != "stopped" {
		t.Errorf("stopped with %v", val(stopped.PublicIpAddress))
	}
	if used := r.host(hostA).Used; used != (cloud.Usage{}) {
		t.Errorf("got usage %+v", used)
	}
	r.tick(time.Minute)
	must(r.powerOps()["start"](id))(t)
	again := r.describe(id)
	if again.PublicIpAddress == nil || *again.State.Name != "pending" || *again.StateTransitionReason != "" || !again.LaunchTime.Equal(r.Now()) {
		t.Errorf("started as %s with %v", *again.State.Name, val(again.PublicIpAddress))
	}
	i := r.doc(id)
	if i.Starts != 2 || i.Host != hostA || i.Slot != 1 || i.Reason != (cloud.Reason{}) {
		t.Errorf("got %+v", i)
	}
	if owner, _ := store.Owner(r.DB.View(), cloud.PublicAddresses, *again.PublicIpAddress); owner != r.nics(id)[0].ID {
		t.Errorf("the public address is owned by %q", owner)
	}
	if used := r.host(hostA).Used; used != (cloud.Usage{VCPUs: 2, MemoryMiB: 1024, Guests: 1}) {
		t.Errorf("got usage %+v", used)
	}
	// One that starts again can be stopped before it runs.
	must(r.powerOps()["stop"](id))(t)
}

func TestStartRefuses(t *testing.T) {
	r := newGuestRig(t)
	id := r.stopped()
	start := func() error { _, err := r.powerOps()["start"](id); return err }
	r.changeHost(hostA, func(h *cloud.Host) { h.Used.MemoryMiB = h.MemoryMiB })
	want(t, "full host", start(), "InsufficientInstanceCapacity", "We currently do not have sufficient t3.micro capacity in the Availability Zone you requested (eu-paris-1a): "+
		"the host that keeps the instance's volumes is away or lacks 2 vCPUs, 1024 MiB of memory and 0 GiB of disk to spare. Stop or terminate instances, choose a smaller type or another zone, or add a host.")
	r.changeHost(hostA, func(h *cloud.Host) { h.Used, h.Seen = cloud.Usage{}, r.Now().Add(-time.Hour) })
	r.addHost("host-c", 0) // which has room, but not the volumes
	want(t, "silent host", start(), "InsufficientInstanceCapacity")
	r.changeHost(hostA, func(h *cloud.Host) { h.Seen = r.Now() })
	root := r.volumes(id)[0]
	must(r.DetachVolume(r.ctx, &ec2.DetachVolumeRequest{VolumeId: &root.ID}))(t)
	want(t, "no root", start(), "InvalidParameterValue", "Invalid value '"+id+"' for instanceId. Instance does not have a volume attached at root (/dev/xvda)")
	_, err := r.StartInstances(r.ctx, &ec2.StartInstancesRequest{InstanceIds: []string{id}, AdditionalInfo: new("x")})
	want(t, "additional info", err, "UnsupportedOperation")
}

func TestTerminatedInstance(t *testing.T) {
	r := newGuestRig(t)
	id := r.inState(cloud.InstanceTerminated)
	i := r.describe(id)
	if i.VpcId != nil || i.SubnetId != nil || i.PrivateIpAddress != nil || i.PublicIpAddress != nil || len(i.NetworkInterfaces)+len(i.BlockDeviceMappings)+len(i.SecurityGroups) > 0 ||
		*i.PrivateDnsName != "" || *i.PublicDnsName != "" || *i.State.Code != 48 {
		t.Errorf("got %+v", i)
	}
	for _, f := range [][]ec2.Filter{filters("vpc-id", r.net.VPC.ID), filters("subnet-id", r.net.Subnets[0].ID)} {
		if out := must(r.DescribeInstances(r.ctx, &ec2.DescribeInstancesRequest{Filters: f}))(t); len(out.Reservations) != 0 {
			t.Errorf("a terminated instance is in %s", f[0].Values)
		}
	}
}

// The reasons that the control plane gives are shown as they are.
func TestReasons(t *testing.T) {
	r := newGuestRig(t)
	id := r.stopped()
	for _, c := range []struct{ code, message, transition string }{
		{"Client.InstanceInitiatedShutdown", "Client.InstanceInitiatedShutdown: Instance initiated shutdown", ""},
		{"Server.InternalError", "Server.InternalError: The guest's process ended unexpectedly", "Server.InternalError: The guest's process ended unexpectedly"},
	} {
		r.update(func(tx *store.Tx) error {
			return instanceTable.Modify(tx, id, func(i *cloud.Instance) error {
				i.Reason = cloud.Reason{Code: c.code, Message: c.message, When: r.Now()}
				return nil
			})
		})
		if i := r.describe(id); *i.StateReason.Code != c.code || *i.StateReason.Message != c.message || *i.StateTransitionReason != c.transition {
			t.Errorf("got %s, %s, %q", *i.StateReason.Code, *i.StateReason.Message, *i.StateTransitionReason)
		}
	}
}

// consoles is a Consoles of one answer.
type consoles struct {
	text string
	err  error
	host string
}

func (c *consoles) Console(_ context.Context, host, _ string) ([]byte, time.Time, error) {
	c.host = host
	return []byte(c.text), time.Unix(1_700_000_001, 0), c.err
}

func TestGetConsoleOutput(t *testing.T) {
	r := newGuestRig(t)
	c := &consoles{text: "login: "}
	r.Consoles = c
	id := r.running()
	out := must(r.GetConsoleOutput(r.ctx, &ec2.GetConsoleOutputRequest{InstanceId: &id, Latest: new(true)}))(t)
	text, err := base64.StdEncoding.DecodeString(*out.Output)
	if err != nil || string(text) != "login: " || out.Timestamp.Unix() != 1_700_000_001 || c.host != hostA {
		t.Errorf("got %q at %v from %s, %v", text, out.Timestamp, c.host, err)
	}
	c.host = ""
	stopped := r.stopped()
	must(r.GetConsoleOutput(r.ctx, &ec2.GetConsoleOutputRequest{InstanceId: &stopped}))(t)
	if c.host != hostA {
		t.Errorf("a stopped instance's console is asked of %q", c.host)
	}
	c.text = ""
	if out := must(r.GetConsoleOutput(r.ctx, &ec2.GetConsoleOutputRequest{InstanceId: &id}))(t); out.Output != nil || out.Timestamp != nil {
		t.Errorf("got %v of a silent guest", *out.Output)
	}
	gone := r.inState(cloud.InstanceTerminated)
	c.err = errors.New("host does not answer")
	if out := must(r.GetConsoleOutput(r.ctx, &ec2.GetConsoleOutputRequest{InstanceId: &gone}))(t); out.Output != nil {
		t.Error("got output of a terminated instance")
	}
	if _, err := r.GetConsoleOutput(r.ctx, &ec2.GetConsoleOutputRequest{InstanceId: &id}); !errors.Is(err, c.err) {
		t.Errorf("got %v", err)
	}
	_, err = r.GetConsoleOutput(r.bob, &ec2.GetConsoleOutputRequest{InstanceId: &id})
	want(t, "another's", err, "InvalidInstanceID.NotFound")
}
