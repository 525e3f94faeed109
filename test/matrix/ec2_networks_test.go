package matrix

import (
	api "github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/store"
)

// making is what it needs to make something with tags, e.g. "subnet": the operation's
// own action, with pairs of more condition keys and values, and that of tagging.
func (w *world) making(operation, kind string, pairs ...string) []need {
	return []need{
		on(w.named(kind+"/*"), append(pairs, "aws:RequestTag/team", "blue")...),
		also("ec2:CreateTags", w.named(kind+"/*"), "ec2:CreateAction", operation),
	}
}

// ec2Networks are the operations on VPCs, subnets and DHCP options.
var ec2Networks = table{
	"ec2:CreateVpc": func(w *world) row {
		return row{
			in:    &api.CreateVpcRequest{CidrBlock: new("10.0.0.0/16"), TagSpecifications: tagSpec("vpc")},
			needs: w.making("CreateVpc", "vpc", "ec2:Tenancy", "default"),
		}
	},
	"ec2:CreateDefaultVpc": func(w *world) row {
		w.Update(func(tx *store.Tx) error { return vpcs.Delete(tx, w.net.VPC.ID) })
		return row{in: &api.CreateDefaultVpcRequest{}, other: "DefaultVpcAlreadyExists"}
	},
	"ec2:CreateDefaultSubnet": func(w *world) row {
		w.Update(func(tx *store.Tx) error { return subnets.Delete(tx, w.net.Subnets[0].ID) })
		return row{in: &api.CreateDefaultSubnetRequest{AvailabilityZone: &w.net.Subnets[0].Zone}, other: "DefaultSubnetAlreadyExistsInAvailabilityZone"}
	},
	"ec2:DeleteVpc": func(w *world) row {
		v, _ := w.vpc()
		return row{in: &api.DeleteVpcRequest{VpcId: &v}, needs: []need{on(w.arn(v), blue, "blue", "ec2:VpcID", v)}, other: "InvalidVpcID.NotFound"}
	},
	"ec2:ModifyVpcAttribute": func(w *world) row {
		return row{
			in:    &api.ModifyVpcAttributeRequest{VpcId: &w.net.VPC.ID, EnableDnsHostnames: &api.AttributeBooleanValue{Value: new(false)}},
			needs: []need{on(w.arn(w.net.VPC.ID), blue, "blue", "ec2:Attribute", "EnableDnsHostnames", "ec2:Attribute/EnableDnsHostnames", "false")},
			other: "InvalidVpcID.NotFound",
		}
	},
	"ec2:ModifyVpcTenancy": func(w *world) row {
		return row{
			in:    &api.ModifyVpcTenancyRequest{VpcId: &w.net.VPC.ID, InstanceTenancy: new("default")},
			needs: []need{on(w.arn(w.net.VPC.ID), blue, "blue", "ec2:Tenancy", "default")}, other: "InvalidVpcID.NotFound",
		}
	},
	"ec2:AssociateVpcCidrBlock": func(w *world) row {
		v, _ := w.vpc()
		return row{
			in:    &api.AssociateVpcCidrBlockRequest{VpcId: &v, CidrBlock: new("10.2.0.0/16")},
			needs: []need{on(w.arn(v), blue, "blue", "ec2:VpcID", v)}, other: "InvalidVpcID.NotFound",
		}
	},
	"ec2:DisassociateVpcCidrBlock": func(w *world) row {
		v, _ := w.vpc()
		out := made[*api.AssociateVpcCidrBlockResult](w, Alice, &api.AssociateVpcCidrBlockRequest{VpcId: &v, CidrBlock: new("10.2.0.0/16")})
		return row{
			in:    &api.DisassociateVpcCidrBlockRequest{AssociationId: out.CidrBlockAssociation.AssociationId},
			needs: []need{on(w.arn(v), blue, "blue", "ec2:VpcID", v)}, other: "InvalidVpcCidrBlockAssociationID.NotFound",
		}
	},
	"ec2:CreateSubnet": func(w *world) row {
		v, _ := w.vpc()
		return row{
			in:    &api.CreateSubnetRequest{VpcId: &v, CidrBlock: new("10.0.9.0/24"), TagSpecifications: tagSpec("subnet")},
			needs: append(w.making("CreateSubnet", "subnet"), on(w.arn(v), blue, "blue", "ec2:VpcID", v)), other: "InvalidVpcID.NotFound",
		}
	},
	"ec2:DeleteSubnet": func(w *world) row {
		_, s, _ := w.subnet()
		return row{in: &api.DeleteSubnetRequest{SubnetId: &s}, needs: []need{on(w.arn(s), blue, "blue", "ec2:SubnetID", s)}, other: "InvalidSubnetID.NotFound"}
	},
	"ec2:ModifySubnetAttribute": func(w *world) row {
		_, s, _ := w.subnet()
		return row{
			in:    &api.ModifySubnetAttributeRequest{SubnetId: &s, MapPublicIpOnLaunch: &api.AttributeBooleanValue{Value: new(true)}},
			needs: []need{on(w.arn(s), blue, "blue", "ec2:Attribute", "MapPublicIpOnLaunch")}, other: "InvalidSubnetID.NotFound",
		}
	},
	"ec2:AssociateSubnetCidrBlock": func(w *world) row {
		_, s, p := w.subnet()
		return row{
			in:    &api.AssociateSubnetCidrBlockRequest{SubnetId: &s, Ipv6CidrBlock: new(sub6(p))},
			needs: []need{on(w.arn(s), blue, "blue", "ec2:SubnetID", s)}, other: "InvalidSubnetID.NotFound",
		}
	},
	"ec2:DisassociateSubnetCidrBlock": func(w *world) row {
		_, s, p := w.subnet()
		out := made[*api.AssociateSubnetCidrBlockResult](w, Alice, &api.AssociateSubnetCidrBlockRequest{SubnetId: &s, Ipv6CidrBlock: new(sub6(p))})
		return row{
			in:    &api.DisassociateSubnetCidrBlockRequest{AssociationId: out.Ipv6CidrBlockAssociation.AssociationId},
			needs: []need{on(w.arn(s), blue, "blue", "ec2:SubnetID", s)}, other: "InvalidSubnetCidrBlockAssociationID.NotFound",
		}
	},
	"ec2:CreateDhcpOptions": func(w *world) row {
		return row{
			in:    &api.CreateDhcpOptionsRequest{DhcpConfigurations: domainOption(), TagSpecifications: tagSpec("dhcp-options")},
			needs: w.making("CreateDhcpOptions", "dhcp-options"),
		}
	},
	"ec2:DeleteDhcpOptions": func(w *world) row {
		o := w.options()
		return row{
			in: &api.DeleteDhcpOptionsRequest{DhcpOptionsId: &o}, needs: []need{on(w.arn(o), blue, "blue", "ec2:DhcpOptionsID", o)},
			other: "InvalidDhcpOptionID.NotFound",
		}
	},
	"ec2:AssociateDhcpOptions": func(w *world) row {
		o := w.options()
		return row{
			in:    &api.AssociateDhcpOptionsRequest{DhcpOptionsId: &o, VpcId: &w.net.VPC.ID},
			needs: []need{on(w.arn(o), blue, "blue"), on(w.arn(w.net.VPC.ID), blue, "blue")}, other: "InvalidDhcpOptionID.NotFound",
		}
	},
}
