package e2e_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/sync/errgroup"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// TestParallelRuleChanges changes the rules of one security group a thousand
// times, fifty at once, under a connection of a guest in that group: no change
// is lost, the connection goes on, and in the end the guest is open where the
// rules say.
func TestParallelRuleChanges(t *testing.T) {
	t.Parallel()
	const (
		workers = 50 // with a rule each: a group has 60 in each direction
		rounds  = 10 // of two changes each
		base    = 9000
	)
	c := e2e.Start(t)
	client, group := c.EC2(), c.OpenGroup("busy")
	g := c.Launch(c.Tiny(), c.Key("rules"), "--security-group-ids", group, "--user-data",
		fmt.Sprintf("#!/bin/sh\nfor p in %d %d; do while :; do echo open | nc -l -p $p; done & done\n", base+1, base+2))
	g.SSH("true")
	beats := listen(t, g)

	var all errgroup.Group
	begin := time.Now()
	for w := range workers {
		all.Go(func() error {
			rule := []types.IpPermission{permission("tcp", base+int32(w), base+int32(w), "0.0.0.0/0")}
			for range rounds {
				id, err := authorize(t.Context(), client, group, rule)
				if err != nil {
					return err
				}
				out, err := client.RevokeSecurityGroupIngress(t.Context(), &ec2.RevokeSecurityGroupIngressInput{GroupId: &group, SecurityGroupRuleIds: []string{id}})
				if err != nil {
					return fmt.Errorf("revoke %s: %w", id, err)
				}
				if len(out.RevokedSecurityGroupRules) != 1 || *out.RevokedSecurityGroupRules[0].SecurityGroupRuleId != id {
					return fmt.Errorf("revoking %s revoked %+v", id, out.RevokedSecurityGroupRules)
				}
			}
			if w%2 == 0 {
				return nil
			}
			_, err := authorize(t.Context(), client, group, rule) // to stay
			return err
		})
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d changes in %v", workers*(2*rounds)+workers/2, time.Since(begin))

	want := []int32{22}
	for w := int32(1); w < workers; w += 2 {
		want = append(want, base+w)
	}
	var got []int32
	for _, p := range must(client.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{GroupIds: []string{group}}))(t).SecurityGroups[0].IpPermissions {
		if *p.IpProtocol == "tcp" {
			got = append(got, *p.FromPort)
		}
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("open are %v, want %v", got, want)
	}
	rules := must(client.DescribeSecurityGroupRules(t.Context(), &ec2.DescribeSecurityGroupRulesInput{Filters: filter("group-id", group)}))(t).SecurityGroupRules
	if len(rules) != len(want)+2 { // and ICMP, and what goes out
		t.Errorf("there are %d rules, want %d", len(rules), len(want)+2)
	}

	c.Eventually("the port whose rule stayed is open", 10*time.Second, func() error { return dial(g.Public, base+1) })
	inside := "nc -w 3 127.0.0.1 " + strconv.Itoa(base+2) + " </dev/null"
	if got := g.SSH(inside); got != "open" {
		t.Errorf("from within, the other port says %q", got)
	}
	c.Eventually("the port whose rule is gone is shut", 10*time.Second, func() error {
		if dial(g.Public, base+2) == nil {
			return errReached
		}
		return nil
	})
	if gap := beats(); gap > 5*time.Second {
		t.Errorf("the guest's connection was silent for %v", gap)
	}
}

// authorize adds a rule and returns its ID.
func authorize(ctx context.Context, client *ec2.Client, group string, rule []types.IpPermission) (string, error) {
	out, err := client.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: rule})
	if err != nil {
		return "", fmt.Errorf("authorize %d: %w", *rule[0].FromPort, err)
	}
	if len(out.SecurityGroupRules) != 1 || *out.SecurityGroupRules[0].FromPort != *rule[0].FromPort {
		return "", fmt.Errorf("authorizing %d made %+v", *rule[0].FromPort, out.SecurityGroupRules)
	}
	return *out.SecurityGroupRules[0].SecurityGroupRuleId, nil
}

// dial connects to a port, which must answer.
func dial(host string, port int) error {
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(host, strconv.Itoa(port)), 2*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && line != "open\n" {
		err = errors.New("it says " + line)
	}
	return err
}

// listen opens a connection over which the guest counts, many times a second.
func listen(t *testing.T, g *e2e.Guest) (silence func() time.Duration) {
	t.Helper()
	return listenTo(t, g, "n=0; while :; do echo $n; n=$((n+1)); sleep 0.05; done")
}

// listenTo has the guest run a command that counts, a line a number.
// The function that it returns ends it, and tells the longest silence on it; a
// connection that broke or a number that is missing fails the test.
func listenTo(t *testing.T, g *e2e.Guest, command string) (silence func() time.Duration) {
	t.Helper()
	ctx, hangUp := context.WithCancel(t.Context())
	t.Cleanup(hangUp)
	out, wait := g.Stream(ctx, command)
	type result struct {
		count   int
		longest time.Duration
	}
	first, done := make(chan bool), make(chan result, 1)
	go func() {
		var r result
		last := time.Now()
		for lines := bufio.NewScanner(out); lines.Scan(); r.count++ {
			if lines.Text() != strconv.Itoa(r.count) {
				t.Errorf("the guest says %q, want %d", lines.Text(), r.count)
			}
			if r.count == 0 {
				close(first)
			} else {
				r.longest = max(r.longest, time.Since(last))
			}
			last = time.Now()
		}
		done <- r
	}()
	select {
	case <-first:
	case <-time.After(time.Minute):
		t.Fatal("the guest does not count")
	}
	return func() time.Duration {
		select {
		case r := <-done:
			t.Fatalf("the connection broke after %d: %v", r.count, wait())
		default:
		}
		hangUp()
		r := <-done
		if exit, ok := errors.AsType[*exec.ExitError](wait()); ok && exit.Exited() {
			t.Errorf("ssh: %v", exit)
		}
		t.Logf("%d beats, the longest pause %v", r.count, r.longest)
		return r.longest
	}
}
