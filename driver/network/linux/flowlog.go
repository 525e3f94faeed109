package linux

import (
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/network"
)

// Logs of flows: sets whose names are a log, a way ("out", "in") and an IP version,
// filled by rules. What does not fit is not counted, and dropped or accepted all the same.
const (
	acceptedLog, rejectedLog     = "accepted", "rejected"
	acceptedLimit, rejectedLimit = 32768, 8192 // flows a set, of some 250 bytes each
	forgetAfter                  = 5 * time.Minute
	loggedSuffix                 = "-ports" // of the set of devices that have the log
)

// logging is what any port logs.
type logging = network.Log

// directions are those that a port sees packets in, with its device.
var directions = map[string]field{"out": inDevice, "in": outDevice}

// addLogs makes the sets and chains of the logs that any port has.
func addLogs(t *table, v network.VPC) (logs logging) {
	accepted, rejected := make(map[string]string), make(map[string]string)
	for _, p := range v.Ports {
		dev := key(deviceName(portDevice(p.ID)))
		if p.Log.Accepted {
			accepted[dev] = ""
		}
		if p.Log.Rejected {
			rejected[dev] = ""
		}
	}
	if logs.Accepted = len(accepted) > 0; logs.Accepted {
		addLog(t, acceptedLog, acceptedLimit, accepted)
		// Whatever comes here was accepted by all that was asked before.
		t.base(acceptedLog, filterAt(nftables.ChainHookForward, *nftables.ChainPriorityFilter+10, nftables.ChainPolicyAccept),
			note(acceptedLog, "in"))
	}
	if logs.Rejected = len(rejected) > 0; logs.Rejected {
		addLog(t, rejectedLog, rejectedLimit, rejected)
	}
	return logs
}

// note counts a packet in a log, if the port on the way has it.
func note(log, way string) rule {
	return when(in(log+loggedSuffix, directions[way]), jump(log+"-"+way))
}

func addLog(t *table, log string, limit uint32, devices map[string]string) {
	t.set(log+loggedSuffix, nftables.TypeIFName).elements = devices
	for way, device := range directions {
		chain := log + "-" + way
		t.counted(chain+"4", limit, nftables.TypeIFName, nftables.TypeIPAddr, nftables.TypeIPAddr, nftables.TypeInetProto, nftables.TypeMark)
		t.counted(chain+"6", limit, nftables.TypeIFName, nftables.TypeIP6Addr, nftables.TypeIP6Addr, nftables.TypeInetProto, nftables.TypeMark)
		var rules []rule
		for _, ported := range []byte{unix.IPPROTO_TCP, unix.IPPROTO_UDP} {
			rules = append(rules,
				when(ipVersion.is(unix.NFPROTO_IPV4), protocol.is(ported), count(chain+"4", true, device, source, destination, protocol)),
				when(ipVersion.is(unix.NFPROTO_IPV6), protocol.is(ported), count(chain+"6", true, device, source6, destination6, protocol)))
		}
		t.chain(chain, append(rules,
			when(protocol.is(unix.IPPROTO_TCP), verdict(expr.VerdictReturn, "")),
			when(protocol.is(unix.IPPROTO_UDP), verdict(expr.VerdictReturn, "")),
			when(ipVersion.is(unix.NFPROTO_IPV4), count(chain+"4", false, device, source, destination, protocol)),
			when(ipVersion.is(unix.NFPROTO_IPV6), count(chain+"6", false, device, source6, destination6, protocol)))...)
	}
}

// count adds the packet to the set's element of the fields and its ports, which are
// zero unless it has some.
func count(set string, ported bool, fields ...field) []expr.Any {
	exprs := loads(fields)
	var word uint32
	for _, f := range fields {
		word += (f.size + 3) / 4
	}
	if ported {
		exprs = append(exprs, bothPorts.load(word))
	} else {
		exprs = append(exprs, &expr.Immediate{Register: register(word), Data: make([]byte, 4)})
	}
	return append(exprs, &expr.Dynset{SrcRegKey: register(0), SetName: set, Operation: unix.NFT_DYNSET_OP_UPDATE, Exprs: []expr.Any{&expr.Counter{}}})
}
