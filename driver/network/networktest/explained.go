package networktest

import (
	"github.com/vauban-cloud/vauban/driver/network"
	"github.com/vauban-cloud/vauban/driver/network/explain"
)

// explained asks the third party: what explains packets to people says the same as the oracle, of which
// the packets of a probe are the proof, and for a reason of the same kind.
func (m *matrixRun) explained(round int, j journey, port uint16, reason string) {
	m.Helper()
	p := j.packet(port)
	q := explain.Question{From: j.from.port.ID, FromAddress: p.from, ToAddress: p.to, Protocol: p.protocol, FromPort: p.fromPort, ToPort: p.toPort}
	got, err := explain.Explain([]*network.VPC{&m.a.VPC, &m.b.VPC}, q)
	switch {
	case err != nil:
		m.Errorf("round %d: %s by %s: explain: %v", round, j.name, j.protocol, err)
	case got.Reaches != (reason == ""):
		m.Errorf("round %d: %s by %s, %v: the oracle says %q, and explain:\n%s", round, j.name, j.protocol, p, reason, got.Text())
	}
}
