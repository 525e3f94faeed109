package ec2

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// TestPrivateAddresses claims and releases addresses of small subnets at
// random, and compares with a set.
func TestPrivateAddresses(t *testing.T) {
	r := newRig(t)
	rapid.Check(t, func(t *rapid.T) {
		// One transaction for all steps: durability is not what is tested here.
		if err := r.DB.Update(r.ctx, func(tx *store.Tx) error { return claimAtRandom(t, tx) }); err != nil {
			t.Fatal(err)
		}
	})
}

func claimAtRandom(t *rapid.T, tx *store.Tx) error {
	bits := rapid.IntRange(26, 28).Draw(t, "bits")
	subnet := cloud.Subnet{Meta: cloud.Meta{ID: cloud.NewID("subnet")}, VPC: cloud.NewID("vpc"), Prefix: netip.PrefixFrom(netip.MustParseAddr("10.9.8.128"), bits).Masked()}
	size := 1<<(32-bits) - 5
	held := map[netip.Addr]string{}
	anyOne := func() error {
		owner := cloud.NewID("eni")
		got, err := claimPrivate(tx, subnet, netip.Addr{}, owner)
		if len(held) == size {
			if code(err) != "InsufficientFreeAddressesInSubnet" {
				return fmt.Errorf("full subnet: got %v", err)
			}
			return nil
		}
		i := offset(subnet.Prefix.Addr(), got)
		if err != nil || held[got] != "" || i < 4 || i > size+3 {
			return fmt.Errorf("got %s, %v with %d of %d taken", got, err, len(held), size)
		}
		held[got] = owner
		return nil
	}
	thisOne := func(asked netip.Addr) error {
		owner := cloud.NewID("eni")
		_, err := claimPrivate(tx, subnet, asked, owner)
		expected := ""
		if i := offset(subnet.Prefix.Addr(), asked); held[asked] != "" {
			expected = "InvalidIPAddress.InUse"
		} else if i < 4 || i > size+3 {
			expected = "InvalidParameterValue"
		}
		if code(err) != expected {
			return fmt.Errorf("asked for %s: got %v, want %q", asked, err, expected)
		}
		if err == nil {
			held[asked] = owner
		}
		return nil
	}
	for range rapid.IntRange(0, 2*size).Draw(t, "steps") {
		var err error
		addr := shift(subnet.Prefix.Addr(), rapid.IntRange(0, size+4).Draw(t, "address"))
		switch rapid.IntRange(0, 3).Draw(t, "what") {
		case 0:
			tx.ReleaseAll(held[addr])
			delete(held, addr)
		case 1:
			err = thisOne(addr)
		default:
			err = anyOne()
		}
		if err != nil {
			return err
		}
	}
	for len(held) < size {
		if err := anyOne(); err != nil {
			return err
		}
	}
	return anyOne() // of a full subnet
}

func TestAskedAddresses(t *testing.T) {
	r := newRig(t)
	subnet := r.net.Subnets[1] // 172.31.16.0/20
	n := r.addInterface("", port{subnet: subnet, addresses: []netip.Addr{netip.MustParseAddr("172.31.20.1")}})
	if n.Primary().String() != "172.31.20.1" {
		t.Fatalf("got %s", n.Primary())
	}
	for _, c := range []struct{ addr, code, text string }{
		{"172.31.20.1", "InvalidIPAddress.InUse", "Address 172.31.20.1 is in use."},
		{"172.31.15.255", "InvalidParameterValue", "Address 172.31.15.255 does not fall within the subnet's address range"},
		{"10.0.0.1", "InvalidParameterValue", "Address 10.0.0.1 does not fall within the subnet's address range"},
		{"fd00::1", "InvalidParameterValue", "Address fd00::1 does not fall within the subnet's address range"},
		{"172.31.16.0", "InvalidParameterValue", "Address 172.31.16.0 is in subnet's reserved address range"},
		{"172.31.16.3", "InvalidParameterValue", "Address 172.31.16.3 is in subnet's reserved address range"},
		{"172.31.31.255", "InvalidParameterValue", "Address 172.31.31.255 is in subnet's reserved address range"},
		{"172.31.16.4", "", ""},
		{"172.31.31.254", "", ""},
	} {
		err := r.DB.Update(r.ctx, func(tx *store.Tx) error {
			_, err := claimPrivate(tx, subnet, netip.MustParseAddr(c.addr), cloud.NewID("eni"))
			return err
		})
		if c.code == "" {
			want(t, c.addr, err, "")
		} else {
			want(t, c.addr, err, c.code, c.text)
		}
	}
	err := r.DB.Update(r.ctx, func(tx *store.Tx) error {
		_, err := r.createInterface(tx, cloud.Caller{Account: alice}, port{subnet: subnet, groups: []string{r.net.Group.ID}, addresses: []netip.Addr{
			netip.MustParseAddr("172.31.20.9"), netip.MustParseAddr("172.31.20.9"),
		}})
		return err
	})
	want(t, "the same address twice", err, "InvalidIPAddress.InUse")
}

func TestCreateInterface(t *testing.T) {
	r := newRig(t)
	macs, addrs := map[string]bool{}, map[netip.Addr]bool{}
	for range 200 {
		n := r.addInterface("", port{public: true, addresses: make([]netip.Addr, 3)})
		if !strings.HasPrefix(n.MAC, "02:") || len(n.MAC) != 17 || macs[n.MAC] {
			t.Fatalf("bad MAC %s", n.MAC)
		}
		macs[n.MAC] = true
		for _, a := range n.Addresses {
			if !r.net.Subnets[0].Prefix.Contains(a.Private) || addrs[a.Private] {
				t.Fatalf("bad address %s", a.Private)
			}
			addrs[a.Private] = true
		}
		public := n.Addresses[0].Public
		if public == nil || !r.PublicPool.Contains(public.Address) || addrs[public.Address] || n.Addresses[1].Public != nil {
			t.Fatalf("bad public addresses %+v", n.Addresses)
		}
		addrs[public.Address] = true
	}
	out := must(r.DescribeSubnets(r.ctx, &ec2.DescribeSubnetsRequest{SubnetIds: []string{r.net.Subnets[0].ID}}))(t)
	if n := *out.Subnets[0].AvailableIpAddressCount; n != 4091-600 {
		t.Errorf("%d addresses are free, want %d", n, 4091-600)
	}
	for range 54 {
		r.addInterface("", port{public: true})
	}
	err := r.DB.Update(r.ctx, func(tx *store.Tx) error {
		_, err := r.createInterface(tx, cloud.Caller{Account: alice}, port{subnet: r.net.Subnets[0], public: true})
		return err
	})
	want(t, "exhausted pool", err, "InsufficientAddressCapacity")
}

func TestLaunchSubnet(t *testing.T) {
	r := newRig(t)
	other := r.addVPC()
	a, b := r.net.Subnets[0], r.net.Subnets[1]
	for _, c := range []struct{ what, id, zone, want, code, text string }{
		{"nothing", "", "", a.ID, "", ""},
		{"zone", "", b.Zone, b.ID, "", ""},
		{"ID", b.ID, "", b.ID, "", ""},
		{"ID and its zone", b.ID, b.Zone, b.ID, "", ""},
		{"ID and another zone", b.ID, a.Zone, "", "InvalidParameterValue", "The availability zone 'eu-paris-1a' does not match the zone 'eu-paris-1b' of the subnet '" + b.ID + "'"},
		{"no such zone", "", "eu-paris-1z", "", "InvalidParameterValue", "Invalid availability zone: [eu-paris-1z]"},
		{"other VPC", other.Subnets[0].ID, "", other.Subnets[0].ID, "", ""},
		{"malformed", "subnet-1", "", "", "InvalidSubnetID.Malformed", `Invalid id: "subnet-1"`},
		{"unknown", "subnet-01234567", "", "", "InvalidSubnetID.NotFound", "The subnet ID 'subnet-01234567' does not exist"},
		{"bob's", r.bobs.Subnets[0].ID, "", "", "InvalidSubnetID.NotFound", "The subnet ID '" + r.bobs.Subnets[0].ID + "' does not exist"},
	} {
		subnet, err := r.launchSubnet(r.DB.View(), cloud.Caller{Account: alice}, c.id, c.zone)
		if err == nil && subnet.ID != c.want {
			t.Errorf("%s: got %s, want %s", c.what, subnet.ID, c.want)
		}
		if c.code == "" {
			want(t, c.what, err, "")
		} else {
			want(t, c.what, err, c.code, c.text)
		}
	}
	_, err := r.launchSubnet(r.DB.View(), cloud.Caller{Account: "999999999999"}, "", "")
	want(t, "no default VPC", err, "VPCIdNotSpecified")
	r.update(func(tx *store.Tx) error {
		for _, s := range r.net.Subnets {
			if err := subnetTable.Modify(tx, s.ID, func(s *cloud.Subnet) error { s.DefaultForZone = false; return nil }); err != nil {
				return err
			}
		}
		return nil
	})
	_, err = r.launchSubnet(r.DB.View(), cloud.Caller{Account: alice}, "", "")
	want(t, "no default subnet", err, "MissingInput", "No subnets found for the default VPC '"+r.net.VPC.ID+"'. Please specify a subnet.")
}

func TestLaunchGroups(t *testing.T) {
	r := newRig(t)
	other := r.addVPC()
	web := r.newSecurityGroup("web")
	all := make([]string, 17)
	for i := range all {
		all[i] = r.newSecurityGroup("group " + strings.Repeat("x", i+1))
	}
	home, away := r.net.Subnets[0], other.Subnets[0]
	for _, c := range []struct {
		what       string
		subnet     cloud.Subnet
		ids, names []string
		want       []string
		code, text string
	}{
		{"default", home, nil, nil, []string{r.net.Group.ID}, "", ""},
		{"default of another VPC", away, nil, nil, []string{other.Group.ID}, "", ""},
		{"both, each once", home, []string{web, web}, []string{"default", "web"}, []string{web, r.net.Group.ID}, "", ""},
		{"16", home, all[:16], nil, all[:16], "", ""},
		{"17", home, all, nil, nil, "SecurityGroupsPerInterfaceLimitExceeded", "The maximum number of security groups per interface has been reached."},
		{"malformed", home, []string{"web"}, nil, nil, "InvalidGroupId.Malformed", `Invalid id: "web" (expecting "sg-...")`},
		{"unknown", home, []string{"sg-01234567"}, nil, nil, "InvalidGroup.NotFound", "The security group 'sg-01234567' does not exist"},
		{"bob's", home, []string{r.bobs.Group.ID}, nil, nil, "InvalidGroup.NotFound", "The security group '" + r.bobs.Group.ID + "' does not exist"},
		{"of another VPC", home, []string{other.Group.ID}, nil, nil, "InvalidParameter", "Security group " + other.Group.ID + " and subnet " + home.ID + " belong to different networks."},
		{"unknown name", home, nil, []string{"db"}, nil, "InvalidGroup.NotFound", "The security group 'db' does not exist in default VPC '" + r.net.VPC.ID + "'"},
		{"name elsewhere", away, nil, []string{"web"}, nil, "InvalidParameterCombination", "The parameter groupName cannot be used with the parameter subnet"},
	} {
		got, err := r.launchGroups(r.DB.View(), cloud.Caller{Account: alice}, c.subnet, c.ids, c.names)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.what, got, c.want)
		}
		if c.code == "" {
			want(t, c.what, err, "")
		} else {
			want(t, c.what, err, c.code, c.text)
		}
	}
}

// BenchmarkClaimNearlyFull claims and releases an address of a /20 subnet in
// which forty are free.
func BenchmarkClaimNearlyFull(b *testing.B) {
	r := newRig(b)
	subnet := r.net.Subnets[0]
	r.update(func(tx *store.Tx) error {
		for range 4051 {
			if _, err := claimPrivate(tx, subnet, netip.Addr{}, cloud.NewID("eni")); err != nil {
				return err
			}
		}
		return nil
	})
	r.update(func(tx *store.Tx) error {
		for b.Loop() {
			owner := cloud.NewID("eni")
			if _, err := claimPrivate(tx, subnet, netip.Addr{}, owner); err != nil {
				return err
			}
			tx.ReleaseAll(owner)
		}
		return nil
	})
}
