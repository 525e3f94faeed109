package ec2

import (
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
)

func TestInternetGateways(t *testing.T) {
	r := newRig(t)
	id, vpc := r.addGateway(), r.vpcOf("10.0.0.0/16")
	attach := func(g, v string) error {
		_, err := r.AttachInternetGateway(r.ctx, &ec2.AttachInternetGatewayRequest{InternetGatewayId: &g, VpcId: &v})
		return err
	}
	detach := func(g, v string) error {
		_, err := r.DetachInternetGateway(r.ctx, &ec2.DetachInternetGatewayRequest{InternetGatewayId: &g, VpcId: &v})
		return err
	}
	remove := func(g string) error {
		_, err := r.DeleteInternetGateway(r.ctx, &ec2.DeleteInternetGatewayRequest{InternetGatewayId: &g})
		return err
	}
	want(t, "detach what is not attached", detach(id, vpc), "Gateway.NotAttached", "resource "+id+" is not attached to network "+vpc)
	want(t, "attach", attach(id, vpc), "")
	want(t, "attach again", attach(id, vpc), "Resource.AlreadyAssociated", "resource "+id+" is already attached to network "+vpc)
	want(t, "two gateways", attach(r.addGateway(), vpc), "InvalidParameterValue", "Network "+vpc+" already has an internet gateway attached")
	want(t, "no gateway", attach("", vpc), "MissingParameter")
	want(t, "bob's VPC", attach(id, r.bobs.VPC.ID), "InvalidVpcID.NotFound")
	want(t, "delete attached", remove(id), "DependencyViolation", "The internetGateway '"+id+"' has dependencies and cannot be deleted.")
	want(t, "detach", detach(id, vpc), "")
	want(t, "delete", remove(id), "")
	want(t, "delete again", remove(id), "InvalidInternetGatewayID.NotFound")

	n := r.addInterface("", port{public: true})
	want(t, "mapped addresses", detach(r.net.Gateway.ID, r.net.VPC.ID), "DependencyViolation",
		"Network "+r.net.VPC.ID+" has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.")
	r.removeInterface(n)
	want(t, "unmapped", detach(r.net.Gateway.ID, r.net.VPC.ID), "")
	r.Limits.InternetGateways = 1
	_, err := r.CreateInternetGateway(r.ctx, &ec2.CreateInternetGatewayRequest{})
	want(t, "too many", err, "InternetGatewayLimitExceeded")
}

func TestEgressOnlyInternetGateways(t *testing.T) {
	r := newRig(t)
	in := ec2.CreateEgressOnlyInternetGatewayRequest{VpcId: &r.net.VPC.ID, ClientToken: new("once"), TagSpecifications: tagSpec("egress-only-internet-gateway", "a", "b")}
	made := must(r.CreateEgressOnlyInternetGateway(r.ctx, &in))(t).EgressOnlyInternetGateway
	again := must(r.CreateEgressOnlyInternetGateway(r.ctx, &in))(t).EgressOnlyInternetGateway
	if *made.EgressOnlyInternetGatewayId != *again.EgressOnlyInternetGatewayId || *made.Attachments[0].State != "attached" || *made.Attachments[0].VpcId != r.net.VPC.ID {
		t.Errorf("gateways are %+v and %+v", made, again)
	}
	for filter, n := range map[string]int{"b": 1, "c": 0} {
		out := must(r.DescribeEgressOnlyInternetGateways(r.ctx, &ec2.DescribeEgressOnlyInternetGatewaysRequest{Filters: filters("tag:a", filter)}))(t)
		if len(out.EgressOnlyInternetGateways) != n {
			t.Errorf("tag a=%s finds %+v", filter, out.EgressOnlyInternetGateways)
		}
	}
	_, err := r.CreateEgressOnlyInternetGateway(r.ctx, &ec2.CreateEgressOnlyInternetGatewayRequest{VpcId: &r.bobs.VPC.ID})
	want(t, "bob's VPC", err, "InvalidVpcID.NotFound")
	r.Limits.EgressGateways = 1
	_, err = r.CreateEgressOnlyInternetGateway(r.ctx, &ec2.CreateEgressOnlyInternetGatewayRequest{VpcId: &r.net.VPC.ID})
	want(t, "too many", err, "EgressOnlyInternetGatewayLimitExceeded")
	remove := ec2.DeleteEgressOnlyInternetGatewayRequest{EgressOnlyInternetGatewayId: made.EgressOnlyInternetGatewayId}
	if out := must(r.DeleteEgressOnlyInternetGateway(r.ctx, &remove))(t); !*out.ReturnCode {
		t.Error("deleting returns false")
	}
	_, err = r.DeleteEgressOnlyInternetGateway(r.ctx, &remove)
	want(t, "delete again", err, "InvalidEgressOnlyInternetGatewayId.NotFound")
}
