package identity

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// keys are the condition keys of one request about one resource.
type keys struct {
	j        *Judge
	view     store.Reader
	request  *policy.Request
	resource *policy.Resource
}

// values returns the values of a condition key; name is lower case. Global keys:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
func (k keys) values(name string) ([]string, bool) {
	if v, ok := fold(k.resource.Keys, name); ok {
		return v, true
	}
	if v, ok := fold(k.request.Keys, name); ok {
		return v, true
	}
	service, rest, _ := strings.Cut(name, ":")
	if tag, ok := strings.CutPrefix(rest, "resourcetag/"); ok && (service == "aws" || strings.HasPrefix(k.request.Action, service+":")) {
		return one(fold(k.resource.Tags, tag))
	}
	if service != "aws" {
		return k.claim(name)
	}
	if tag, ok := strings.CutPrefix(rest, "principaltag/"); ok {
		return one(fold(k.j.principalTags(k.view, k.request.Caller), tag))
	}
	return k.global(rest)
}

// claim is a key that the caller's identity provider vouched for.
func (k keys) claim(name string) ([]string, bool) {
	s := k.request.Caller.Session
	if s == nil {
		return nil, false
	}
	if name == "ec2:sourceinstancearn" && s.Instance != "" {
		return []string{k.j.Place.ARN("ec2", s.Account, "instance/"+s.Instance)}, true
	}
	return fold(s.Claims, name)
}

// global is a key of every request, by its name without "aws:".
func (k keys) global(name string) ([]string, bool) {
	c := k.request.Caller
	switch name {
	case "currenttime":
		return []string{k.j.Now().UTC().Format(time.RFC3339)}, true
	case "epochtime":
		return []string{strconv.FormatInt(k.j.Now().Unix(), 10)}, true
	case "sourceip":
		return one(c.SourceIP, c.SourceIP != "" && c.VPC == "")
	case "vpcsourceip":
		return one(c.SourceIP, c.VPC != "")
	case "sourcevpc":
		return some(c.VPC)
	case "sourcevpce":
		return some(c.Endpoint)
	case "useragent":
		return some(c.UserAgent)
	case "referer":
		return some(c.Referer)
	case "requestedregion":
		return some(c.Region)
	case "securetransport":
		return []string{strconv.FormatBool(c.Secure)}, true
	case "viaawsservice", "principalisawsservice":
		return []string{"false"}, true
	case "resourceaccount":
		return some(ownerOf(*k.resource))
	case "resourceorgid":
		return k.organization(ownerOf(*k.resource))
	case "resourceorgpaths":
		return k.path(ownerOf(*k.resource))
	}
	if c.Account == "" {
		return nil, false
	}
	return k.caller(name, c)
}

// caller is a key about who makes the request.
func (k keys) caller(name string, c cloud.Caller) ([]string, bool) {
	switch name {
	case "principalaccount":
		return []string{c.Account}, true
	case "principalarn":
		return some(k.j.principal(k.view, c).Entity)
	case "principaltype":
		if c.Type == "" && c.Session == nil {
			return []string{"Anonymous"}, true
		}
		return []string{string(c.Type)}, true
	case "principalorgid":
		return k.organization(c.Account)
	case "principalorgpaths":
		return k.path(c.Account)
	case "userid":
		if c.Type == "" && c.Session == nil {
			return []string{"anonymous"}, true
		}
		return some(c.UserID)
	case "username":
		u, ok := userTable.Get(k.view, c.Entity)
		if !ok || c.Type != cloud.PrincipalUser {
			return nil, false
		}
		return some(u.Name)
	}
	if c.Session == nil {
		return nil, false
	}
	return k.session(name, c.Session)
}

// session is a key about temporary credentials.
func (k keys) session(name string, s *cloud.Session) ([]string, bool) {
	switch name {
	case "multifactorauthpresent":
		return []string{strconv.FormatBool(!s.MFA.IsZero())}, true
	case "multifactorauthage":
		if s.MFA.IsZero() {
			return nil, false
		}
		return []string{strconv.Itoa(int(k.j.Now().Sub(s.MFA).Seconds()))}, true
	case "tokenissuetime":
		return []string{s.Issued.UTC().Format(time.RFC3339)}, true
	case "sourceidentity":
		return some(s.Source)
	case "federatedprovider":
		return some(s.Provider)
	}
	return nil, false
}

func (k keys) organization(account string) ([]string, bool) {
	o, ok := organizationTable.Get(k.view, cloud.OrganizationKey)
	if !ok || account == "" {
		return nil, false
	}
	return []string{o.ID}, true
}

// path is where an account stands in the organization: "o-…/r-…/ou-…/".
func (k keys) path(account string) ([]string, bool) {
	o, ok := organizationTable.Get(k.view, cloud.OrganizationKey)
	a, found := accountTable.Get(k.view, account)
	if !ok || !found {
		return nil, false
	}
	var parts []string
	for at := a.Parent; at != ""; {
		parts = append(parts, at)
		u, ok := unitTable.Get(k.view, at)
		if !ok {
			break
		}
		at = u.Parent
	}
	slices.Reverse(parts)
	return []string{o.ID + "/" + strings.Join(append(parts, ""), "/")}, true
}

// principalTags are those of the user or role, under those of the session.
func (j *Judge) principalTags(r store.Reader, c cloud.Caller) map[string]string {
	var tags map[string]string
	if u, ok := userTable.Get(r, c.Entity); ok {
		tags = u.Tags
	} else if role, ok := roleTable.Get(r, c.Entity); ok {
		tags = role.Tags
	}
	if c.Session == nil || len(c.Session.Tags) == 0 {
		return tags
	}
	all := make(map[string]string, len(tags)+len(c.Session.Tags))
	for key, value := range tags {
		if _, over := fold(c.Session.Tags, key); !over {
			all[key] = value
		}
	}
	maps.Copy(all, c.Session.Tags)
	return all
}

// fold looks a key up without regard to case, as the names of condition keys and
// tags in policies are.
func fold[T any](m map[string]T, name string) (v T, ok bool) {
	if v, ok = m[name]; ok {
		return v, true
	}
	for key, v := range m {
		if strings.EqualFold(key, name) {
			return v, true
		}
	}
	return v, false
}

func one(v string, ok bool) ([]string, bool) {
	if !ok {
		return nil, false
	}
	return []string{v}, true
}

// some is a value that is absent when empty.
func some(v string) ([]string, bool) { return one(v, v != "") }

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
