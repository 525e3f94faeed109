package sts

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/policy"
)

// The limits of session policies. maxPacked is what PackedPolicySize is a percentage
// of: with it, a session and all that it needs besides stay below identity.MaxToken.
const (
	maxSessionPolicy = 2048 // characters, of the document and the ARNs together
	maxPolicyARNs    = 10
	maxPacked        = 2048 // bytes
)

// restrictions are the session policies of a request.
type restrictions struct {
	document *string
	arns     []string
}

// policies reads the session policies of a request.
func (f *form) policies(document *string, arns []sts.PolicyDescriptorType) (r restrictions) {
	f.text("policy", document, 1, maxSessionPolicy, documentPattern)
	f.count("policyArns", len(arns), maxPolicyARNs)
	for i, a := range arns {
		f.required(fmt.Sprintf("policyArns.%d.member.arn", i+1), a.Arn, 20, 2048, arnPattern)
		r.arns = append(r.arns, val(a.Arn))
	}
	r.document = document
	return r
}

// given reports whether there are any.
func (r restrictions) given() bool { return r.document != nil || len(r.arns) > 0 }

// restrict writes the session policies into a session of an account, whose tags are
// complete, and returns how much of the space they take, in percent; nil for
// none.
func (s *Service) restrict(session *cloud.Session, r restrictions) (*int32, error) {
	if n := utf8.RuneCountInString(val(r.document) + strings.Join(r.arns, "")); n > maxSessionPolicy {
		return nil, &cloud.Error{Code: "PackedPolicyTooLarge", Message: fmt.Sprintf(
			"The session policy and the ARNs of managed session policies have %d characters together, %d are allowed: please use smaller policies", n, maxSessionPolicy)}
	}
	if r.document != nil {
		_, err := policy.Parse(*r.document, policy.SessionPolicy)
		if syntax, ok := errors.AsType[*policy.SyntaxError](err); ok {
			return nil, cloud.Errorf("MalformedPolicyDocument", "The session policy is not valid: %v", syntax)
		} else if err != nil {
			return nil, err
		}
		session.Policies = []string{*r.document}
	}
	view := s.Judge.DB.View()
	for _, arn := range r.arns {
		_, ok := identity.ManagedDocument(view, arn)
		if !ok || !strings.HasPrefix(arn, "arn:aws:iam::aws:") && !strings.HasPrefix(arn, s.Judge.Place.GlobalARN("iam", session.Account, "policy/")) {
			return nil, cloud.Errorf("MalformedPolicyDocument", "There is no managed policy %s in account %s: name one of that account, or of the cloud itself", quote(arn), session.Account)
		}
		session.PolicyARNs = append(session.PolicyARNs, arn)
	}
	session.Restricted = r.given()
	if !r.given() && len(session.Tags) == 0 {
		return nil, nil //nolint:nilnil // nothing takes no space
	}
	size, err := identity.PackedSize(session.Policies, session.PolicyARNs, session.Tags)
	if err != nil {
		return nil, err
	}
	percent := (size*100 + maxPacked - 1) / maxPacked
	if percent > 100 {
		return nil, tooLarge(percent)
	}
	return new(int32(percent)), nil
}

func tooLarge(percent int) error {
	return cloud.Errorf("PackedPolicyTooLarge", "Packed size of session policies and tags consumes %d%% of allotted space, please use smaller policies or fewer tags.", percent)
}
