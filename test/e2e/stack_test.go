package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// stack is three tiers in a VPC of their own, as testdata/boto3_stack.py prints it.
type stack struct {
	VPC                        string
	NATAddress, BastionAddress string
	Groups, Instances          map[string]string // by tier

	raw        json.RawMessage // all that it prints
	*e2e.Cloud `json:"-"`

	bastion, app, data, internet *e2e.Guest // app and data through the bastion
}

// TestThreeTiers has boto3 make a stack of three tiers and take it away again; between,
// real packets try its rules, its ways out, what explains them, and what becomes of it all
// when the control plane is killed or somebody is at the host's networks.
func TestThreeTiers(t *testing.T) {
	t.Parallel()
	s := newStack(t, e2e.Start(t))
	s.ways(t)
	s.explained(t)
	s.under(t, 5*time.Second, s.killed)
	s.under(t, 15*time.Second, s.damaged)
	s.destroy(t)
}

// under does something under a flow that goes from outside by the NAT to app, and from there by the
// bastion to here: it shall not break, nor be silent for longer.
func (s *stack) under(t *testing.T, silent time.Duration, do func(*testing.T)) {
	t.Helper()
	beats := listenTo(t, s.app, "nc "+s.internet.Public+" 7070")
	do(t)
	if gap := beats(); gap > silent {
		t.Errorf("the flow by bastion and NAT was silent for %v", gap)
	}
}

func newStack(t *testing.T, c *e2e.Cloud) *stack {
	t.Helper()
	ami, key := c.Tiny(), c.Key("stack")
	out, err := c.Run("/usr/bin/python3", "testdata/boto3_stack.py", "http://"+c.Addr, "build", ami, "stack")
	s := &stack{Cloud: c}
	if err == nil {
		s.raw, err = json.RawMessage(out), json.Unmarshal([]byte(out), s)
	}
	if err != nil {
		t.Fatalf("make the stack: %v\n%s", err, out)
	}
	s.bastion, s.internet = c.Guest(s.Instances["bastion"], key), c.Guest(s.Instances["internet"], key)
	s.app, s.data = c.Guest(s.Instances["app"], key).Through(s.bastion), c.Guest(s.Instances["data"], key).Through(s.bastion)
	if s.bastion.Public != s.BastionAddress {
		t.Errorf("the bastion has %s, want its elastic address %s", s.bastion.Public, s.BastionAddress)
	}
	if s.app.Public+s.data.Public != "" {
		t.Errorf("private instances have public addresses %q and %q", s.app.Public, s.data.Public)
	}
	for _, g := range []*e2e.Guest{s.bastion, s.internet, s.app, s.data} {
		g.SSH("true")
	}
	return s
}

// ask has a guest ask who it is at an address and port, and returns the answer.
func ask(g *e2e.Guest, host, port string) (string, error) {
	return g.TrySSH(`(printf 'GET /cgi-bin/who HTTP/1.0\r\n\r\n'; sleep 1) | nc -w 3 ` + host + " " + port)
}

// asks is an error unless a guest gets through, as an address.
func asks(g *e2e.Guest, host, port, as string) error {
	out, err := ask(g, host, port)
	if err != nil {
		return err
	}
	return contains(out, "asked by "+as+"\n")
}

// ways tries who reaches whom.
func (s *stack) ways(t *testing.T) {
	for _, w := range []struct {
		name         string
		from         *e2e.Guest
		to, port, as string // as is empty where nothing gets through
	}{
		{"edge to app, by a group's reference", s.bastion, s.app.Private, "8080", s.bastion.Private},
		{"app to data, by a group's reference", s.app, s.data.Private, "5432", s.app.Private},
		{"edge to data, which no group lets in", s.bastion, s.data.Private, "5432", ""},
		{"app to data, which its group lets in and its ACL does not", s.app, s.data.Private, "9090", ""},
		{"the NAT's address, from the Internet", s.internet, s.NATAddress, "8080", ""},
		{"out by the NAT", s.app, s.internet.Public, "8080", s.NATAddress},
		{"out by the internet gateway", s.bastion, s.internet.Public, "8080", s.BastionAddress},
	} {
		if w.as != "" {
			s.Eventually(w.name, 30*time.Second, func() error { return asks(w.from, w.to, w.port, w.as) })
		} else if out, err := ask(w.from, w.to, w.port); err == nil && contains(out, "asked") == nil {
			t.Errorf("%s: it gets through: %q", w.name, out)
		}
	}
	way, err := exec.CommandContext(t.Context(), "ip", "route", "get", s.app.Private).Output()
	if err == nil && strings.Contains(string(way), "vb"+s.ID()) {
		t.Errorf("the host leads to a private guest: %s", way)
	}
}

// explained asks the operator's command about the same ways.
func (s *stack) explained(t *testing.T) {
	rule := s.Query("SecurityGroupRules[?ToPort==`5432`].SecurityGroupRuleId|[0]", "ec2", "describe-security-group-rules",
		"--filters", "Name=group-id,Values="+s.Groups["data"])
	for _, w := range []struct {
		from, to, port string
		status         int
		say            []string
	}{
		{s.app.ID, s.data.ID, "5432", 0, []string{rule, "It gets through."}},
		{s.app.ID, s.data.ID, "9090", 2, []string{"BLOCKED acl acl-", "rule 100: denies"}},
		{s.bastion.ID, s.data.ID, "5432", 2, []string{"BLOCKED group " + s.Groups["data"]}},
		{s.app.ID, s.internet.Public, "8080", 0, []string{"nat nat-", s.NATAddress}},
		{"192.0.2.7", s.bastion.Public, "22", 0, []string{"It gets through."}},
		{"192.0.2.7", s.bastion.Public, "23", 2, []string{"BLOCKED group " + s.Groups["edge"]}},
		{s.app.ID, s.Pool.Addr().String(), "80", 2, []string{"BLOCKED outside"}},
		{"192.0.2.7", s.app.Private, "8080", 2, []string{"It does not get through."}},
	} {
		out, err := s.Try("network", "explain", "--from", w.from, "--to", w.to, "--port", w.port)
		status := 0
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			status = exit.ExitCode()
		}
		for _, part := range w.say {
			if status != w.status || !strings.Contains(out, part) {
				t.Errorf("%s to %s port %s: status %d (%v), want %d and %q:\n%s", w.from, w.to, w.port, status, err, w.status, part, out)
			}
		}
	}
}

// killed ends the control plane right after it acknowledged a change, twice.
func (s *stack) killed(t *testing.T) {
	change := func(call string) {
		s.AWS("ec2", call, "--group-id", s.Groups["data"], "--ip-permissions",
			"IpProtocol=tcp,FromPort=5432,ToPort=5432,UserIdGroupPairs=[{GroupId="+s.Groups["edge"]+"}]")
		s.Kill()
	}
	change("authorize-security-group-ingress")
	if err := asks(s.app, s.data.Private, "5432", s.app.Private); err != nil {
		t.Errorf("without the control plane, app to data: %v", err)
	}
	s.Up()
	asked := func() error { return asks(s.bastion, s.data.Private, "5432", s.bastion.Private) }
	s.Eventually("the rule that was acknowledged before the crash holds", 30*time.Second, asked)
	change("revoke-security-group-ingress")
	s.Up()
	s.Eventually("the rule that was revoked before the crash does not hold", 30*time.Second, func() error {
		if asked() == nil {
			return errReached
		}
		return nil
	})
}

// damaged takes rules, and the namespace's name, away behind the back of a cloud that runs.
func (s *stack) damaged(t *testing.T) {
	ns := "vb" + s.ID() + "-" + s.VPC
	run := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
		if err != nil {
			t.Errorf("%v: %v: %s", args, err, out)
		}
		return string(out)
	}
	run("ip", "netns", "exec", ns, "nft", "flush", "ruleset")
	s.Eventually("rules that were flushed are back", 30*time.Second, func() error {
		return contains(run("ip", "netns", "exec", ns, "nft", "list", "tables"), "inet vauban")
	})
	if asks(s.app, s.data.Private, "9090", s.app.Private) == nil {
		t.Error("after a repair the ACL does not hold")
	}
	run("ip", "netns", "del", ns)
	s.Eventually("the namespace's name is back", 30*time.Second, func() error { return contains(run("ip", "netns", "list"), ns) })
	s.Eventually("app asks data after the repair", 30*time.Second, func() error { return asks(s.app, s.data.Private, "5432", s.app.Private) })
}

// destroy has boto3 take the stack away, and looks for what is left of it on the host.
func (s *stack) destroy(t *testing.T) {
	out, err := s.RunWith(string(s.raw), "/usr/bin/python3", "testdata/boto3_stack.py", "http://"+s.Addr, "destroy")
	if err != nil {
		t.Fatalf("take the stack away: %v\n%s", err, out)
	}
	t.Log(strings.TrimSpace(out))
	s.Eventually("nothing of the stack is left on the host", 30*time.Second, func() error {
		if n := s.Taps(); n > 0 {
			return fmt.Errorf("%d taps", n)
		}
		for _, q := range [][]string{{"ip", "netns", "list"}, {"ip", "-o", "link"}, {"ip", "route"}, {"nft", "list", "ruleset"}} {
			out, err := exec.CommandContext(t.Context(), q[0], q[1:]...).CombinedOutput()
			if err != nil {
				return err
			}
			for _, trace := range []string{s.VPC, s.NATAddress, s.BastionAddress} {
				if strings.Contains(string(out), trace) {
					return fmt.Errorf("%v still knows %s", q, trace)
				}
			}
		}
		return nil
	})
}
