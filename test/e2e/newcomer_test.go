package e2e_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// TestNewcomer walks the README's tour by the aws CLI: a key, a group, a guest
// with user data, SSH, a disk, stop and start, termination.
func TestNewcomer(t *testing.T) {
	t.Parallel()
	c := e2e.Start(t)
	ami := c.Tiny()

	if got := c.Query("Account", "sts", "get-caller-identity"); len(got) != 12 {
		t.Errorf("account is %q", got)
	}
	key, group := c.Key("me"), c.OpenGroup("ssh")
	g := c.Launch(ami, key, "--security-group-ids", group, "--user-data", "#!/bin/sh\necho ran >> /root/user-data-ran\necho said on the console",
		"--tag-specifications", "ResourceType=instance,Tags=[{Key=Name,Value=tour},{Key=team,Value=red}]")

	t.Run("user data ran as root", func(t *testing.T) {
		c.Eventually("user data ran", 20*time.Second, func() error { _, err := g.TrySSH("sudo -n grep -q ran /root/user-data-ran"); return err })
	})
	t.Run("metadata", func(t *testing.T) { checkMetadata(t, c, g) })
	t.Run("console", func(t *testing.T) {
		c.Eventually("console output", 20*time.Second, func() error { return contains(consoleOf(c, g), "said on the console") })
	})
	t.Run("names", func(t *testing.T) {
		host := "ip-" + strings.ReplaceAll(g.Private, ".", "-")
		if got := g.SSH("hostname"); got != host {
			t.Errorf("host name is %q, want %q", got, host)
		}
		if got := g.SSH("nslookup " + host + ".eu-paris-1.compute.internal"); !strings.Contains(got, g.Private) {
			t.Errorf("the resolver says %q", got)
		}
	})
	t.Run("describe by tag", func(t *testing.T) {
		if got := c.Query("Reservations[].Instances[].InstanceId", "ec2", "describe-instances", "--filters", "Name=tag:team,Values=r*"); got != g.ID {
			t.Errorf("filter by tag found %q", got)
		}
		if got := c.Query("Reservations[].Instances[].InstanceId", "ec2", "describe-instances", "--filters", "Name=tag:team,Values=blue"); got != "" {
			t.Errorf("filter by another tag found %q", got)
		}
	})
	t.Run("status", func(t *testing.T) {
		c.AWS("ec2", "wait", "instance-status-ok", "--instance-ids", g.ID)
	})

	// What is on the disk survives a stop; the public address does not.
	g.SSH("echo kept | sudo -n tee /root/kept >/dev/null; sync")
	boot := g.SSH("cat /proc/sys/kernel/random/boot_id")
	c.AWS("ec2", "stop-instances", "--instance-ids", g.ID)
	g.Await("stopped")
	if g.Public != "" {
		t.Errorf("a stopped instance has the public address %s", g.Public)
	}
	if n := len(c.Processes("qemu-system-x86_64")); n != 0 {
		t.Errorf("%d guests run after a stop", n)
	}
	private := g.Private
	c.AWS("ec2", "start-instances", "--instance-ids", g.ID)
	g.Await("running")
	if g.Private != private {
		t.Errorf("private address changed from %s to %s", private, g.Private)
	}
	if got := g.SSH("sudo -n cat /root/kept; sudo -n cat /root/user-data-ran"); got != "kept\nran" {
		t.Errorf("after a stop and a start the disk holds %q", got)
	}
	if again := g.SSH("cat /proc/sys/kernel/random/boot_id"); again == boot {
		t.Error("the guest did not boot again")
	}

	// A reboot keeps everything but the boot.
	boot = g.SSH("cat /proc/sys/kernel/random/boot_id")
	c.AWS("ec2", "reboot-instances", "--instance-ids", g.ID)
	c.Eventually("rebooted", time.Minute, func() error {
		now, err := g.TrySSH("cat /proc/sys/kernel/random/boot_id")
		if err != nil {
			return err
		}
		if strings.TrimSpace(now) == boot {
			return errSame
		}
		return nil
	})

	g.Terminate()
	if n := len(c.Processes("qemu-system-x86_64")); n != 0 {
		t.Errorf("%d guests run after termination", n)
	}
	c.Eventually("its disk and port are gone", 20*time.Second, func() error {
		if got := c.Query("Volumes[].VolumeId", "ec2", "describe-volumes"); got != "" {
			return contains("volumes "+got, "none")
		}
		if got := c.Query("NetworkInterfaces[].NetworkInterfaceId", "ec2", "describe-network-interfaces"); got != "" {
			return contains("interfaces "+got, "none")
		}
		return nil
	})
}

func consoleOf(c *e2e.Cloud, g *e2e.Guest) string {
	b, err := base64.StdEncoding.DecodeString(c.Query("Output", "ec2", "get-console-output", "--instance-id", g.ID, "--latest"))
	if err != nil || len(b) == 0 {
		// The aws CLI of version 1 decodes the output itself.
		return c.Query("Output", "ec2", "get-console-output", "--instance-id", g.ID, "--latest")
	}
	return string(b)
}

// imds is a shell function that asks the metadata service with a token.
const imds = `imds() { wget -q -O - --header "X-aws-ec2-metadata-token: $TOKEN" http://169.254.169.254/latest/$1; }
TOKEN=$(printf 'PUT /latest/api/token HTTP/1.0\r\nHost: 169.254.169.254\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\nContent-Length: 0\r\n\r\n' | nc -w 5 169.254.169.254 80 | tail -n 1)
`

func checkMetadata(t *testing.T, c *e2e.Cloud, g *e2e.Guest) {
	want := [][2]string{
		{"meta-data/instance-id", g.ID},
		{"meta-data/local-ipv4", g.Private},
		{"meta-data/public-ipv4", g.Public},
		{"meta-data/instance-type", "t2.nano"},
		{"meta-data/placement/region", "eu-paris-1"},
		{"meta-data/public-keys/", "0=me"},
		{"dynamic/instance-identity/document", `"instanceId"`},
		{"meta-data/security-groups", "ssh"},
		{"meta-data/network/interfaces/macs/", ":"},
		{"user-data", "#!/bin/sh"},
	}
	script := imds
	for _, w := range want {
		script += "echo; echo @" + w[0] + "; imds " + w[0] + "\n"
	}
	answers := g.SSH(script)
	for _, w := range want {
		_, answer, _ := strings.Cut(answers, "@"+w[0]+"\n")
		if answer, _, _ = strings.Cut(answer, "\n@"); !strings.Contains(answer, w[1]) {
			t.Errorf("%s is %q, want %q", w[0], answer, w[1])
		}
	}
	c.AWS("ec2", "modify-instance-metadata-options", "--instance-id", g.ID, "--http-tokens", "required")
	c.Eventually("requests without a token are refused", 5*time.Second, func() error {
		out, err := g.TrySSH("wget -S -O - http://169.254.169.254/latest/meta-data/instance-id 2>&1")
		if err == nil {
			return contains(out, "401")
		}
		return contains(err.Error(), "401")
	})
	if got := g.SSH(imds + "imds meta-data/instance-id"); got != g.ID {
		t.Errorf("with a token, where one is required: %q", got)
	}
}
