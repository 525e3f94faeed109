package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// firstGuest is the name of the guest, its key and its security group.
const firstGuest = "first-guest"

func (e *env) firstGuestCommand() *cobra.Command {
	var imageName, instanceType string
	c := &cobra.Command{
		Use:   "first-guest",
		Short: "Launch a first guest, and print how to sign in to it",
		Long: `Launch a guest with a key and a security group made for it, wait until it lets
one in by SSH, and print the line that does. A first guest that is there is used.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			admin, err := e.admin()
			if err != nil {
				return err
			}
			cr, err := admin.FirstGuest(c.Context())
			if err != nil {
				return err
			}
			g := &guest{env: e, api: api{cr}, image: imageName, kind: instanceType}
			return g.launch(c.Context())
		},
	}
	c.Flags().StringVar(&imageName, "image", "vauban-tiny", "name of the image")
	c.Flags().StringVar(&instanceType, "type", "t2.micro", "instance type")
	return c
}

// guest is the first guest on its way.
type guest struct {
	*env
	api
	image, kind string
}

// instance is what matters of DescribeInstances.
type instance struct {
	ID     string `xml:"instanceId"`
	State  string `xml:"instanceState>name"`
	Public string `xml:"ipAddress"`
	Reason string `xml:"stateReason>message"`
}

func (g *guest) launch(ctx context.Context) error {
	i, err := g.find(ctx)
	if err != nil {
		return err
	}
	if i == nil {
		if i, err = g.run(ctx); err != nil {
			return err
		}
		g.step("launched %s", i.ID)
	} else {
		g.step("%s is there: %s, %s", firstGuest, i.ID, i.State)
	}
	if i.State == "stopped" || i.State == "stopping" {
		if err := g.await(ctx, i, "stopped"); err != nil {
			return err
		}
		if err := g.call(ctx, "StartInstances", map[string]string{"InstanceId.1": i.ID}, nil); err != nil {
			return err
		}
	}
	if err := g.await(ctx, i, "running"); err != nil {
		return err
	}
	g.step("%s runs; waiting until it answers on %s", i.ID, i.Public)
	if err := awaitSSH(ctx, i.Public); err != nil {
		return fmt.Errorf("%s does not answer by SSH: %w; see `aws ec2 get-console-output --instance-id %s`", i.ID, err, i.ID)
	}
	g.report(i)
	return nil
}

func (g *guest) report(i *instance) {
	data := ""
	if g.cfg.Data != "/var/lib/vauban" {
		data = " --data " + g.cfg.Data
	}
	fmt.Fprintf(g.out, `
The cloud is up.

  endpoint     %s
  credentials  eval "$(bin/vauban env%s)"
  first guest  %s, public address %s

  ssh -i %s -o StrictHostKeyChecking=accept-new admin@%s

`, g.Endpoint, data, i.ID, i.Public, g.keyPath(), i.Public)
}

func (g *guest) keyPath() string { return filepath.Join(g.cfg.KeysDir(), firstGuest+".pem") }

// find returns the first guest of an earlier run, nil if there is none.
func (g *guest) find(ctx context.Context) (*instance, error) {
	if _, err := os.Stat(g.keyPath()); err != nil {
		return nil, nil //nolint:nilerr,nilnil // without its key a guest is no use
	}
	var out struct {
		Instances []instance `xml:"reservationSet>item>instancesSet>item"`
	}
	err := g.call(ctx, "DescribeInstances", map[string]string{
		"Filter.1.Name": "tag:Name", "Filter.1.Value.1": firstGuest,
		"Filter.2.Name": "instance-state-name", "Filter.2.Value.1": "pending", "Filter.2.Value.2": "running",
		"Filter.2.Value.3": "stopping", "Filter.2.Value.4": "stopped",
	}, &out)
	if err != nil || len(out.Instances) == 0 {
		return nil, err
	}
	return &out.Instances[0], nil
}

func (g *guest) run(ctx context.Context) (*instance, error) {
	img, err := g.findImage(ctx)
	if err != nil {
		return nil, err
	}
	if err := g.makeKey(ctx); err != nil {
		return nil, err
	}
	group, err := g.makeGroup(ctx)
	if err != nil {
		return nil, err
	}
	var out struct {
		Instances []instance `xml:"instancesSet>item"`
	}
	err = g.call(ctx, "RunInstances", map[string]string{
		"ImageId": img, "InstanceType": g.kind, "MinCount": "1", "MaxCount": "1", "KeyName": firstGuest,
		"SecurityGroupId.1": group, "TagSpecification.1.ResourceType": "instance",
		"TagSpecification.1.Tag.1.Key": "Name", "TagSpecification.1.Tag.1.Value": firstGuest,
	}, &out)
	if err != nil {
		return nil, err
	}
	return &out.Instances[0], nil
}

func (g *guest) findImage(ctx context.Context) (string, error) {
	var out struct {
		IDs []string `xml:"imagesSet>item>imageId"`
	}
	if err := g.call(ctx, "DescribeImages", map[string]string{"Filter.1.Name": "name", "Filter.1.Value.1": g.image}, &out); err != nil {
		return "", err
	}
	if len(out.IDs) == 0 {
		return "", fmt.Errorf("there is no image %s: build it with `vauban image build %s`", g.image, g.image)
	}
	return out.IDs[0], nil
}

// makeKey makes the key pair anew: the private half of an old one is not to be had.
func (g *guest) makeKey(ctx context.Context) error {
	if err := g.call(ctx, "DeleteKeyPair", map[string]string{"KeyName": firstGuest}, nil); err != nil {
		return err
	}
	var out struct {
		Material string `xml:"keyMaterial"`
	}
	if err := g.call(ctx, "CreateKeyPair", map[string]string{"KeyName": firstGuest, "KeyType": "ed25519"}, &out); err != nil {
		return err
	}
	if err := os.MkdirAll(g.cfg.KeysDir(), 0o700); err != nil {
		return err
	}
	return os.WriteFile(g.keyPath(), []byte(strings.TrimSpace(out.Material)+"\n"), 0o600)
}

// makeGroup returns a security group of the default VPC that lets SSH and ping in.
func (g *guest) makeGroup(ctx context.Context) (string, error) {
	var found struct {
		IDs []string `xml:"securityGroupInfo>item>groupId"`
	}
	if err := g.call(ctx, "DescribeSecurityGroups", map[string]string{"Filter.1.Name": "group-name", "Filter.1.Value.1": firstGuest}, &found); err != nil {
		return "", err
	}
	if len(found.IDs) == 0 {
		var made struct {
			ID string `xml:"groupId"`
		}
		err := g.call(ctx, "CreateSecurityGroup", map[string]string{"GroupName": firstGuest, "GroupDescription": "SSH and ping from anywhere"}, &made)
		if err != nil {
			return "", err
		}
		found.IDs = []string{made.ID}
	}
	err := g.call(ctx, "AuthorizeSecurityGroupIngress", map[string]string{
		"GroupId":                    found.IDs[0],
		"IpPermissions.1.IpProtocol": "tcp", "IpPermissions.1.FromPort": "22", "IpPermissions.1.ToPort": "22", "IpPermissions.1.IpRanges.1.CidrIp": "0.0.0.0/0",
		"IpPermissions.2.IpProtocol": "icmp", "IpPermissions.2.FromPort": "-1", "IpPermissions.2.ToPort": "-1", "IpPermissions.2.IpRanges.1.CidrIp": "0.0.0.0/0",
	}, nil)
	var refused *apiError
	if errors.As(err, &refused) && refused.code == "InvalidPermission.Duplicate" {
		err = nil
	}
	return found.IDs[0], err
}

// await waits until the instance is in that state.
func (g *guest) await(ctx context.Context, i *instance, state string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for {
		var out struct {
			Instances []instance `xml:"reservationSet>item>instancesSet>item"`
		}
		if err := g.call(ctx, "DescribeInstances", map[string]string{"InstanceId.1": i.ID}, &out); err != nil {
			return err
		}
		*i = out.Instances[0]
		switch i.State {
		case state:
			return nil
		case "terminated", "shutting-down":
			return fmt.Errorf("%s was terminated: %s", i.ID, i.Reason)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is still %s: see `vauban status` and %s", i.ID, i.State, g.cfg.LogPath())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// awaitSSH waits until an SSH server greets.
func awaitSSH(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for {
		err := greet(ctx, net.JoinHostPort(address, "22"))
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func greet(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "SSH-") {
		err = fmt.Errorf("greeted with %q", line)
	}
	return err
}
