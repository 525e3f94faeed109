package cloud

import "time"

// FlowLog has the flows of a VPC, a subnet or an interface recorded. Written by the
// service, but for Seen.
type FlowLog struct {
	Meta                   // ID is "fl-…"
	Resource        string // "vpc-…", "subnet-…" or "eni-…"
	Accepted        bool
	Rejected        bool
	Destination     string // ARN of a bucket, with a prefix: "arn:aws:s3:::bucket/prefix"
	Format          string // e.g. "${version} ${account-id} …"
	Interval        int    // seconds over which flows are put together: 60 or 600
	HourlyPartition bool   `json:",omitempty"`
	HivePartition   bool   `json:",omitempty"`

	Seen FlowLogSeen // written by whoever delivers
}

// FlowLogSeen is how the delivery goes.
type FlowLogSeen struct {
	Delivered time.Time `json:",omitzero"`  // the last file
	Error     string    `json:",omitempty"` // of the last try: "Access error", "Unknown error"
}

// Table is "flowlog".
func (FlowLog) Table() string { return "flowlog" }

// Labels finds the flow logs of an account and of what is logged.
func (f FlowLog) Labels() []string { return []string{AccountLabel(f.Account), "logs/" + f.Resource} }
