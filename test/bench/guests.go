package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// qemuProgram is what guests run in.
const qemuProgram = "qemu-system-x86_64"

// tenant launches guests of the smallest type on a real cloud.
type tenant struct {
	*bench
	cloud  *e2e.Cloud
	client *ec2.Client
	image  string
	group  string // lets SSH in
	key    string
}

// tenant starts a cloud with an image, a security group and a key pair.
func (b *bench) tenant() tenant {
	c := e2e.Start(b)
	t := tenant{bench: b, cloud: c, client: c.EC2(), image: c.Tiny(), key: "bench"}
	group, err := t.client.CreateSecurityGroup(b.ctx, &ec2.CreateSecurityGroupInput{GroupName: new("bench"), Description: new("lets SSH in")})
	b.must(err)
	t.group = *group.GroupId
	_, err = t.client.AuthorizeSecurityGroupIngress(b.ctx, &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: &t.group, IpProtocol: new("tcp"), FromPort: new(int32(22)), ToPort: new(int32(22)), CidrIp: new("0.0.0.0/0"),
	})
	b.must(err)
	_, err = t.client.CreateKeyPair(b.ctx, &ec2.CreateKeyPairInput{KeyName: &t.key, KeyType: types.KeyTypeEd25519})
	b.must(err)
	return t
}

// launched is a guest, and how long it took from the request on.
type launched struct {
	types.Instance
	answered time.Duration // until RunInstances answered
	running  time.Duration // until it was seen running
	pending  time.Duration // from the one to the other
}

// launch launches a guest and waits until it is running.
func (t tenant) launch() launched {
	begin := time.Now()
	out, err := t.client.RunInstances(t.ctx, &ec2.RunInstancesInput{
		ImageId: &t.image, InstanceType: types.InstanceTypeT2Nano, MinCount: new(int32(1)), MaxCount: new(int32(1)),
		KeyName: &t.key, SecurityGroupIds: []string{t.group},
	})
	answered := time.Since(begin)
	t.must(err)
	i := t.await(*out.Instances[0].InstanceId, types.InstanceStateNameRunning)
	running := time.Since(begin)
	return launched{Instance: i, answered: answered, running: running, pending: running - answered}
}

// await waits until the instance is in that state, looking every 10 ms.
func (t tenant) await(id string, state types.InstanceStateName) types.Instance {
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		out, err := t.client.DescribeInstances(t.ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
		t.must(err)
		i := out.Reservations[0].Instances[0]
		switch {
		case i.State.Name == state:
			return i
		case i.State.Name == types.InstanceStateNameTerminated, time.Now().After(deadline):
			t.Fatalf("%s is %s, not %s: %s", id, i.State.Name, state, *i.StateReason.Message)
		}
	}
}

// terminate ends the guest, and returns when nothing of it runs any more.
func (t tenant) terminate(id string) {
	_, err := t.client.TerminateInstances(t.ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
	t.must(err)
	t.await(id, types.InstanceStateNameTerminated)
}

// pendingToRunning measures what a client sees of launches of real guests, one
// at a time. Each ends once it is running, so that none boots beside the next.
func pendingToRunning(b *bench) {
	t := b.tenant()
	var answered, pending durations
	for range b.samples(20, 3) {
		l := t.launch()
		answered, pending = append(answered, l.answered), append(pending, l.pending)
		t.terminate(*l.InstanceId)
	}
	n := fmt.Sprintf("%d launches of t2.nano, one at a time", len(answered))
	b.add(result{Measure: "RunInstances, real guests, p50", Value: ms(answered.at(0.5)), Unit: "ms", Note: n})
	b.add(result{Measure: "RunInstances, real guests, slowest", Value: ms(answered.at(1)), Unit: "ms", Goal: atMost(100), Note: n})
	b.add(result{Measure: "pending to running, p50", Value: pending.at(0.5).Seconds(), Unit: "s", Note: n})
	b.add(result{Measure: "pending to running, slowest", Value: pending.at(1).Seconds(), Unit: "s", Goal: atMost(2), Note: n})
}

// launchToSSH launches guests by the API and starts the same by hand, in turns.
func launchToSSH(b *bench) {
	t := b.tenant()
	var ratios []float64
	var cloud, byHand durations
	for range b.samples(5, 1) {
		begin := time.Now()
		l := t.launch()
		b.must(awaitSSH(b.ctx, netip.MustParseAddr(*l.PublicIpAddress)))
		took := time.Since(begin)
		twin := t.twin(l.Instance)
		t.terminate(*l.InstanceId)
		hand := twin.run()
		cloud, byHand = append(cloud, took), append(byHand, hand)
		ratios = append(ratios, took.Seconds()/hand.Seconds())
	}
	n := fmt.Sprintf("%d pairs", len(ratios))
	b.add(result{Measure: "launch to SSH by the API, median", Value: cloud.at(0.5).Seconds(), Unit: "s", Note: n})
	b.add(result{Measure: "start to SSH by hand, median", Value: byHand.at(0.5).Seconds(), Unit: "s", Note: "same QEMU command line, disk and network"})
	b.add(result{Measure: "launch by the API / by hand, median", Value: median(ratios), Unit: "x", Goal: atMost(1.25), Note: n})
}

// awaitSSH returns once a server at the address says that it speaks SSH (RFC
// 4253, section 4.2). What is not answered is asked again every 200 ms.
func awaitSSH(ctx context.Context, address netip.Addr) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for {
		err := readBanner(ctx, netip.AddrPortFrom(address, 22).String())
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for SSH at %s: %w; last: %w", address, context.Cause(ctx), err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func readBanner(ctx context.Context, address string) error {
	conn, err := (&net.Dialer{Timeout: 200 * time.Millisecond}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // nothing was written
	banner := make([]byte, 4)
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, banner); err != nil {
		return err
	}
	if string(banner) != "SSH-" {
		return errors.New("not an SSH server")
	}
	return nil
}
