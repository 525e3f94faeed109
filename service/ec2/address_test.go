package ec2

import (
	"net/netip"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

func (r *rig) allocate() (id, ip string) {
	r.Helper()
	out := must(r.AllocateAddress(r.ctx, &ec2.AllocateAddressRequest{}))(r)
	return *out.AllocationId, *out.PublicIp
}

func (r *rig) associate(in ec2.AssociateAddressRequest) (string, error) {
	out, err := r.AssociateAddress(r.ctx, &in)
	if err != nil {
		return "", err
	}
	return *out.AssociationId, nil
}

// public is the public address of a private one, "" if it has none, as the
// interface and the elastic address tell it alike.
func (r *rig) public(id string, private netip.Addr) string {
	r.Helper()
	n := must(r.DescribeNetworkInterfaces(r.ctx, &ec2.DescribeNetworkInterfacesRequest{NetworkInterfaceIds: []string{id}}))(r).NetworkInterfaces[0]
	ip := ""
	for _, a := range n.PrivateIpAddresses {
		if *a.PrivateIpAddress == private.String() && a.Association != nil {
			ip = *a.Association.PublicIp
		}
	}
	list := must(r.DescribeAddresses(r.ctx, &ec2.DescribeAddressesRequest{Filters: filters("network-interface-id", id, "private-ip-address", private.String())}))(r).Addresses
	if len(list) > 1 || len(list) == 1 && *list[0].PublicIp != ip {
		r.Errorf("interface %s has public address %q, elastic addresses say %+v", id, ip, list)
	}
	return ip
}

func TestAllocateAddress(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		what string
		in   ec2.AllocateAddressRequest
		code string
	}{
		{"this one, before any is taken by chance", ec2.AllocateAddressRequest{Address: new("100.64.0.77")}, ""},
		{"this one again", ec2.AllocateAddressRequest{Address: new("100.64.0.77")}, "InvalidAddress.NotFound"},
		{"plain", ec2.AllocateAddressRequest{}, ""},
		{"everything said", ec2.AllocateAddressRequest{Domain: new("vpc"), PublicIpv4Pool: new("amazon"), NetworkBorderGroup: new("eu-paris-1"), TagSpecifications: tagSpec("elastic-ip", "Name", "x")}, ""},
		{"classic", ec2.AllocateAddressRequest{Domain: new("standard")}, "InvalidParameterValue"},
		{"other pool", ec2.AllocateAddressRequest{PublicIpv4Pool: new("ipv4pool-ec2-1")}, "InvalidParameterValue"},
		{"customer's pool", ec2.AllocateAddressRequest{CustomerOwnedIpv4Pool: new("x")}, "InvalidParameterValue"},
		{"IPAM pool", ec2.AllocateAddressRequest{IpamPoolId: new("x")}, "InvalidParameterValue"},
		{"other border group", ec2.AllocateAddressRequest{NetworkBorderGroup: new("us-east-1")}, "InvalidParameterValue"},
		{"wrong tags", ec2.AllocateAddressRequest{TagSpecifications: tagSpec("vpc", "Name", "x")}, "InvalidParameterValue"},
		{"the pool's own", ec2.AllocateAddressRequest{Address: new("100.64.0.0")}, "InvalidAddress.NotFound"},
		{"the pool's last", ec2.AllocateAddressRequest{Address: new("100.64.0.255")}, "InvalidAddress.NotFound"},
		{"outside the pool", ec2.AllocateAddressRequest{Address: new("8.8.8.8")}, "InvalidAddress.NotFound"},
		{"IPv6", ec2.AllocateAddressRequest{Address: new("::1")}, "InvalidAddress.Malformed"},
		{"no address", ec2.AllocateAddressRequest{Address: new("100.64.0")}, "InvalidAddress.Malformed"},
		{"dry run", ec2.AllocateAddressRequest{DryRun: new(true)}, "DryRunOperation"},
	} {
		out, err := r.AllocateAddress(r.ctx, &c.in)
		want(t, c.what, err, c.code)
		if err == nil && (!r.PublicPool.Contains(netip.MustParseAddr(*out.PublicIp)) || !cloud.ValidID("eipalloc", *out.AllocationId) || *out.Domain != "vpc") {
			t.Errorf("%s: got %+v", c.what, out)
		}
	}
	for range maxAddresses - 3 {
		r.allocate()
	}
	_, err := r.AllocateAddress(r.ctx, &ec2.AllocateAddressRequest{})
	want(t, "one too many", err, "AddressLimitExceeded", "The maximum number of addresses has been reached.")
}

func TestPublicPoolExhausts(t *testing.T) {
	r := newRig(t)
	r.PublicPool = netip.MustParsePrefix("100.64.0.0/29")
	seen := map[string]bool{}
	var last string
	for range 6 {
		id, ip := r.allocate()
		if seen[ip] {
			t.Fatalf("got %s twice", ip)
		}
		seen[ip], last = true, id
	}
	_, err := r.AllocateAddress(r.ctx, &ec2.AllocateAddressRequest{})
	want(t, "empty pool", err, "InsufficientAddressCapacity")
	must(r.ReleaseAddress(r.ctx, &ec2.ReleaseAddressRequest{AllocationId: &last}))(t)
	r.allocate()
}

func TestReleaseAddress(t *testing.T) {
	r := newRig(t)
	id, ip := r.allocate()
	n := r.addInterface("", port{})
	release := func(in ec2.ReleaseAddressRequest) error {
		_, err := r.ReleaseAddress(r.ctx, &in)
		return err
	}
	association, err := r.associate(ec2.AssociateAddressRequest{AllocationId: &id, NetworkInterfaceId: &n.ID})
	want(t, "associate", err, "")
	want(t, "in use", release(ec2.ReleaseAddressRequest{AllocationId: &id}), "InvalidIPAddress.InUse", "Address "+ip+" is in use.")
	must(r.DisassociateAddress(r.ctx, &ec2.DisassociateAddressRequest{AssociationId: &association}))(t)

	want(t, "nothing", release(ec2.ReleaseAddressRequest{}), "MissingParameter")
	want(t, "both", release(ec2.ReleaseAddressRequest{AllocationId: &id, PublicIp: &ip}), "InvalidParameterCombination")
	want(t, "malformed", release(ec2.ReleaseAddressRequest{AllocationId: new("eipalloc-1")}), "InvalidAllocationID.Malformed")
	want(t, "unknown", release(ec2.ReleaseAddressRequest{AllocationId: new("eipalloc-01234567")}), "InvalidAllocationID.NotFound", "The allocation ID 'eipalloc-01234567' does not exist")
	want(t, "other border group", release(ec2.ReleaseAddressRequest{AllocationId: &id, NetworkBorderGroup: new("x")}), "InvalidParameterValue")
	want(t, "unknown address", release(ec2.ReleaseAddressRequest{PublicIp: new("8.8.8.8")}), "InvalidAddress.NotFound", "Address '8.8.8.8' not found.")
	want(t, "dry run", release(ec2.ReleaseAddressRequest{AllocationId: &id, DryRun: new(true)}), "DryRunOperation")
	_, err = r.ReleaseAddress(r.bob, &ec2.ReleaseAddressRequest{AllocationId: &id})
	want(t, "as bob", err, "InvalidAllocationID.NotFound")
	_, err = r.ReleaseAddress(r.bob, &ec2.ReleaseAddressRequest{PublicIp: &ip})
	want(t, "as bob, by address", err, "InvalidAddress.NotFound")

	want(t, "release", release(ec2.ReleaseAddressRequest{PublicIp: &ip}), "")
	want(t, "gone", release(ec2.ReleaseAddressRequest{AllocationId: &id}), "InvalidAllocationID.NotFound")
	out := must(r.AllocateAddress(r.bob, &ec2.AllocateAddressRequest{Address: &ip}))(t)
	if *out.PublicIp != ip {
		t.Errorf("bob got %s, want the released %s", *out.PublicIp, ip)
	}
}

func TestAssociateAddress(t *testing.T) {
	r := newRig(t)
	i1, i2 := cloud.NewID("i"), cloud.NewID("i")
	n1 := r.addInterface(i1, port{public: true, addresses: make([]netip.Addr, 2)})
	n2 := r.addInterface(i2, port{})
	a, aIP := r.allocate()
	b, bIP := r.allocate()
	first, second := n1.Addresses[0].Private, n1.Addresses[1].Private
	assigned := n1.Addresses[0].Public.Address

	one, err := r.associate(ec2.AssociateAddressRequest{AllocationId: &a, InstanceId: &i1})
	want(t, "to the instance", err, "")
	if !cloud.ValidID("eipassoc", one) || r.public(n1.ID, first) != aIP {
		t.Errorf("association %s, address %s, want %s", one, r.public(n1.ID, first), aIP)
	}
	if _, held := store.Owner(r.DB.View(), cloud.PublicAddresses, assigned.String()); held {
		t.Errorf("the assigned address %s did not return to the pool", assigned)
	}
	again, err := r.associate(ec2.AssociateAddressRequest{AllocationId: &a, NetworkInterfaceId: &n1.ID, AllowReassociation: new(false)})
	want(t, "the same again", err, "")
	if again != one {
		t.Errorf("the same association got ID %s, want %s", again, one)
	}
	_, err = r.associate(ec2.AssociateAddressRequest{AllocationId: &b, NetworkInterfaceId: &n1.ID, PrivateIpAddress: new(second.String())})
	want(t, "to the second address", err, "")
	if r.public(n1.ID, second) != bIP || r.public(n1.ID, first) != aIP {
		t.Errorf("addresses are %s and %s", r.public(n1.ID, first), r.public(n1.ID, second))
	}

	_, err = r.associate(ec2.AssociateAddressRequest{AllocationId: &a, InstanceId: &i2, AllowReassociation: new(false)})
	want(t, "no move", err, "Resource.AlreadyAssociated", "resource "+a+" is already associated with associate-id "+one)
	c, cIP := r.allocate()
	_, err = r.associate(ec2.AssociateAddressRequest{AllocationId: &c, InstanceId: &i1, AllowReassociation: new(false)})
	want(t, "no push", err, "Resource.AlreadyAssociated", "resource "+n1.ID+" is already associated with associate-id "+one)
	_, err = r.associate(ec2.AssociateAddressRequest{AllocationId: &a, InstanceId: &i2})
	want(t, "move", err, "")
	if r.public(n1.ID, first) != "" || r.public(n2.ID, n2.Primary()) != aIP {
		t.Errorf("after a move: %q and %q", r.public(n1.ID, first), r.public(n2.ID, n2.Primary()))
	}
	_, err = r.associate(ec2.AssociateAddressRequest{PublicIp: &cIP, InstanceId: &i2, AllowReassociation: new(true)})
	want(t, "push", err, "")
	if r.public(n2.ID, n2.Primary()) != cIP {
		t.Errorf("after a push: %q", r.public(n2.ID, n2.Primary()))
	}
	left := must(r.DescribeAddresses(r.ctx, &ec2.DescribeAddressesRequest{AllocationIds: []string{a}}))(t).Addresses[0]
	if left.AssociationId != nil || left.InstanceId != nil || left.PrivateIpAddress != nil {
		t.Errorf("pushed out, but %+v", left)
	}
}

func TestAssociateAddressErrors(t *testing.T) {
	r := newRig(t)
	instance := cloud.NewID("i")
	n := r.addInterface(instance, port{})
	a, ip := r.allocate()
	double := cloud.NewID("i")
	r.addInterface(double, port{})
	r.addInterface(double, port{})
	bare := cloud.NewID("i")
	r.addInterface(bare, port{})
	r.update(func(tx *store.Tx) error {
		for n := range interfaceTable.Select(tx, "instance/"+bare) {
			tx.ReleaseAll(n.ID)
			return interfaceTable.Delete(tx, n.ID)
		}
		return nil
	})
	states, nics := map[string]string{}, map[string]string{}
	for state, i := range map[string]cloud.Instance{
		"pending":       {Want: cloud.PowerRunning, Starts: 1},
		"stopping":      {Want: cloud.PowerStopped, Starts: 1, Host: "h"},
		"shutting-down": {Want: cloud.PowerTerminated, Starts: 1},
		"terminated":    {Want: cloud.PowerTerminated, Starts: 1, Released: r.Now()},
	} {
		id := cloud.NewID("i")
		states[state] = id
		nics[state] = r.addInterface(id, port{}).ID
		r.update(func(tx *store.Tx) error {
			i.Meta, i.VPC = cloud.Meta{ID: id, Account: alice}, r.net.VPC.ID
			return instanceTable.Put(tx, i)
		})
	}
	away := r.addVPC()
	r.update(func(tx *store.Tx) error { return gatewayTable.Delete(tx, away.Gateway.ID) })
	cutOff := r.addInterface("", port{subnet: away.Subnets[0], groups: []string{away.Group.ID}})
	bobs := must(r.AllocateAddress(r.bob, &ec2.AllocateAddressRequest{}))(t)

	for _, c := range []struct {
		what       string
		in         ec2.AssociateAddressRequest
		code, text string
	}{
		{"no address", ec2.AssociateAddressRequest{InstanceId: &instance}, "MissingParameter", ""},
		{"address twice", ec2.AssociateAddressRequest{AllocationId: &a, PublicIp: &ip, InstanceId: &instance}, "InvalidParameterCombination", ""},
		{"bad allocation", ec2.AssociateAddressRequest{AllocationId: new("x"), InstanceId: &instance}, "InvalidAllocationID.Malformed", ""},
		{"unknown allocation", ec2.AssociateAddressRequest{AllocationId: new("eipalloc-01234567"), InstanceId: &instance}, "InvalidAllocationID.NotFound", ""},
		{"bob's allocation", ec2.AssociateAddressRequest{AllocationId: bobs.AllocationId, InstanceId: &instance}, "InvalidAllocationID.NotFound", ""},
		{"bob's address", ec2.AssociateAddressRequest{PublicIp: bobs.PublicIp, InstanceId: &instance}, "InvalidAddress.NotFound", ""},
		{"no target", ec2.AssociateAddressRequest{AllocationId: &a}, "MissingParameter", ""},
		{"two targets", ec2.AssociateAddressRequest{AllocationId: &a, InstanceId: &instance, NetworkInterfaceId: &n.ID}, "InvalidParameterCombination", ""},
		{"bad instance", ec2.AssociateAddressRequest{AllocationId: &a, InstanceId: new("x")}, "InvalidInstanceID.Malformed", `Invalid id: "x" (expecting "i-...")`},
		{"unknown instance", ec2.AssociateAddressRequest{AllocationId: &a, InstanceId: new("i-01234567")}, "InvalidInstanceID.NotFound", "The instance ID 'i-01234567' does not exist"},
		{"unknown interface", ec2.AssociateAddressRequest{AllocationId: &a, NetworkInterfaceId: new("eni-01234567")}, "InvalidNetworkInterfaceID.NotFound", "The networkInterface ID 'eni-01234567' does not exist"},
		{"bad private address", ec2.AssociateAddressRequest{AllocationId: &a, InstanceId: &instance, PrivateIpAddress: new("x")}, "InvalidParameterValue", ""},
		{"other private address", ec2.AssociateAddressRequest{AllocationId: &a, InstanceId: &instance, PrivateIpAddress: new("172.31.255.1")}, "InvalidParameterValue", ""},
		{
			"two interfaces",
			ec2.AssociateAddressRequest{AllocationId: &a, InstanceId: &double},
			"InvalidInstanceID",
			"There are multiple interfaces attached to instance '" + double + "'. Please specify an interface ID for the operation instead.",
		},
		{"no interface", ec2.AssociateAddressRequest{AllocationId: &a, InstanceId: &bare}, "InvalidInstanceID", ""},
		{"pending", ec2.AssociateAddressRequest{AllocationId: &a, InstanceId: new(states["pending"])}, "InvalidInstanceID", "The pending instance '" + states["pending"] + "' is not in a valid state for this operation."},
		{
			"interface of a pending one",
			ec2.AssociateAddressRequest{AllocationId: &a, NetworkInterfaceId: new(nics["pending"])},
			"IncorrectInstanceState",
			"The pending-instance-creation instance to which '" + nics["pending"] + "' is attached is not in a valid state for this operation",
		},
		{"shutting down", ec2.AssociateAddressRequest{AllocationId: &a, InstanceId: new(states["shutting-down"])}, "InvalidInstanceID", ""},
		{"terminated", ec2.AssociateAddressRequest{AllocationId: &a, InstanceId: new(states["terminated"])}, "InvalidInstanceID", ""},
		{"no gateway", ec2.AssociateAddressRequest{AllocationId: &a, NetworkInterfaceId: &cutOff.ID}, "Gateway.NotAttached", "Network " + away.VPC.ID + " is not attached to any internet gateway"},
		{"dry run", ec2.AssociateAddressRequest{AllocationId: &a, InstanceId: &instance, DryRun: new(true)}, "DryRunOperation", ""},
		{"stopping", ec2.AssociateAddressRequest{AllocationId: &a, InstanceId: new(states["stopping"])}, "", ""},
	} {
		_, err := r.associate(c.in)
		if c.text == "" {
			want(t, c.what, err, c.code)
		} else {
			want(t, c.what, err, c.code, c.text)
		}
	}
}

func TestDisassociateAddress(t *testing.T) {
	r := newRig(t)
	instance := cloud.NewID("i")
	n := r.addInterface(instance, port{})
	a, ip := r.allocate()
	association, err := r.associate(ec2.AssociateAddressRequest{AllocationId: &a, InstanceId: &instance})
	want(t, "associate", err, "")
	disassociate := func(in ec2.DisassociateAddressRequest) error {
		_, err := r.DisassociateAddress(r.ctx, &in)
		return err
	}
	want(t, "nothing", disassociate(ec2.DisassociateAddressRequest{}), "MissingParameter")
	want(t, "both", disassociate(ec2.DisassociateAddressRequest{AssociationId: &association, PublicIp: &ip}), "InvalidParameterCombination")
	want(t, "malformed", disassociate(ec2.DisassociateAddressRequest{AssociationId: new("x")}), "InvalidAssociationID.Malformed")
	want(t, "unknown", disassociate(ec2.DisassociateAddressRequest{AssociationId: new("eipassoc-01234567")}), "InvalidAssociationID.NotFound", "The association ID 'eipassoc-01234567' does not exist")
	want(t, "dry run", disassociate(ec2.DisassociateAddressRequest{AssociationId: &association, DryRun: new(true)}), "DryRunOperation")
	_, err = r.DisassociateAddress(r.bob, &ec2.DisassociateAddressRequest{AssociationId: &association})
	want(t, "as bob", err, "InvalidAssociationID.NotFound")
	_, err = r.DisassociateAddress(r.bob, &ec2.DisassociateAddressRequest{PublicIp: &ip})
	want(t, "as bob, by address", err, "InvalidAddress.NotFound")
	if r.public(n.ID, n.Primary()) != ip {
		t.Fatal("a refused request took the address away")
	}
	want(t, "disassociate", disassociate(ec2.DisassociateAddressRequest{AssociationId: &association}), "")
	if got := r.public(n.ID, n.Primary()); got != "" {
		t.Errorf("the interface still has %s", got)
	}
	want(t, "again", disassociate(ec2.DisassociateAddressRequest{AssociationId: &association}), "InvalidAssociationID.NotFound")
	want(t, "again, by address", disassociate(ec2.DisassociateAddressRequest{PublicIp: &ip}), "")
	_, err = r.associate(ec2.AssociateAddressRequest{AllocationId: &a, InstanceId: &instance})
	want(t, "associate again", err, "")
	r.removeInterface(n)
	want(t, "interface gone", disassociate(ec2.DisassociateAddressRequest{PublicIp: &ip}), "")
}

func TestDescribeAddresses(t *testing.T) {
	r := newRig(t)
	a, aIP := r.allocate()
	b, bIP := r.allocate()
	bobs := must(r.AllocateAddress(r.bob, &ec2.AllocateAddressRequest{}))(t)
	free := "100.64.0.251" // four candidates for three addresses in use
	for _, ip := range []string{"100.64.0.252", "100.64.0.253", "100.64.0.254"} {
		if free == aIP || free == bIP || free == *bobs.PublicIp {
			free = ip
		}
	}
	for _, c := range []struct {
		what string
		in   ec2.DescribeAddressesRequest
		want int
		code string
	}{
		{"all", ec2.DescribeAddressesRequest{}, 2, ""},
		{"by ID", ec2.DescribeAddressesRequest{AllocationIds: []string{a}}, 1, ""},
		{"by address", ec2.DescribeAddressesRequest{PublicIps: []string{aIP}}, 1, ""},
		{"by both", ec2.DescribeAddressesRequest{PublicIps: []string{aIP, bIP}, AllocationIds: []string{b}}, 2, ""},
		{"bob's ID", ec2.DescribeAddressesRequest{AllocationIds: []string{*bobs.AllocationId}}, 0, "InvalidAllocationID.NotFound"},
		{"bob's address", ec2.DescribeAddressesRequest{PublicIps: []string{*bobs.PublicIp}}, 0, "InvalidAddress.NotFound"},
		{"free address", ec2.DescribeAddressesRequest{PublicIps: []string{free}}, 0, "InvalidAddress.NotFound"},
		{"no address", ec2.DescribeAddressesRequest{PublicIps: []string{"1.2.3"}}, 0, "InvalidAddress.Malformed"},
		{"dry run", ec2.DescribeAddressesRequest{DryRun: new(true)}, 0, "DryRunOperation"},
	} {
		out, err := r.DescribeAddresses(r.ctx, &c.in)
		want(t, c.what, err, c.code)
		if err == nil && len(out.Addresses) != c.want {
			t.Errorf("%s: got %d addresses, want %d", c.what, len(out.Addresses), c.want)
		}
	}
}

func TestDescribeAddressesAttribute(t *testing.T) {
	r := newRig(t)
	id, ip := r.allocate()
	out := must(r.DescribeAddressesAttribute(r.ctx, &ec2.DescribeAddressesAttributeRequest{AllocationIds: []string{id}, Attribute: new("domain-name")}))(t).Addresses
	if len(out) != 1 || *out[0].PublicIp != ip || *out[0].AllocationId != id || out[0].PtrRecord != nil {
		t.Errorf("attributes are %+v", out)
	}
	_, err := r.DescribeAddressesAttribute(r.ctx, &ec2.DescribeAddressesAttributeRequest{Attribute: new("x")})
	want(t, "unknown attribute", err, "InvalidParameterValue")
	_, err = r.DescribeAddressesAttribute(r.bob, &ec2.DescribeAddressesAttributeRequest{AllocationIds: []string{id}})
	want(t, "alice's", err, "InvalidAllocationID.NotFound")
}
