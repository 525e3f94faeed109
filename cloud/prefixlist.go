package cloud

import "net/netip"

// PrefixList is a set of ranges that rules and routes name. Those of OperatorAccount
// are the cloud's own, seen by everybody, and stand for its services.
type PrefixList struct {
	Meta       // ID is "pl-…"
	Name       string
	IPv6       bool `json:",omitempty"`
	MaxEntries int
	Version    int // counts from 1
	Entries    []PrefixListEntry
	// Earlier are the entries of the versions before, oldest first.
	Earlier [][]PrefixListEntry `json:",omitempty"`
}

// PrefixListEntry is a range of a list.
type PrefixListEntry struct {
	Prefix      netip.Prefix
	Description string `json:",omitempty"`
}

// Table is "prefixlist".
func (PrefixList) Table() string { return "prefixlist" }

// Labels finds the lists of an account.
func (l PrefixList) Labels() []string { return []string{AccountLabel(l.Account)} }
