package linux

import "maps"

// prepare makes the chains and sets that the tables lack, before anything leads to
// them, and returns what is there then. A packet that is on its way while rules are
// exchanged looks up maps as they will be, but follows chains as they were: one that
// is made by the same transaction was empty, and would drop it.
func prepare(tx *transaction, have, want []*table) []*table {
	prepared := make([]*table, len(have))
	for i, t := range want {
		if prepared[i] = have[i]; have[i] == nil || !sameHooks(have[i], t) {
			continue // it is made as a whole
		}
		if lacksChains(have[i], t) {
			prepared[i] = tx.addMissing(have[i], t)
		}
	}
	return prepared
}

// sameHooks reports whether all chains of both hook in the same way.
func sameHooks(have, want *table) bool {
	for name, c := range want.chains {
		if old := have.chains[name]; old != nil && !old.sameHook(c) {
			return false
		}
	}
	return true
}

func lacksChains(have, want *table) bool {
	for name, c := range want.chains {
		if have.chains[name] == nil && !c.isBase() {
			return true
		}
	}
	return false
}

// addMissing adds the chains that no packet starts in, and the sets, with all that is
// in them, and returns the table as it is then.
func (tx *transaction) addMissing(have, want *table) *table {
	got := &table{family: have.family, name: have.name, sets: maps.Clone(have.sets), chains: maps.Clone(have.chains)}
	for name, c := range want.chains {
		if have.chains[name] == nil && !c.isBase() {
			tx.addChain(want, name, c)
			got.chains[name] = c
		}
	}
	for name, s := range want.sets {
		if have.sets[name] == nil {
			tx.addSet(want, name, s)
			got.sets[name] = s
		}
	}
	for name, c := range got.chains {
		if have.chains[name] == nil {
			tx.changeRules(want, name, nil, c)
		}
	}
	for name, s := range got.sets {
		if have.sets[name] == nil {
			tx.changeElements(want, name, nil, s)
		}
	}
	return got
}
