package flowlog

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
)

// flow is what records of one window are put together by.
type flow struct {
	iface               string
	ingress, accepted   bool
	source, destination netip.AddrPort
	protocol            int
}

// sums is what was seen of a flow in a window.
type sums struct {
	packets, bytes uint64
	start, end     time.Time
	flags          uint8
}

func (s *sums) add(f cloud.Flow) {
	s.packets, s.bytes, s.flags = s.packets+f.Packets, s.bytes+f.Bytes, s.flags|f.Flags
	if s.start.IsZero() || f.Start.Before(s.start) {
		s.start = f.Start
	}
	if f.End.After(s.end) {
		s.end = f.End
	}
}

// facts are what records tell of an interface.
type facts struct {
	cloud.NetworkInterface
	region, zoneID string
}

func (n facts) instance() string {
	if n.Attachment == nil {
		return ""
	}
	return n.Attachment.Instance
}

// own is the address of the interface that records name for one that a packet has: the
// same, but for guests that route.
func (n facts) own(near netip.Addr) netip.Addr {
	if near.Is6() {
		if len(n.Addresses6) == 0 || slices.Contains(n.Addresses6, near) {
			return near
		}
		return n.Addresses6[0]
	}
	if slices.ContainsFunc(n.Addresses, func(a cloud.PrivateAddress) bool { return a.Private == near }) || len(n.Addresses) == 0 {
		return near
	}
	return n.Primary()
}

// names are the fields of a format, "${version} ${account-id}" for one.
func names(format string) (out []string) {
	for word := range strings.FieldsSeq(format) {
		out = append(out, strings.TrimSuffix(strings.TrimPrefix(word, "${"), "}"))
	}
	return out
}

// since says which version of the records brought the fields that came after 2.
var since = map[string]int{
	"vpc-id": 3, "subnet-id": 3, "instance-id": 3, "tcp-flags": 3, "type": 3, "pkt-srcaddr": 3, "pkt-dstaddr": 3,
	"region": 4, "az-id": 4, "sublocation-type": 4, "sublocation-id": 4,
	"pkt-src-aws-service": 5, "pkt-dst-aws-service": 5, "flow-direction": 5, "traffic-path": 5,
	"ecs-cluster-arn": 7, "ecs-cluster-name": 7, "ecs-container-instance-arn": 7, "ecs-container-instance-id": 7, "ecs-container-id": 7,
	"ecs-second-container-id": 7, "ecs-service-name": 7, "ecs-task-definition-arn": 7, "ecs-task-arn": 7, "ecs-task-id": 7,
	"reject-reason": 8, "resource-id": 9, "encryption-status": 10,
}

// version is that of records with the fields: the newest of them.
func version(fields []string) string {
	newest := 2
	for _, f := range fields {
		newest = max(newest, since[f])
	}
	return strconv.Itoa(newest)
}

// line is a record: https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html.
// What is not known, or does not apply, is "-".
func line(fields []string, values map[string]string) string {
	var b strings.Builder
	for i, f := range fields {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(cmp.Or(values[f], "-"))
	}
	b.WriteByte('\n')
	return b.String()
}

// about are the values that do not depend on a flow. status is "OK", "NODATA" or
// "SKIPDATA".
func (n facts) about(fields []string, start, end time.Time, status string) map[string]string {
	return map[string]string{
		"version": version(fields), "account-id": n.Account, "interface-id": n.ID, "start": seconds(start), "end": seconds(end), "log-status": status,
		"vpc-id": n.VPC, "subnet-id": n.Subnet, "instance-id": n.instance(), "region": n.region, "az-id": n.zoneID,
	}
}

// values are those of a flow.
func (n facts) values(fields []string, f flow, s *sums) map[string]string {
	v := n.about(fields, s.start, s.end, "OK")
	source, destination := f.source.Addr(), f.destination.Addr()
	v["pkt-srcaddr"], v["pkt-dstaddr"] = source.String(), destination.String()
	v["action"], v["flow-direction"], v["type"] = "REJECT", "egress", "IPv4"
	if f.ingress {
		v["flow-direction"] = "ingress"
		destination = n.own(destination)
	} else {
		source = n.own(source)
	}
	if f.accepted {
		v["action"] = "ACCEPT"
	}
	if source.Is6() {
		v["type"] = "IPv6"
	}
	v["srcaddr"], v["dstaddr"] = source.String(), destination.String()
	v["srcport"], v["dstport"] = strconv.Itoa(int(f.source.Port())), strconv.Itoa(int(f.destination.Port()))
	v["protocol"] = strconv.Itoa(f.protocol)
	v["packets"], v["bytes"] = strconv.FormatUint(s.packets, 10), strconv.FormatUint(s.bytes, 10)
	if s.flags != 0 {
		v["tcp-flags"] = strconv.Itoa(int(s.flags))
	}
	return v
}

func seconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
