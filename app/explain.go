package app

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/vauban-cloud/vauban/app/hostview"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/network"
	"github.com/vauban-cloud/vauban/driver/network/explain"
	"github.com/vauban-cloud/vauban/driver/network/plan"
	"github.com/vauban-cloud/vauban/store"
)

// Way asks what becomes of the first packet of a flow.
type Way struct {
	From     string `json:"from"` // ID of an instance or a network interface, or an address
	To       string `json:"to"`   // the same
	Protocol string `json:"protocol"`
	FromPort int    `json:"fromPort,omitempty"`
	ToPort   int    `json:"toPort,omitempty"`
}

func (q Way) args() map[string]string {
	return map[string]string{"from": q.From, "to": q.To, "protocol": q.Protocol, "port": strconv.Itoa(q.ToPort)}
}

// Verdict is what becomes of a packet, and why.
type Verdict = explain.Verdict

// explainNetwork answers from the plans of all networks, which packets are carried by.
func (r *running) explainNetwork(_ context.Context, q Way) (explain.Verdict, error) {
	v := r.db.View()
	ask := explain.Question{FromPort: q.FromPort, ToPort: q.ToPort, Pools: []netip.Prefix{r.cfg.PublicPool, r.cfg.IPv6Pool}}
	var err error
	if ask.From, ask.FromAddress, err = wayEnd(v, q.From); err != nil {
		return explain.Verdict{}, err
	}
	if ask.To, ask.ToAddress, err = wayEnd(v, q.To); err != nil {
		return explain.Verdict{}, err
	}
	if ask.Protocol, err = wayProtocol(q); err != nil {
		return explain.Verdict{}, err
	}
	return explain.Explain(allPlans(v), ask)
}

func wayProtocol(q Way) (int, error) {
	n := plan.Protocol(q.Protocol)
	switch n {
	case plan.Protocol("icmp"), plan.Protocol("icmpv6"):
		return n, nil
	case plan.Protocol("tcp"), plan.Protocol("udp"):
		if q.ToPort < 1 || q.ToPort > 65535 || q.FromPort < 1 || q.FromPort > 65535 {
			return 0, fmt.Errorf("a way by %s takes ports of 1 to 65535: give --port", q.Protocol)
		}
		return n, nil
	}
	return 0, fmt.Errorf("%q is no protocol: give tcp, udp or icmp", q.Protocol)
}

// wayEnd returns the interface that is meant, or the address.
func wayEnd(v store.Reader, name string) (id string, a netip.Addr, err error) {
	switch kind, _, _ := strings.Cut(name, "-"); kind {
	case "eni":
		if _, ok := interfaces.Get(v, name); !ok {
			err = fmt.Errorf("there is no network interface %s", name)
		}
		return name, a, err
	case "i":
		for n := range interfaces.Select(v, "instance/"+name) {
			if n.Attachment.DeviceIndex == 0 {
				return n.ID, a, nil
			}
		}
		return "", a, fmt.Errorf("there is no instance %s with a network interface", name)
	}
	a, err = netip.ParseAddr(name)
	if err != nil {
		return "", a, fmt.Errorf("%q is neither an instance, nor a network interface, nor an address", name)
	}
	return "", a, nil
}

// allPlans are the plans of all VPCs, with all ports of instances that are placed.
func allPlans(v store.Reader) (plans []*network.VPC) {
	var ids []string
	for vpc := range vpcs.All(v) {
		ids = append(ids, vpc.ID)
	}
	docs := hostview.Networks(v, ids)
	have := map[string]bool{}
	for _, n := range docs.Interfaces {
		have[n.ID] = true
	}
	for n := range interfaces.All(v) {
		if !have[n.ID] {
			docs.Interfaces = append(docs.Interfaces, n)
		}
	}
	x := plan.NewIndex(&docs)
	for _, id := range ids {
		plans = append(plans, x.VPC(id, func(n *cloud.NetworkInterface) bool { return n.Of != "" || isPlaced(v, n) }))
	}
	return plans
}

func isPlaced(v store.Reader, n *cloud.NetworkInterface) bool {
	if n.Attachment == nil {
		return false
	}
	i, ok := instances.Get(v, n.Attachment.Instance)
	return ok && i.Host != ""
}
