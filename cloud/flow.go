package cloud

import (
	"net/netip"
	"time"
)

// FlowBatch is what a host counted of the flows of one VPC, or missed.
type FlowBatch struct {
	VPC        string
	Interfaces []string  // whose flows were counted, those without any too
	Until      time.Time // of the count
	Flows      []Flow
	Skipped    bool // flows of the interfaces were not counted, or lost
}

// Flow is what one interface saw of one flow in one direction.
type Flow struct {
	Interface           string
	Ingress, Accepted   bool
	Source, Destination netip.AddrPort
	Protocol            int
	Packets, Bytes      uint64
	Start, End          time.Time
	Flags               uint8 // TCP flags seen, if known: FIN 1, SYN 2, RST 4, SYN-ACK 18
}
