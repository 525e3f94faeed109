package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// TestInterfaces gives a running guest another network interface, on whose address it
// then answers, and takes it away again.
func TestInterfaces(t *testing.T) {
	t.Parallel()
	c := e2e.Start(t)
	ami, key, group := c.Tiny(), c.Key("nic"), c.OpenGroup("ssh")
	server := c.Launch(ami, key, "--security-group-ids", group)
	subnet := c.Query("Reservations[0].Instances[0].SubnetId", "ec2", "describe-instances", "--instance-ids", server.ID)
	client := c.Launch(ami, key, "--security-group-ids", group, "--subnet-id", subnet)
	server.SSH("true")
	client.SSH("true")

	nic := c.Query("NetworkInterface.NetworkInterfaceId", "ec2", "create-network-interface", "--subnet-id", subnet, "--groups", group, "--description", "second")
	about := func(query string) string {
		return c.Query("NetworkInterfaces[0]."+query, "ec2", "describe-network-interfaces", "--network-interface-ids", nic)
	}
	mac, second := about("MacAddress"), about("PrivateIpAddress")
	attachment := c.Query("AttachmentId", "ec2", "attach-network-interface", "--network-interface-id", nic, "--instance-id", server.ID, "--device-index", "1")
	c.Eventually("the interface is attached", time.Minute, func() error { return contains(about("Attachment.Status"), "attached") })
	find := "grep -l " + mac + " /sys/class/net/*/address | cut -d/ -f5"
	var dev string
	c.Eventually("the guest sees the card", time.Minute, func() error {
		out, err := server.TrySSH(find)
		if dev = strings.TrimSpace(out); err == nil && dev == "" {
			err = errSame
		}
		return err
	})
	// What comes in by the second card leaves by it: the first would refuse the address.
	cidr := c.Query("Subnets[0].CidrBlock", "ec2", "describe-subnets", "--subnet-ids", subnet) // such as 172.31.16.0/20
	router := strings.TrimSuffix(cidr[:strings.IndexByte(cidr, '/')], "0") + "1"
	server.SSH("sudo -n sh -ec 'ip addr add " + second + "/32 dev " + dev + "; ip link set " + dev + " up; ip rule add from " + second + " table 2; " +
		"ip route add " + router + "/32 dev " + dev + " table 2; ip route add default via " + router + " dev " + dev + " table 2'")
	ping := func() error {
		_, err := client.TrySSH("sudo -n ping -c 1 -W 3 " + second)
		return err
	}
	c.Eventually("the guest answers on the second address", 30*time.Second, ping)

	if _, err := c.TryAWS("ec2", "delete-network-interface", "--network-interface-id", nic); err == nil || contains(err.Error(), "InvalidParameterValue") != nil {
		t.Errorf("deleting an attached interface: %v", err)
	}
	c.AWS("ec2", "detach-network-interface", "--attachment-id", attachment)
	c.AWS("ec2", "wait", "network-interface-available", "--network-interface-ids", nic)
	if out, _ := server.TrySSH(find); strings.TrimSpace(out) != "" {
		t.Errorf("after a detach the guest still sees %s", out)
	}
	if ping() == nil {
		t.Error("somebody answers on the address of a detached interface")
	}

	// Attached to a stopped instance, it is there at the next start. With two interfaces
	// an instance is not assigned a public address any more: it is given an elastic one.
	primary := c.Query("Reservations[0].Instances[0].NetworkInterfaces[0].NetworkInterfaceId", "ec2", "describe-instances", "--instance-ids", server.ID)
	elastic := c.Query("AllocationId", "ec2", "allocate-address")
	c.AWS("ec2", "associate-address", "--allocation-id", elastic, "--network-interface-id", primary)
	c.AWS("ec2", "stop-instances", "--instance-ids", server.ID)
	server.Await("stopped")
	c.AWS("ec2", "attach-network-interface", "--network-interface-id", nic, "--instance-id", server.ID, "--device-index", "1")
	c.AWS("ec2", "start-instances", "--instance-ids", server.ID)
	server.Await("running")
	if out := server.SSH(find); strings.TrimSpace(out) == "" {
		t.Error("a guest that was started does not see the card")
	}
	server.Terminate()
	c.AWS("ec2", "wait", "network-interface-available", "--network-interface-ids", nic)
	c.AWS("ec2", "delete-network-interface", "--network-interface-id", nic)
	c.AWS("ec2", "release-address", "--allocation-id", elastic)
}
