package sts

import (
	"context"
	"maps"
	"strconv"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/policy"
)

// The limits of sessions of roles, in seconds.
const (
	shortestSession = 900
	defaultSession  = 3600
	longestRole     = 43200
	longestChained  = 3600
)

// assumption is a role about to be assumed, whichever way the caller was proven.
type assumption struct {
	action  string // "sts:AssumeRole"
	caller  cloud.Caller
	role    string // ARN
	name    string // of the session
	seconds *int32
	least   *int32 // MinimumSessionTokenSize
	tags    tags
	source  string // source identity, empty: none, or the caller's
	keys    map[string][]string
	restrictions
	// session is what the assertion of an identity provider adds to the session;
	// until bounds it, in seconds, if not 0.
	session cloud.Session
	until   int32
}

// assumed is the answer to an assumption.
type assumed struct {
	issued
	user   *sts.AssumedRoleUser
	source string
}

// assume makes a session of a role if the role trusts the caller, and the caller
// may.
func (s *Service) assume(ctx context.Context, a assumption) (out assumed, err error) {
	from := a.caller.Session // nil for who has no session; not one if nobody signed
	if a.caller.Account == "" {
		from = nil
	}
	role, about := s.role(a.role)
	if err := s.mayAssume(ctx, a, from, about); err != nil {
		return out, err
	}
	if role.ID == "" { // an authorizer that lets everybody do everything
		return out, denied("Not authorized to perform " + a.action)
	}
	chained := from != nil && a.caller.Type == cloud.PrincipalRole
	seconds, err := a.duration(role, chained)
	if err != nil {
		return out, err
	}
	if from != nil && from.Source != "" {
		if a.source != "" && a.source != from.Source {
			return out, denied("The source identity of a session cannot be changed: leave SourceIdentity out, or pass the session's own")
		}
		a.source = from.Source
	}
	if err := a.tags.inherit(from); err != nil {
		return out, err
	}
	session := a.session
	session.Account, session.Type, session.Entity, session.Name = role.Account, cloud.PrincipalRole, role.ID, a.name
	session.Tags, session.Transitive, session.Source, session.Chained = a.tags.values, a.tags.transitive, a.source, chained
	if out.issued, err = s.issue(session, seconds, a.restrictions, a.least); err != nil {
		return out, err
	}
	out.source = a.source
	out.user = &sts.AssumedRoleUser{
		Arn:           new(s.Judge.Place.GlobalARN("sts", role.Account, "assumed-role/"+role.Name+"/"+a.name)),
		AssumedRoleId: new(role.ID + ":" + a.name),
	}
	return out, nil
}

// role finds a role by its ARN, and names it to policy. One that does not exist,
// or whose account is not active, trusts nobody.
func (s *Service) role(arn string) (cloud.Role, policy.Resource) {
	about := policy.Resource{ARN: arn, Policy: policy.Attached{Name: "trust policy of " + arn, Kind: policy.TrustPolicy, Required: true}}
	account, resource, ok := roleARN(arn)
	if !ok {
		return cloud.Role{}, about
	}
	view := s.Judge.DB.View()
	role, ok := identity.Role(view, account, resource[strings.LastIndexByte(resource, '/')+1:])
	owner, known := accountTable.Get(view, account)
	if !ok || role.Resource() != resource || !known || owner.State != cloud.AccountActive {
		return cloud.Role{}, about
	}
	about.Tags, about.Policy.Document = role.Tags, role.Trust
	about.Keys = map[string][]string{}
	for key, value := range role.Tags {
		about.Keys["iam:ResourceTag/"+key] = []string{value}
	}
	return role, about
}

// roleARN takes "arn:aws:iam::ACCOUNT:role/PATH/NAME" apart.
func roleARN(arn string) (account, resource string, ok bool) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" || parts[2] != "iam" || parts[3] != "" || !strings.HasPrefix(parts[5], "role/") || strings.HasSuffix(parts[5], "/") {
		return "", "", false
	}
	return parts[4], parts[5], true
}

// mayAssume asks for the action itself, and for those that come with tags and a
// source identity, whether they are passed now or come from an earlier session:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_permissions-required
// and https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_monitor.html
func (s *Service) mayAssume(ctx context.Context, a assumption, from *cloud.Session, about policy.Resource) error {
	keys := maps.Clone(a.keys)
	if keys == nil {
		keys = map[string][]string{}
	}
	keys["sts:RoleSessionName"] = []string{a.name}
	keys["sts:DurationSeconds"] = []string{strconv.Itoa(int(val(a.seconds)))}
	if a.seconds == nil {
		keys["sts:DurationSeconds"] = []string{strconv.Itoa(defaultSession)}
	}
	source := a.source
	if source == "" && from != nil {
		source = from.Source
	}
	if source != "" {
		keys["sts:SourceIdentity"] = []string{source}
	}
	a.tags.keys(keys)
	actions := []string{a.action}
	if len(a.tags.values) > 0 || from != nil && len(from.Transitive) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	if source != "" {
		actions = append(actions, "sts:SetSourceIdentity")
	}
	for _, action := range actions {
		err := s.Authz.Authorize(ctx, policy.Request{Caller: a.caller, Action: action, Resources: []policy.Resource{about}, Keys: keys})
		if err != nil {
			return err
		}
	}
	return nil
}

// duration is how long the session lasts, in seconds.
func (a assumption) duration(role cloud.Role, chained bool) (int32, error) {
	seconds := int32(defaultSession)
	if a.seconds != nil {
		seconds = *a.seconds
	}
	switch {
	case chained && seconds > longestChained:
		return 0, cloud.Errorf("ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	case int(seconds) > max(role.MaxSession, defaultSession):
		return 0, cloud.Errorf("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	case a.until > 0:
		seconds = min(seconds, a.until)
	}
	return seconds, nil
}

// assumption notes the parameters that all three ways to a role have.
func (f *form) assumption(role *string, seconds, least *int32) {
	f.required("roleArn", role, 20, 2048, arnPattern)
	f.number("durationSeconds", seconds, shortestSession, longestRole)
	f.number("minimumSessionTokenSize", least, 0, identity.MaxToken)
}

// checkRoleARN refuses what cannot name a role.
func checkRoleARN(arn string) error {
	if _, _, ok := roleARN(arn); !ok {
		return cloud.Errorf("ValidationError", "%s is invalid: it should be like arn:aws:iam::123456789012:role/NAME", quote(arn))
	}
	return nil
}
