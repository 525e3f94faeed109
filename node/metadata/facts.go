package metadata

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
)

// versions lists the versions of the tree that clients ask for by name. All show
// the same tree: what a later version added does not disturb an earlier client.
func versions() []string {
	return []string{
		"1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01",
		"2009-04-04", "2011-01-01", "2011-05-01", "2012-01-12", "2014-02-25", "2014-11-05", "2015-10-20", "2016-04-19",
		"2016-06-30", "2016-09-02", "2018-03-28", "2018-08-17", "2018-09-24", "2019-10-01", "2020-10-27", "2021-01-03",
		"2021-03-23", "2021-07-15", "2022-09-24", "2024-04-11", "latest",
	}
}

// root is the whole tree of a guest. Categories:
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-metadata.html#instancedata-data-categories
// role is its subtree "iam".
func root(g Guest, p cloud.Place, role node) node {
	var version, all node
	// The three are listed without a slash, unlike every directory below them.
	for name, c := range map[string]node{"meta-data": metaData(g, p, role), "dynamic": dynamic(g, p), "user-data": userData(g)} {
		version.add(name, c)
	}
	for i := range version.children {
		version.children[i].listed = version.children[i].name
	}
	for _, v := range versions() {
		all.children = append(all.children, child{name: v, listed: v, node: version})
	}
	return all
}

func userData(g Guest) node {
	return node{value: string(g.Instance.UserData), leaf: true, raw: true}
}

func metaData(g Guest, p cloud.Place, role node) (n node) {
	i := g.Instance
	n.add("ami-id", text(i.Image))
	n.add("ami-launch-index", text(strconv.Itoa(i.LaunchIndex)))
	n.add("ami-manifest-path", text("(unknown)"))
	n.add("block-device-mapping", blockDevices(g))
	n.add("iam", role)
	n.add("instance-action", text("none"))
	n.add("instance-id", text(i.ID))
	n.add("instance-life-cycle", text("on-demand"))
	n.add("instance-type", text(i.Type))
	n.add("placement", placement(i.Zone, p))
	n.add("public-keys", publicKeys(g))
	n.add("reservation-id", text(i.Reservation))
	n.add("services", services(p))
	n.add("tags", tags(i))
	if len(g.Interfaces) == 0 {
		return n
	}
	primary := g.Interfaces[0]
	name := p.PrivateName(primary.Primary())
	n.add("hostname", text(name))
	n.add("local-hostname", text(name))
	n.add("local-ipv4", text(primary.Primary().String()))
	if len(primary.Addresses6) > 0 {
		n.add("ipv6", text(primary.Addresses6[0].String()))
	}
	n.add("mac", text(primary.MAC))
	n.add("network", network(g, p))
	if public, ok := publicOf(primary); ok {
		n.add("public-ipv4", text(public.String()))
		if g.VPC.DNSHostnames {
			n.add("public-hostname", text(p.PublicName(public)))
		}
	}
	n.add("security-groups", groupNames(g, primary))
	return n
}

// blockDevices names the devices as the tenant did at launch, which need not be
// how the guest's kernel names them.
func blockDevices(g Guest) (n node) {
	n.add("ami", text(strings.TrimPrefix(g.Instance.RootDevice, "/dev/")))
	n.add("root", text(g.Instance.RootDevice))
	k := 0
	for _, v := range g.Volumes {
		if v.Attachment == nil || v.Attachment.Device == g.Instance.RootDevice {
			continue
		}
		k++
		n.add(fmt.Sprintf("ebs%d", k), text(strings.TrimPrefix(v.Attachment.Device, "/dev/")))
	}
	return n
}

func placement(zone string, p cloud.Place) (n node) {
	n.add("availability-zone", text(zone))
	n.add("availability-zone-id", text(p.ZoneID(zone)))
	n.add("region", text(p.Region))
	return n
}

// publicKeys lists "0=name" instead of the name of its directory.
func publicKeys(g Guest) (n node) {
	if g.Key == nil {
		return n
	}
	var key node
	key.add("openssh-key", text(strings.TrimSpace(g.Key.PublicKey)))
	n.add("0", key)
	n.children[0].listed = "0=" + g.Key.Name
	return n
}

func services(p cloud.Place) (n node) {
	n.add("domain", text(cloud.ServiceDomain))
	n.add("partition", text(p.Partition))
	return n
}

// tags are shown if the instance asks for it, and those whose key can stand in a
// path: the API refuses others on such instances.
func tags(i cloud.Instance) (n node) {
	if i.Metadata.Tags != "enabled" {
		return n
	}
	var instance node
	for k, v := range i.Tags {
		if k != "." && k != ".." && !strings.ContainsAny(k, "/ \n") {
			// An empty value is a value.
			instance.children = append(instance.children, child{name: k, listed: k, node: text(v)})
		}
	}
	n.add("instance", instance)
	return n
}

func network(g Guest, p cloud.Place) (n node) {
	var interfaces, macs node
	for _, i := range g.Interfaces {
		macs.add(i.MAC, networkInterface(g, i, p))
	}
	interfaces.add("macs", macs)
	n.add("interfaces", interfaces)
	return n
}

func networkInterface(g Guest, i cloud.NetworkInterface, p cloud.Place) (n node) {
	if i.Attachment != nil {
		n.add("device-number", text(strconv.Itoa(i.Attachment.DeviceIndex)))
	}
	n.add("interface-id", text(i.ID))
	n.add("local-hostname", text(p.PrivateName(i.Primary())))
	n.add("mac", text(i.MAC))
	n.add("owner-id", text(i.Account))
	n.add("security-group-ids", lines(i.Groups...))
	n.add("security-groups", groupNames(g, i))
	n.add("subnet-id", text(i.Subnet))
	if s, ok := g.Subnets[i.Subnet]; ok {
		n.add("subnet-ipv4-cidr-block", text(s.Prefix.String()))
		if s.Prefix6.IsValid() {
			n.add("subnet-ipv6-cidr-blocks", text(s.Prefix6.String()))
		}
	}
	n.add("vpc-id", text(i.VPC))
	var local, public, local6 []string
	var associations node
	for _, a := range i.Addresses {
		local = append(local, a.Private.String())
		if a.Public != nil {
			public = append(public, a.Public.Address.String())
			associations.add(a.Public.Address.String(), text(a.Private.String()))
		}
	}
	for _, a := range i.Addresses6 {
		local6 = append(local6, a.String())
	}
	ranges := prefixes(g.VPC.CIDRs)
	n.add("local-ipv4s", lines(local...))
	n.add("public-ipv4s", lines(public...))
	n.add("ipv4-associations", associations)
	n.add("ipv6s", lines(local6...))
	n.add("vpc-ipv4-cidr-blocks", lines(ranges...))
	n.add("vpc-ipv6-cidr-blocks", lines(prefixes(g.VPC.CIDRs6)...))
	if len(ranges) > 0 {
		n.add("vpc-ipv4-cidr-block", text(ranges[0]))
	}
	if a, ok := publicOf(i); ok && g.VPC.DNSHostnames {
		n.add("public-hostname", text(p.PublicName(a)))
	}
	return n
}

func prefixes(blocks []cloud.CIDRBlock) (out []string) {
	for _, c := range blocks {
		out = append(out, c.Prefix.String())
	}
	return out
}

// publicOf is the public address of the interface's primary address.
func publicOf(i cloud.NetworkInterface) (netip.Addr, bool) {
	if len(i.Addresses) == 0 || i.Addresses[0].Public == nil {
		return netip.Addr{}, false
	}
	return i.Addresses[0].Public.Address, true
}

func groupNames(g Guest, i cloud.NetworkInterface) node {
	var names []string
	for _, id := range i.Groups {
		if sg, ok := g.Groups[id]; ok {
			names = append(names, sg.Name)
		}
	}
	return lines(names...)
}

// identity is the instance identity document:
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-identity-documents.html
type identity struct {
	AccountID               string   `json:"accountId"`
	Architecture            string   `json:"architecture"`
	AvailabilityZone        string   `json:"availabilityZone"`
	BillingProducts         []string `json:"billingProducts"`
	DevpayProductCodes      []string `json:"devpayProductCodes"`
	MarketplaceProductCodes []string `json:"marketplaceProductCodes"`
	ImageID                 string   `json:"imageId"`
	InstanceID              string   `json:"instanceId"`
	InstanceType            string   `json:"instanceType"`
	KernelID                *string  `json:"kernelId"`
	PendingTime             string   `json:"pendingTime"`
	PrivateIP               string   `json:"privateIp"`
	RamdiskID               *string  `json:"ramdiskId"`
	Region                  string   `json:"region"`
	Version                 string   `json:"version"`
}

func dynamic(g Guest, p cloud.Place) (n node) {
	i := g.Instance
	doc := identity{
		AccountID:        i.Account,
		Architecture:     g.Image.Architecture,
		AvailabilityZone: i.Zone,
		ImageID:          i.Image,
		InstanceID:       i.ID,
		InstanceType:     i.Type,
		PendingTime:      i.Launched.UTC().Format(time.RFC3339),
		Region:           p.Region,
		Version:          "2017-09-30",
	}
	if len(g.Interfaces) > 0 {
		doc.PrivateIP = g.Interfaces[0].Primary().String()
	}
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil { // a struct of strings
		panic(err)
	}
	var d node
	d.add("document", text(string(b)))
	n.add("instance-identity", d)
	return n
}
