package storetest

import (
	"fmt"
	"time"
)

// Machine is a document of the size and shape of a guest's: some 1.5 KB of JSON.
type Machine struct {
	ID, Account string
	Created     time.Time
	Tags        map[string]string
	Image, Type string
	Zone, VPC   string
	Subnet      string
	UserData    []byte
	Want        string
	Starts      int
	Host        string `json:",omitempty"`
	Slot        int
	Options     struct {
		Tokens, Endpoint, Tags string
		HopLimit               int
	}
	Seen struct {
		Running bool
		Starts  int
		Since   time.Time
		Error   string `json:",omitempty"`
	}
	Groups []string
}

// Table is "machine".
func (Machine) Table() string { return "machine" }

// Key is the ID.
func (m Machine) Key() string { return m.ID }

// Labels are those of the account, the network and the host, and the name, which
// no other machine has.
func (m Machine) Labels() []string {
	return []string{"account/" + m.Account, "vpc/" + m.VPC, "host/" + m.Host, "name/" + m.Tags["Name"]}
}

// NewMachine returns a machine of an account of a hundred machines.
func NewMachine(n int) Machine {
	at := time.Date(2024, 5, 6, 7, 8, 9, n, time.UTC)
	m := Machine{
		ID: fmt.Sprintf("i-%017x", n*7919), Account: fmt.Sprintf("%012d", n/100), Created: at,
		Tags:  map[string]string{"Name": fmt.Sprint("web-", n), "Environment": "production", "Team": "platform"},
		Image: "ami-0123456789abcdef0", Type: "t3.medium", Zone: "eu-paris-1a",
		VPC: fmt.Sprintf("vpc-%017x", n/100), Subnet: fmt.Sprintf("subnet-%017x", n/50),
		UserData: make([]byte, 512), Want: "running", Starts: 1, Host: fmt.Sprint("host-", n%1000), Slot: n / 1000,
		Groups: []string{"sg-0123456789abcdef0", "sg-0123456789abcdef1"},
	}
	m.Options.Tokens, m.Options.Endpoint, m.Options.Tags, m.Options.HopLimit = "required", "enabled", "disabled", 2
	m.Seen.Running, m.Seen.Starts, m.Seen.Since = true, 1, at
	return m
}
