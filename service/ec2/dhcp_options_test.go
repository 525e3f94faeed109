package ec2

import (
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
)

func TestDhcpOptions(t *testing.T) {
	r := newRig(t)
	all := must(r.DescribeDhcpOptions(r.ctx, &ec2.DescribeDhcpOptionsRequest{}))(t).DhcpOptions
	if len(all) != 1 || *all[0].DhcpConfigurations[0].Values[0].Value != "eu-paris-1.compute.internal" || *all[0].DhcpConfigurations[1].Values[0].Value != "AmazonProvidedDNS" {
		t.Errorf("options are %+v", all)
	}
	option := func(key string, values ...string) ec2.NewDhcpConfiguration {
		return ec2.NewDhcpConfiguration{Key: &key, Values: values}
	}
	create := func(options ...ec2.NewDhcpConfiguration) (string, error) {
		out, err := r.CreateDhcpOptions(r.ctx, &ec2.CreateDhcpOptionsRequest{DhcpConfigurations: options, TagSpecifications: tagSpec("dhcp-options", "a", "b")})
		if err != nil {
			return "", err
		}
		return *out.DhcpOptions.DhcpOptionsId, nil
	}
	for what, bad := range map[string][]ec2.NewDhcpConfiguration{
		"unknown":    {option("router", "10.0.0.1")},
		"no value":   {option("domain-name")},
		"no address": {option("domain-name-servers", "dns")},
		"five":       {option("ntp-servers", "10.0.0.1,10.0.0.2,10.0.0.3", "10.0.0.4", "10.0.0.5")},
		"twice":      {option("domain-name", "a"), option("domain-name", "b")},
		"node type":  {option("netbios-node-type", "3")},
		"netbios":    {option("netbios-name-servers", "fd00::1")},
		"lease":      {option("ipv6-address-preferred-lease-time", "100")},
		"domain":     {option("domain-name", "a_b!")},
	} {
		_, err := create(bad...)
		want(t, what, err, "InvalidParameterValue")
	}
	_, err := create()
	want(t, "nothing", err, "MissingParameter")
	id := must(create(option("domain-name", "example.internal"), option("domain-name-servers", "10.0.0.1", "AmazonProvidedDNS"), option("ntp-servers", "169.254.169.123"),
		option("netbios-name-servers", "10.0.0.9"), option("netbios-node-type", "2"), option("ipv6-address-preferred-lease-time", "3600")))(t)
	for name, value := range map[string]string{"dhcp-options-id": id, "key": "netbios-node-type", "value": "example.*", "tag:a": "b"} {
		out := must(r.DescribeDhcpOptions(r.ctx, &ec2.DescribeDhcpOptionsRequest{Filters: filters(name, value, "owner-id", alice)}))(t).DhcpOptions
		if len(out) != 1 || *out[0].DhcpOptionsId != id || len(out[0].DhcpConfigurations) != 6 {
			t.Errorf("%s finds %+v", name, out)
		}
	}
	associate := func(id string) error {
		_, err := r.AssociateDhcpOptions(r.ctx, &ec2.AssociateDhcpOptionsRequest{DhcpOptionsId: &id, VpcId: &r.net.VPC.ID})
		return err
	}
	remove := func(id string) error {
		_, err := r.DeleteDhcpOptions(r.ctx, &ec2.DeleteDhcpOptionsRequest{DhcpOptionsId: &id})
		return err
	}
	shown := func() string {
		return *must(r.DescribeVpcs(r.ctx, &ec2.DescribeVpcsRequest{VpcIds: []string{r.net.VPC.ID}}))(t).Vpcs[0].DhcpOptionsId
	}
	want(t, "associate", associate(id), "")
	want(t, "bob's", associate(r.bobs.Options.ID), "InvalidDhcpOptionID.NotFound")
	want(t, "malformed", associate("x"), "InvalidDhcpOptionsId.Malformed")
	want(t, "delete one in use", remove(id), "DependencyViolation", "The dhcpOptions '"+id+"' has dependencies and cannot be deleted.")
	if shown() != id {
		t.Errorf("the VPC has the options %s", shown())
	}
	want(t, "none", associate("default"), "")
	if shown() != "default" {
		t.Errorf("the VPC has the options %s", shown())
	}
	want(t, "delete", remove(id), "")
	want(t, "delete again", remove(id), "InvalidDhcpOptionID.NotFound")
	r.Limits.DHCPOptions = 1
	_, err = create(option("domain-name", "a"))
	want(t, "too many", err, "DhcpOptionsLimitExceeded")
}
