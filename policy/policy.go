// Package policy decides whether a caller may do something. Every operation of
// every service asks it once.
//
// Today it knows one rule: the principals of an account may do everything
// with that account's resources, and nothing with another's. It does no I/O.
package policy

import (
	"context"

	"github.com/vauban-cloud/vauban/cloud"
)

// Request is a question: may Caller do Action with Resources?
type Request struct {
	Caller    cloud.Caller
	Action    string   // "ec2:RunInstances"
	Resources []string // ARNs; empty means "*"
}

// Authorizer answers. A nil error means yes; a no is a *cloud.Error.
type Authorizer interface {
	Authorize(ctx context.Context, r Request) error
}
