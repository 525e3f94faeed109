package e2e_test

import (
	"errors"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/test/e2e"
)

var errReached = errors.New("it got through")

// TestNetwork has real guests try each other, through groups that change under
// them.
func TestNetwork(t *testing.T) {
	t.Parallel()
	c := e2e.Start(t)
	ami, key := c.Tiny(), c.Key("net")
	ssh := c.OpenGroup("ssh")
	web := c.Query("GroupId", "ec2", "create-security-group", "--group-name", "web", "--description", "web servers")
	client := c.Query("GroupId", "ec2", "create-security-group", "--group-name", "client", "--description", "their clients")
	c.AWS("ec2", "authorize-security-group-ingress", "--group-id", web, "--ip-permissions",
		"IpProtocol=tcp,FromPort=8080,ToPort=8080,UserIdGroupPairs=[{GroupId="+client+"}]")
	serve := "#!/bin/sh\nwhile :; do echo answer | nc -l -p 8080; done &\nwhile :; do echo answer | nc -l -p 9090; done &\n"
	server := c.Launch(ami, key, "--security-group-ids", ssh, web, "--user-data", serve)
	friend := c.Launch(ami, key, "--security-group-ids", ssh, client)
	stranger := c.Launch(ami, key, "--security-group-ids", ssh)

	get := func(g *e2e.Guest, port string) error {
		out, err := g.TrySSH("nc -w 3 " + server.Private + " " + port + " </dev/null")
		if err != nil {
			return err
		}
		return contains(out, "answer")
	}
	server.SSH("true")
	friend.SSH("true")
	stranger.SSH("true")
	c.Eventually("a member of the named group gets through", time.Minute, func() error { return get(friend, "8080") })
	if get(stranger, "8080") == nil {
		t.Error("a stranger reaches a port that is open to another group")
	}
	if get(friend, "9090") == nil {
		t.Error("a port that no rule opens is reached")
	}

	// A rule that changes holds for running guests within a second.
	begin := time.Now()
	c.AWS("ec2", "authorize-security-group-ingress", "--group-id", web, "--protocol", "tcp", "--port", "9090", "--cidr", stranger.Private+"/32")
	asked := time.Since(begin)
	c.Eventually("the new rule lets the stranger through", 10*time.Second, func() error { return get(stranger, "9090") })
	t.Logf("rule change: API %v, through after %v with SSH", asked, time.Since(begin))
	if get(friend, "9090") == nil {
		t.Error("a rule for one address lets another through")
	}
	c.AWS("ec2", "revoke-security-group-ingress", "--group-id", web, "--protocol", "tcp", "--port", "9090", "--cidr", stranger.Private+"/32")
	c.Eventually("the revoked rule stops the stranger", 10*time.Second, func() error {
		if get(stranger, "9090") == nil {
			return errReached
		}
		return nil
	})

	// Groups of a running instance can change.
	c.AWS("ec2", "modify-instance-attribute", "--instance-id", stranger.ID, "--groups", ssh, client)
	c.Eventually("a new member gets through", 10*time.Second, func() error { return get(stranger, "8080") })

	// Public addresses: from the host, between guests, and moved while in use.
	if out := friend.SSH("sudo -n ping -c 1 -W 3 " + server.Public); contains(out, "1 packets received") != nil && contains(out, "1 received") != nil {
		t.Errorf("a guest pings another's public address: %s", out)
	}
	allocation := c.Query("AllocationId", "ec2", "allocate-address", "--domain", "vpc")
	c.AWS("ec2", "associate-address", "--allocation-id", allocation, "--instance-id", friend.ID)
	before := friend.Public
	friend.Await("running")
	if friend.Public == before {
		t.Errorf("the elastic address did not take the place of %s", before)
	}
	friend.SSH("true")
	c.AWS("ec2", "disassociate-address", "--association-id",
		c.Query("Addresses[0].AssociationId", "ec2", "describe-addresses", "--allocation-ids", allocation))
	c.AWS("ec2", "release-address", "--allocation-id", allocation)

	// A guest cannot reach the host by any address that it might know.
	if out, err := stranger.TrySSH("nc -w 3 100.64.0.1 22 </dev/null; nc -w 3 " + "172.31.0.1" + " 22 </dev/null"); err == nil && out != "" {
		t.Errorf("a guest reaches the host: %q", out)
	}
}

// TestSpoofing has a guest, as its own root, take an address that is not its own.
func TestSpoofing(t *testing.T) {
	t.Parallel()
	c := e2e.Start(t)
	ami, key, group := c.Tiny(), c.Key("spoof"), c.OpenGroup("ssh")
	honest := c.Launch(ami, key, "--security-group-ids", group)
	forger := c.Launch(ami, key, "--security-group-ids", group)
	honest.SSH("true")
	forger.SSH("true")
	// Sent from a forged source, a request has an answer only if the network let it through.
	forged := "sudo -n ip addr add 172.31.99.99/32 dev eth0; sudo -n ping -c 2 -W 2 -I 172.31.99.99 " + honest.Private
	if out, err := forger.TrySSH(forged); err == nil {
		t.Errorf("packets from a forged address were answered: %s", out)
	}
	// It cannot ask the metadata service as another instance either.
	steal := "sudo -n ip addr add " + honest.Private + "/32 dev eth0; (printf 'GET /latest/meta-data/instance-id HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n'; sleep 1) | " +
		"sudo -n nc -w 3 -s " + honest.Private + " 169.254.169.254 80"
	if out, err := forger.TrySSH(steal); err == nil && contains(out, honest.ID) == nil {
		t.Errorf("the metadata of another instance was read: %s", out)
	}
	honest.SSH("true")
}
