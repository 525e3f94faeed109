// Package policy is the IAM policy language: it parses policy documents,
// decides whether they let a principal do something, and explains why.
//
// Its functions are pure: the policies that apply and the values of condition
// keys are given to them. Who gathers those is package identity.
//
// The grammar is that of
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html,
// the evaluation that of
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html.
package policy

import (
	"context"

	"github.com/vauban-cloud/vauban/cloud"
)

// Request is what a service asks before it does or tells anything: may Caller
// do Action with all of Resources?
type Request struct {
	Caller    cloud.Caller
	Action    string     // "ec2:RunInstances"
	Resources []Resource // none: "*", all that the action could be about
	// Service is whose request it is, and in whose words a no is said; empty: the action's.
	Service string
	// Keys are condition keys that describe the request, such as
	// "aws:RequestTag/team" and "ec2:CreateAction". The authorizer knows those
	// that every request has (aws:SourceIp, aws:PrincipalArn, ...).
	Keys map[string][]string
}

// Resource is one thing that a request is about.
type Resource struct {
	ARN   string
	Owner string // account; empty: the one that the ARN names
	// Tags are those that the resource carries: aws:ResourceTag/KEY, and
	// SERVICE:ResourceTag/KEY of the action's service.
	Tags map[string]string
	Keys map[string][]string // other condition keys, such as "ec2:InstanceType"
	// Policy is the document attached to the resource, empty if none.
	Policy Attached
	// ACL is its access control list, written as a policy that allows what the list
	// grants; empty if none.
	ACL Attached
}

// Attached is a policy of a resource.
type Attached struct {
	Name     string // as explanations call it: "trust policy of role/deploy"
	Document string // empty: the resource has none
	Kind     Kind   // ResourcePolicy, TrustPolicy or AccessControlList
	// Required: identity policies alone do not suffice, as with trust policies
	// and key policies.
	Required bool
	// DenyOnly: what it allows does not count, since the resource is not of who wrote
	// it, as with objects of other accounts in a bucket.
	DenyOnly bool
}

// Authorizer answers. A nil error means yes; a no is a *cloud.Error in the words
// of the action's service.
type Authorizer interface {
	Authorize(ctx context.Context, r Request) error
}
