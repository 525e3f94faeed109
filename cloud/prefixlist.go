package cloud

import (
	"net/netip"
	"slices"
)

// PrefixList is a set of ranges that rules and routes name. Those of OperatorAccount
// are the cloud's own, seen by everybody, and stand for its services.
type PrefixList struct {
	Meta       // ID is "pl-…"
	Name       string
	IPv6       bool `json:",omitempty"`
	MaxEntries int
	Version    int // counts from 1
	Entries    []PrefixListEntry
	// Earlier are the entries of the versions before, oldest first: of the last
	// PrefixListVersions of them.
	Earlier [][]PrefixListEntry `json:",omitempty"`
	State   string              `json:",omitempty"` // of the last change: "create-complete", "modify-complete" or "restore-complete"
}

// PrefixListVersions is how many earlier versions of a list are kept.
const PrefixListVersions = 100

// At returns the entries of a version, and whether it is kept.
func (l PrefixList) At(version int) ([]PrefixListEntry, bool) {
	at := version - (l.Version - len(l.Earlier))
	switch {
	case version == l.Version:
		return l.Entries, true
	case at < 0 || at >= len(l.Earlier):
		return nil, false
	}
	return l.Earlier[at], true
}

// Next returns the list with a new version that has the entries.
func (l PrefixList) Next(entries []PrefixListEntry) PrefixList {
	l.Earlier = append(slices.Clone(l.Earlier), l.Entries)
	l.Earlier = l.Earlier[max(0, len(l.Earlier)-PrefixListVersions):]
	l.Version, l.Entries = l.Version+1, entries
	return l
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
