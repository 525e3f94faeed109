package ec2

import (
	"context"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// CreateNetworkInterface makes a network interface in a subnet, which is attached
// to nothing.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNetworkInterface.html
func (s *Service) CreateNetworkInterface(ctx context.Context, in *ec2.CreateNetworkInterfaceRequest) (*ec2.CreateNetworkInterfaceResult, error) {
	caller, err := s.allow(ctx, "CreateNetworkInterface", in.DryRun, s.asking(ctx).newInterface(in)...)
	if err != nil {
		return nil, err
	}
	p, err := readPort(in)
	if err != nil {
		return nil, err
	}
	var n cloud.NetworkInterface
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		if p.subnet, err = get(tx, caller, subnetTable, "subnet", *in.SubnetId); err != nil {
			return err
		}
		if p.groups, err = s.launchGroups(tx, caller, p.subnet, in.Groups, nil); err != nil {
			return err
		}
		p := p
		p.addresses6 = addresses6Of(p.subnet, p.addresses6)
		ids, repeated, err := s.once(tx, caller, "CreateNetworkInterface", in.ClientToken, in, func() ([]string, error) {
			made, err := s.createInterface(tx, caller, p)
			return []string{made.ID}, err
		})
		if err != nil {
			return err
		}
		var ok bool
		if n, ok = interfaceTable.Get(tx, ids[0]); !ok && repeated {
			return notFound("eni", ids[0])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := s.interfaceOut(s.DB.View(), n)
	out.Status = new("pending") // as AWS answers; the next look finds it available
	return &ec2.CreateNetworkInterfaceResult{NetworkInterface: &out, ClientToken: in.ClientToken}, nil
}

// newInterface is the interface that a request makes, its subnet and its groups.
func (a asking) newInterface(in *ec2.CreateNetworkInterfaceRequest) []subject {
	subnet, _ := aboutSubnet.find(a, val(in.SubnetId))
	like := cloud.NetworkInterface{Subnet: subnet.ID, VPC: subnet.VPC, Zone: subnet.Zone}
	about := []subject{
		aboutInterface.made(a, like, requestTags(in.TagSpecifications, "network-interface")),
		aboutSubnet.of(a, val(in.SubnetId)),
	}
	return append(about, aboutGroup.named(a, distinct(in.Groups)...)...)
}

// readPort reads a request, but for what it names in the store.
func readPort(in *ec2.CreateNetworkInterfaceRequest) (p port, err error) {
	if val(in.SubnetId) == "" {
		return p, missing("subnetId")
	}
	spec := ec2.InstanceNetworkInterfaceSpecification{
		PrivateIpAddress: in.PrivateIpAddress, PrivateIpAddresses: in.PrivateIpAddresses,
		SecondaryPrivateIpAddressCount: in.SecondaryPrivateIpAddressCount,
		Ipv4PrefixCount:                in.Ipv4PrefixCount, Ipv4Prefixes: in.Ipv4Prefixes,
		Ipv6PrefixCount: in.Ipv6PrefixCount, Ipv6Prefixes: in.Ipv6Prefixes,
		PrimaryIpv6: in.EnablePrimaryIpv6, InterfaceType: in.InterfaceType, ConnectionTrackingSpecification: in.ConnectionTrackingSpecification,
	}
	if err := refuseNIC(spec); err != nil {
		return p, err
	}
	if in.Operator != nil {
		return p, unsupported("Interfaces that a service manages for its users are not available.")
	}
	p.description = val(in.Description)
	if err := checkDescription(p.description); err != nil {
		return p, err
	}
	if p.addresses, err = nicAddresses(spec); err != nil {
		return p, err
	}
	if p.addresses6, err = nicAddresses6(in.Ipv6AddressCount, in.Ipv6Addresses); err != nil {
		return p, err
	}
	if len(p.addresses) > maxPrivate || len(p.addresses6) > maxPrivate {
		return p, errAddressLimit()
	}
	p.tags, err = tagsFromSpec(in.TagSpecifications, "network-interface")
	return p, err
}

// checkDescription refuses descriptions that no interface can have.
func checkDescription(text string) error {
	switch {
	case len(text) > 255:
		return invalid("description", text, "Descriptions have up to 255 characters.")
	case !isText(text):
		return cloud.Errorf("InvalidParameterValue", "Descriptions must be UTF-8 text without control characters")
	}
	return nil
}

// DeleteNetworkInterface removes an interface that is attached to nothing, with the
// associations of its elastic addresses, which stay the caller's.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteNetworkInterface.html
func (s *Service) DeleteNetworkInterface(ctx context.Context, in *ec2.DeleteNetworkInterfaceRequest) (*ec2.DeleteNetworkInterfaceOutput, error) {
	caller, err := s.allow(ctx, "DeleteNetworkInterface", in.DryRun, aboutInterface.of(s.asking(ctx), val(in.NetworkInterfaceId)))
	if err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		n, err := s.ownInterface(tx, caller, in.NetworkInterfaceId)
		if err != nil {
			return err
		}
		if n.Attachment != nil {
			return cloud.Errorf("InvalidParameterValue", "Network interface '%s' is currently in use.", n.ID)
		}
		for _, p := range n.Addresses {
			if p.Public == nil {
				continue
			}
			if address, ok := addressTable.Get(tx, p.Public.Allocation); ok {
				if err := s.disassociate(tx, address); err != nil {
					return err
				}
			}
		}
		tx.ReleaseAll(n.ID)
		return interfaceTable.Delete(tx, n.ID)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DeleteNetworkInterfaceOutput{}, nil
}

// ownInterface returns the caller's interface that a request names, unless the
// cloud made it for another resource: it changes and goes with that.
func (s *Service) ownInterface(r store.Reader, c cloud.Caller, id *string) (cloud.NetworkInterface, error) {
	if val(id) == "" {
		return cloud.NetworkInterface{}, missing("networkInterfaceId")
	}
	n, err := get(r, c, interfaceTable, "eni", *id)
	if err == nil && n.Of != "" {
		err = errManaged(n)
	}
	return n, err
}

func errManaged(n cloud.NetworkInterface) error {
	return cloud.Errorf("OperationNotPermitted", "The network interface '%s' is managed by %s. Change or delete that instead.", n.ID, n.Of)
}
