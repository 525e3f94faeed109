package explain_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/driver/network"
	"github.com/vauban-cloud/vauban/driver/network/explain"
)

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }

func all(ranges ...string) (rules []network.Rule) {
	for _, r := range ranges {
		rules = append(rules, network.Rule{ID: "sgr-all", Protocol: -1, From: -1, To: -1, Prefix: prefix(r)})
	}
	return rules
}

// clouds is two peered VPCs: a public and a private subnet, a NAT, a router guest; and
// one range beyond a peering.
func clouds() []*network.VPC {
	port := func(id, subnet, private, public, group string) network.Port {
		p := network.Port{ID: id, Subnet: subnet, Groups: []string{group}, Addresses: []network.Address{{Private: addr(private)}}}
		if public != "" {
			p.Addresses[0].Public = addr(public)
		}
		return p
	}
	out := all("0.0.0.0/0", "::/0")
	a := &network.VPC{
		ID: "vpc-a", CIDRs: []netip.Prefix{prefix("10.1.0.0/16"), prefix("fd00:a::/56")}, Internet: true,
		Subnets: []network.Subnet{
			{ID: "subnet-out", Prefix: prefix("10.1.1.0/24"), Prefix6: prefix("fd00:a:0:1::/64"), Router: addr("10.1.1.1"), Table: "rtb-out", ACL: "acl-open"},
			{ID: "subnet-in", Prefix: prefix("10.1.2.0/24"), Router: addr("10.1.2.1"), Table: "rtb-in", ACL: "acl-in"},
		},
		Tables: []network.Table{
			{ID: "rtb-out", Routes: []network.Route{
				{To: prefix("0.0.0.0/0"), Via: network.ViaInternet, Target: "igw-a"},
				{To: prefix("::/0"), Via: network.ViaEgress, Target: "eigw-a"},
				{To: prefix("10.2.0.0/16"), Via: network.ViaPeer, Target: "pcx-ab"},
				{To: prefix("10.8.0.0/16")},
				{To: prefix("10.9.0.0/16"), Via: network.ViaPort, Target: "eni-router"},
				{To: prefix("10.9.1.0/24"), Via: network.ViaPort, Target: "eni-web"},
			}},
			{ID: "rtb-in", Routes: []network.Route{{To: prefix("0.0.0.0/0"), Via: network.ViaNAT, Target: "nat-a"}}},
		},
		ACLs: []network.ACL{
			{ID: "acl-open", Ingress: []network.Entry{
				{Number: 100, Allow: true, Protocol: -1, From: -1, To: -1, Prefix: prefix("0.0.0.0/0")},
				{Number: 101, Allow: true, Protocol: 6, From: 1024, To: 65535, Prefix: prefix("::/0")},
			}, Egress: []network.Entry{
				{Number: 90, Protocol: 6, From: 25, To: 25, Prefix: prefix("0.0.0.0/0")},
				{Number: 100, Allow: true, Protocol: -1, From: -1, To: -1, Prefix: prefix("0.0.0.0/0")},
				{Number: 101, Allow: true, Protocol: -1, From: -1, To: -1, Prefix: prefix("::/0")},
			}},
			{ID: "acl-in", Ingress: []network.Entry{
				{Number: 10, Allow: true, Protocol: 6, From: 443, To: 443, Prefix: prefix("10.0.0.0/8")},
				{Number: 20, Allow: true, Protocol: 6, From: 5432, To: 5432, Prefix: prefix("10.0.0.0/8")},
				{Number: 30, Allow: true, Protocol: 6, From: 32768, To: 65535, Prefix: prefix("0.0.0.0/0")},
			}, Egress: []network.Entry{
				{Number: 10, Allow: true, Protocol: 6, From: 40000, To: 65535, Prefix: prefix("10.0.0.0/8")},
				{Number: 20, Allow: true, Protocol: 6, From: 443, To: 443, Prefix: prefix("0.0.0.0/0")},
			}},
		},
		Ports: []network.Port{
			port("eni-web", "subnet-out", "10.1.1.10", "100.64.0.10", "sg-web"),
			port("eni-bare", "subnet-out", "10.1.1.11", "", "sg-shut"),
			port("eni-router", "subnet-out", "10.1.1.12", "", "sg-web"),
			port("eni-nat", "subnet-out", "10.1.1.13", "100.64.0.13", ""),
			port("eni-db", "subnet-in", "10.1.2.10", "", "sg-db"),
		},
		Groups: []network.Group{
			{ID: "sg-web", Egress: out, Ingress: []network.Rule{
				{ID: "sgr-web", Protocol: 6, From: 80, To: 443, Prefix: prefix("0.0.0.0/0")}, {ID: "sgr-echo", Protocol: 1, From: 8, To: -1, Prefix: prefix("0.0.0.0/0")},
			}},
			{ID: "sg-shut"},
			{ID: "sg-db", Egress: out, Ingress: []network.Rule{
				{ID: "sgr-db", Protocol: 6, From: 5432, To: 5432, Group: "sg-web"}, {ID: "sgr-tls", Protocol: 6, From: 443, To: 443, List: "pl-a"},
			}},
		},
		Lists: []network.List{{ID: "pl-a", Prefixes: []netip.Prefix{prefix("10.1.1.10/32")}}},
		NATs:  []network.NAT{{ID: "nat-a", Port: "eni-nat"}},
		Peers: []network.Peer{{ID: "pcx-ab", VPC: "vpc-b", CIDRs: []netip.Prefix{prefix("10.2.0.0/16")}}},
	}
	a.Ports[0].Addresses6 = []netip.Addr{addr("fd00:a:0:1::10")}
	a.Ports[2].AnySource = true
	b := &network.VPC{
		ID: "vpc-b", CIDRs: []netip.Prefix{prefix("10.2.0.0/16")},
		Subnets: []network.Subnet{{ID: "subnet-b", Prefix: prefix("10.2.1.0/24"), Router: addr("10.2.1.1"), Table: "rtb-b"}, {ID: "subnet-c", Prefix: prefix("10.2.2.0/24"), Router: addr("10.2.2.1")}},
		Tables:  []network.Table{{ID: "rtb-b", Routes: []network.Route{{To: prefix("10.1.0.0/16"), Via: network.ViaPeer, Target: "pcx-ab"}}}},
		Ports:   []network.Port{port("eni-b", "subnet-b", "10.2.1.10", "", "sg-b"), port("eni-c", "subnet-c", "10.2.2.10", "", "sg-b")},
		Groups:  []network.Group{{ID: "sg-b", Egress: out, Ingress: []network.Rule{{ID: "sgr-b", Protocol: -1, From: -1, To: -1, Group: "sg-web"}}}, {ID: "sg-web", Members: []netip.Addr{addr("10.1.1.10")}}},
		Peers:   []network.Peer{{ID: "pcx-ab", VPC: "vpc-a", CIDRs: a.CIDRs[:1]}},
	}
	return []*network.VPC{a, b}
}

// TestExplain: the verdict, and who gives it: kind, resource and rule of the last
// look that counts ("" for a verdict that nobody blocks).
func TestExplain(t *testing.T) {
	outside := addr("192.0.2.1")
	tcp := func(from, to string, port int) explain.Question {
		return explain.Question{From: from, To: to, Protocol: 6, FromPort: 49152, ToPort: port}
	}
	toAddr := func(from, to string, port int) explain.Question {
		q := tcp(from, "", port)
		q.ToAddress = addr(to)
		return q
	}
	fromOutside := func(to string, port int) explain.Question {
		return explain.Question{FromAddress: outside, ToAddress: addr(to), Protocol: 6, FromPort: 49152, ToPort: port}
	}
	echo := func(from, to string) explain.Question { return explain.Question{From: from, To: to, Protocol: 1} }
	short := tcp("eni-web", "eni-db", 5432)
	short.FromPort = 33000
	six := toAddr("eni-web", "2001:db8::1", 443)
	sixIn := fromOutside("fd00:a:0:1::10", 443)
	sixIn.FromAddress = addr("2001:db8::1")
	for name, c := range map[string]struct {
		q     explain.Question
		block string
	}{
		"a group member":               {tcp("eni-web", "eni-db", 5432), ""},
		"a list":                       {tcp("eni-web", "eni-db", 443), ""},
		"not on the list":              {tcp("eni-router", "eni-db", 443), "group sg-db "},
		"no rule":                      {tcp("eni-web", "eni-db", 22), "acl acl-in *"},
		"the answer's port":            {short, "acl acl-in *"},
		"nothing out":                  {tcp("eni-bare", "eni-web", 80), "group sg-shut "},
		"echo":                         {echo("eni-router", "eni-web"), ""},
		"echo that no rule has":        {echo("eni-web", "eni-db"), "acl acl-in *"},
		"out":                          {toAddr("eni-web", "192.0.2.1", 443), ""},
		"mail":                         {toAddr("eni-web", "192.0.2.1", 25), "acl acl-open 90"},
		"no public address":            {toAddr("eni-router", "192.0.2.1", 443), "port eni-router "},
		"out by NAT":                   {toAddr("eni-db", "192.0.2.1", 443), ""},
		"out by NAT, its subnet's ACL": {toAddr("eni-db", "192.0.2.1", 25), "acl acl-in *"},
		"no such address":              {toAddr("eni-web", "10.1.1.99", 80), "subnet vpc-a "},
		"blackhole":                    {toAddr("eni-web", "10.8.0.1", 80), "route rtb-out 10.8.0.0/16"},
		"a router guest":               {toAddr("eni-web", "10.9.0.1", 80), ""},
		"longer, and not a router":     {toAddr("eni-bare", "10.9.1.1", 80), "group sg-shut "},
		"itself no router":             {toAddr("eni-router", "10.9.1.1", 80), "port eni-web "},
		"peer":                         {tcp("eni-web", "eni-b", 80), ""},
		"peer, not a member":           {tcp("eni-router", "eni-b", 80), "group sg-b "},
		"peer without a way back":      {tcp("eni-web", "eni-c", 80), "route  "},
		"from the peer":                {tcp("eni-b", "eni-web", 80), ""},
		"no route":                     {tcp("eni-c", "eni-web", 80), "route  "},
		"through the peer":             {toAddr("eni-b", "192.0.2.1", 80), "route rtb-b "},
		"in":                           {fromOutside("100.64.0.10", 443), ""},
		"in, no rule":                  {fromOutside("100.64.0.10", 22), "group sg-web "},
		"in to a NAT":                  {fromOutside("100.64.0.13", 443), "nat eni-nat "},
		"an address that nobody has":   {toAddr("eni-web", "100.64.0.99", 443), "outside  "},
		"in to a private address":      {fromOutside("10.1.1.10", 443), "outside  "},
		"public address of a guest":    {toAddr("eni-db", "100.64.0.10", 443), ""},
		"IPv6 out":                     {six, ""},
		"IPv6 in":                      {sixIn, "route rtb-out "},
		"metadata":                     {toAddr("eni-web", "169.254.169.254", 80), ""},
		"metadata, other port":         {toAddr("eni-web", "169.254.169.254", 22), "service 169.254.169.254 "},
		"resolver":                     {toAddr("eni-web", "10.1.0.2", 53), ""},
		"resolver, nothing else out":   {toAddr("eni-bare", "10.1.0.2", 53), ""},
		"another subnet's router":      {toAddr("eni-web", "10.1.2.1", 22), "service 10.1.2.1 "},
		"nobody's link":                {toAddr("eni-web", "169.254.1.1", 80), "service 169.254.1.1 "},
	} {
		t.Run(name, func(t *testing.T) {
			c.q.Pools = []netip.Prefix{prefix("100.64.0.0/24")}
			v, err := explain.Explain(clouds(), c.q)
			if err != nil {
				t.Fatal(err)
			}
			blocked := ""
			for _, s := range v.Steps {
				if !s.Passes {
					blocked = s.Kind + " " + s.ID + " " + s.Rule
				}
			}
			if v.Reaches != (c.block == "") || blocked != c.block {
				t.Errorf("blocked by %q, want %q\n%s", blocked, c.block, v.Text())
			}
			if end := "It gets through.\n"; strings.HasSuffix(v.Text(), end) != v.Reaches {
				t.Errorf("the text ends otherwise:\n%s", v.Text())
			}
		})
	}
}

// TestQuestions: what cannot be answered is said.
func TestQuestions(t *testing.T) {
	for name, q := range map[string]explain.Question{
		"no such port":      {From: "eni-x", To: "eni-b", Protocol: 6},
		"no such target":    {From: "eni-b", To: "eni-x", Protocol: 6},
		"no end":            {From: "eni-b", Protocol: 6},
		"a mix of families": {From: "eni-b", ToAddress: addr("2001:db8::1"), Protocol: 6},
		"protocol":          {From: "eni-web", To: "eni-b", Protocol: 50},
	} {
		if v, err := explain.Explain(clouds(), q); err == nil {
			t.Errorf("%s: answered %+v", name, v)
		}
	}
}
