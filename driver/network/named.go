package network

import (
	"fmt"
	"net/netip"
	"slices"
)

// names collects the IDs of one kind, each of which is there once.
type names map[string]bool

func (n names) add(kind, id string) error {
	if !ValidName(id) {
		return fmt.Errorf("%s ID %q is not a name", kind, id)
	}
	if n[id] {
		return fmt.Errorf("%s %s is there twice", kind, id)
	}
	n[id] = true
	return nil
}

func (v VPC) validLists() (names, error) {
	lists := names{}
	for _, l := range v.Lists {
		if err := lists.add("list", l.ID); err != nil {
			return nil, err
		}
		for _, p := range l.Prefixes {
			if !p.IsValid() {
				return nil, fmt.Errorf("list %s: %s is not a range", l.ID, p)
			}
		}
	}
	return lists, nil
}

// validACLs checks the ACLs, and those that subnets name.
func (v VPC) validACLs() error {
	acls := names{}
	for _, a := range v.ACLs {
		if err := acls.add("ACL", a.ID); err != nil {
			return err
		}
		for _, e := range slices.Concat(a.Ingress, a.Egress) {
			if err := e.validate(); err != nil {
				return fmt.Errorf("ACL %s: entry %d: %w", a.ID, e.Number, err)
			}
		}
	}
	for _, s := range v.Subnets {
		if s.ACL != "" && !acls[s.ACL] {
			return fmt.Errorf("subnet %s: ACL %q is not in the plan", s.ID, s.ACL)
		}
	}
	return nil
}

func (e Entry) validate() error {
	if !e.Prefix.IsValid() {
		return fmt.Errorf("it names no range")
	}
	return validTraffic(e.Protocol, e.From, e.To)
}

// validRoutes checks the tables, and what their routes lead to.
func (v VPC) validRoutes() error {
	ports, nats, peers, tables := names{}, names{}, names{}, names{}
	for _, p := range v.Ports {
		ports[p.ID] = true
	}
	for _, n := range v.NATs {
		if err := nats.add("NAT", n.ID); err != nil {
			return err
		}
		if !ports[n.Port] {
			return fmt.Errorf("NAT %s: port %q is not in the plan", n.ID, n.Port)
		}
	}
	for _, p := range v.Peers {
		if err := peers.add("peer", p.ID); err != nil {
			return err
		}
		if !ValidName(p.VPC) || p.VPC == v.ID {
			return fmt.Errorf("peer %s: %q is not another VPC", p.ID, p.VPC)
		}
		for _, c := range p.CIDRs {
			if err := validRange(c); err != nil {
				return fmt.Errorf("peer %s: %w", p.ID, err)
			}
		}
	}
	for _, t := range v.Tables {
		if err := tables.add("table", t.ID); err != nil {
			return err
		}
		for _, r := range t.Routes {
			if err := r.validate(map[Via]names{ViaNAT: nats, ViaPort: ports, ViaPeer: peers}[r.Via]); err != nil {
				return fmt.Errorf("table %s: route to %s: %w", t.ID, r.To, err)
			}
		}
	}
	for _, s := range v.Subnets {
		if s.Table != "" && !tables[s.Table] {
			return fmt.Errorf("subnet %s: table %q is not in the plan", s.ID, s.Table)
		}
	}
	return nil
}

// validate checks a route; targets are the IDs of its kind.
func (r Route) validate(targets names) error {
	if !r.To.IsValid() || r.To != r.To.Masked() {
		return fmt.Errorf("it is not a range")
	}
	switch r.Via {
	case ViaNothing, ViaInternet:
		return nil
	case ViaEgress:
		if r.To.Addr().Is4() {
			return fmt.Errorf("egress-only gateways are for IPv6")
		}
	case ViaNAT, ViaPort, ViaPeer:
		if !targets[r.Target] {
			return fmt.Errorf("%s %q is not in the plan", r.Via, r.Target)
		}
		if r.Via == ViaNAT && r.To.Addr().Is6() {
			return fmt.Errorf("NAT is for IPv4")
		}
	case ViaService:
		if r.To != netip.PrefixFrom(Objects, Objects.BitLen()) {
			return fmt.Errorf("there is no service but at %s", Objects)
		}
	default:
		return fmt.Errorf("%q is no kind of target", r.Via)
	}
	return nil
}
