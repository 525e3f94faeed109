package cloud

import (
	"slices"
	"strings"
	"time"
)

// Power is what is wanted of a guest.
type Power string

// The wanted powers. There is no way back from Terminated.
const (
	PowerRunning    Power = "running"
	PowerStopped    Power = "stopped"
	PowerTerminated Power = "terminated"
)

// InstanceState is the state that the API shows, derived by Instance.State.
type InstanceState string

// The states of an instance and their codes, as DescribeInstances gives them:
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceState.html
const (
	InstancePending      InstanceState = "pending"
	InstanceRunning      InstanceState = "running"
	InstanceShuttingDown InstanceState = "shutting-down"
	InstanceTerminated   InstanceState = "terminated"
	InstanceStopping     InstanceState = "stopping"
	InstanceStopped      InstanceState = "stopped"
)

// Code is the state's number in the API.
func (s InstanceState) Code() int32 {
	switch s {
	case InstancePending:
		return 0
	case InstanceRunning:
		return 16
	case InstanceShuttingDown:
		return 32
	case InstanceTerminated:
		return 48
	case InstanceStopping:
		return 64
	default:
		return 80
	}
}

// Instance is a guest: what its owner wants of it, where it was placed, and
// what its host has seen of it. Its network interfaces and volumes are documents
// of their own, found by the label "instance/<id>".
type Instance struct {
	Meta

	// Asked for at launch; written by the service.
	Reservation string
	LaunchIndex int
	Image       string
	Type        string
	KeyName     string `json:",omitempty"`
	Zone        string
	VPC         string
	Subnet      string
	UserData    []byte `json:",omitempty"`
	ClientToken string `json:",omitempty"`
	RootDevice  string // e.g. "/dev/xvda"
	Launched    time.Time

	// Attributes; written by the service.
	OnShutdown         string // "stop" or "terminate"
	DisableTermination bool   `json:",omitempty"`
	DisableStop        bool   `json:",omitempty"`
	EBSOptimized       bool   `json:",omitempty"`
	Monitoring         bool   `json:",omitempty"`
	PublicAddress      bool   `json:",omitempty"` // each start assigns a public address to the primary interface, if it has none
	Metadata           MetadataOptions
	Profile            *ProfileAssociation `json:",omitempty"` // whose role the guest may act as; nil: none

	// Wanted; written by the service, by control/instance when the guest shut
	// itself down or could not be started, and by control/account when its account
	// was suspended or closed.
	Want    Power
	Force   bool `json:",omitempty"` // stop without asking the guest
	Starts  int  // raised by every launch or start
	Reboots int  `json:",omitempty"` // raised by every reboot
	Reason  Reason

	// Placement; written by the service when it promises, cleared by control/instance.
	Host string `json:",omitempty"`
	Slot int    `json:",omitempty"` // unique on the host for the guest's life; its unprivileged uid derives from it

	// Seen; written by the host's node agent alone.
	Seen InstanceSeen

	// Released is when control/instance gave back all that the instance held.
	Released time.Time `json:",omitzero"`
}

// InstanceSeen is what the host reports of a guest.
type InstanceSeen struct {
	// Running: the guest's processor runs.
	Running bool `json:",omitempty"`
	// Starts and Reboots are the last of Instance.Starts and Instance.Reboots that were carried out.
	Starts  int `json:",omitempty"`
	Reboots int `json:",omitempty"`
	// Ended: the guest of start number Starts has ended. Halted: by its own wish.
	Ended  bool `json:",omitempty"`
	Halted bool `json:",omitempty"`
	// Gone: nothing of the guest is left on the host.
	Gone bool `json:",omitempty"`
	// Failed: the guest of start number Starts never ran.
	Failed bool `json:",omitempty"`
	// Cards are the IDs of the network interfaces in the guest, sorted, with commas between.
	Cards string `json:",omitempty"`
	// Error is why it failed or ended against its will: a code, a colon, words.
	Error string    `json:",omitempty"`
	Since time.Time `json:",omitzero"` // of the last change
}

// HasCard reports whether the network interface is in the guest.
func (s InstanceSeen) HasCard(id string) bool {
	return slices.Contains(strings.Split(s.Cards, ","), id)
}

// Reason says why the instance is as it is, in the API's words.
type Reason struct {
	Code    string    `json:",omitempty"` // e.g. "Client.UserInitiatedShutdown"
	Message string    `json:",omitempty"`
	When    time.Time `json:",omitzero"`
}

// MetadataOptions govern the instance metadata service.
type MetadataOptions struct {
	Tokens   string // "required" (IMDSv2 only) or "optional"
	HopLimit int    // 1 to 64
	Endpoint string // "enabled" or "disabled"
	Tags     string // "enabled" or "disabled"
	IPv6     bool   `json:",omitempty"` // it answers at its IPv6 address too
}

// ProfileAssociation gives a guest the role of an instance profile. It outlives
// the profile.
type ProfileAssociation struct {
	ID      string // "iip-assoc-…"
	Profile string // ID of the instance profile, "AIPA…"
	ARN     string // of the instance profile
	Since   time.Time
}

// Ended reports whether the guest of the present start has ended.
func (i Instance) Ended() bool {
	return i.Seen.Ended && !i.Seen.Running && i.Seen.Starts == i.Starts
}

// State derives what the API shows from what is wanted and what was seen.
func (i Instance) State() InstanceState {
	up := i.Seen.Running && i.Seen.Starts == i.Starts
	down := i.Ended()
	switch {
	case i.Want == PowerTerminated && !i.Released.IsZero():
		return InstanceTerminated
	case i.Want == PowerTerminated:
		return InstanceShuttingDown
	case i.Want == PowerStopped && down && i.Host == "":
		return InstanceStopped
	case i.Want == PowerStopped, down:
		return InstanceStopping
	case up:
		return InstanceRunning
	default:
		return InstancePending
	}
}

// Table is "instance".
func (Instance) Table() string { return "instance" }

// Labels finds the instances of an account, an image, a host, a VPC, a reservation and
// an association with an instance profile.
func (i Instance) Labels() []string {
	l := []string{AccountLabel(i.Account), "image/" + i.Image, "vpc/" + i.VPC, "reservation/" + i.Reservation}
	if i.Host != "" {
		l = append(l, "host/"+i.Host)
	}
	if i.Profile != nil {
		l = append(l, "association/"+i.Profile.ID)
	}
	return l
}
