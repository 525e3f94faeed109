package networktest

import (
	"net/netip"
	"testing"
)

// TestExplained has many more generated plans explained than packets could try.
func TestExplained(t *testing.T) {
	simulated := Bench{Simulated: true, New: func(*testing.T, string, netip.Prefix, netip.Prefix) Cloud { return Cloud{} }}
	m := newMatrix(newWorld(t, simulated))
	for round := range 300 {
		m.generate(round)
		o := m.oracle()
		for _, j := range m.journeys() {
			for _, port := range []uint16{openPort(round), shutPort(round)} {
				reason := o.exchange(j.from, j.packet(port), false)
				m.count(reason)
				if m.explained(round, j, port, reason); t.Failed() {
					return
				}
			}
		}
	}
	t.Logf("%d cases, by what becomes of them: %v", m.cases, m.reasons)
}
