package cloud

import (
	"strings"
	"time"
)

// Grants are the permissions that a user, a group or a role carries.
type Grants struct {
	// Inline are the inline policies: documents by name.
	Inline map[string]string `json:",omitempty"`
	// Attached are the ARNs of managed policies, in the order of their attachment.
	Attached []string `json:",omitempty"`
	// Boundary is the ARN of the managed policy that bounds the permissions;
	// empty for groups, and where there is none.
	Boundary string `json:",omitempty"`
}

// labels finds whom a managed policy is attached to, and whom it bounds.
func (g Grants) labels() []string {
	var l []string
	for _, arn := range g.Attached {
		l = append(l, PolicyLabel(arn))
	}
	if g.Boundary != "" {
		l = append(l, BoundaryLabel(g.Boundary))
	}
	return l
}

// PolicyLabel is on the users, groups and roles that a managed policy is attached to.
func PolicyLabel(arn string) string { return "policy/" + arn }

// BoundaryLabel is on the users and roles that a managed policy bounds.
func BoundaryLabel(arn string) string { return "boundary/" + arn }

// User is an IAM user.
type User struct {
	Meta // ID is the unique ID, "AIDA…"
	Grants
	Name   string
	Path   string   // "/", "/staff/"
	Groups []string `json:",omitempty"` // IDs, in the order of joining
}

// Table is "user".
func (User) Table() string { return "user" }

// Labels finds the users of an account, of a group, and of a managed policy.
func (u User) Labels() []string {
	l := append(u.labels(), AccountLabel(u.Account))
	for _, g := range u.Groups {
		l = append(l, GroupLabel(g))
	}
	return l
}

// Resource is the last part of the user's ARN, e.g. "user/staff/alice".
func (u User) Resource() string { return "user" + u.Path + u.Name }

// GroupLabel is on the users in a group.
func GroupLabel(id string) string { return "group/" + id }

// Group is an IAM group. Its members are the users that name it.
type Group struct {
	Meta // ID is "AGPA…"; groups have no tags
	Grants
	Name string
	Path string
}

// Table is "group".
func (Group) Table() string { return "group" }

// Labels finds the groups of an account and of a managed policy.
func (g Group) Labels() []string { return append(g.labels(), AccountLabel(g.Account)) }

// Resource is the last part of the group's ARN.
func (g Group) Resource() string { return "group" + g.Path + g.Name }

// Role is an IAM role.
type Role struct {
	Meta // ID is "AROA…"
	Grants
	Name        string
	Path        string
	Description string `json:",omitempty"`
	// Trust is the document that says who may assume the role. Principals that
	// were ARNs of users and roles stand in it as their unique IDs, so that an
	// entity of the same name that is made later is not trusted.
	Trust      string
	MaxSession int    // seconds, 3600 to 43200
	Service    string `json:",omitempty"` // the service that a service-linked role is for, e.g. "autoscaling.amazonaws.com"
}

// Table is "role".
func (Role) Table() string { return "role" }

// Labels finds the roles of an account and of a managed policy.
func (r Role) Labels() []string { return append(r.labels(), AccountLabel(r.Account)) }

// Resource is the last part of the role's ARN.
func (r Role) Resource() string { return "role" + r.Path + r.Name }

// RoleDeletion is the deletion of a service-linked role, kept for those who ask
// how it went.
type RoleDeletion struct {
	Task    string // "task/aws-service-role/SERVICE/ROLE/UUID"
	Account string
	Created time.Time
}

// Table is "roledeletion".
func (RoleDeletion) Table() string { return "roledeletion" }

// Key is the account and the task.
func (d RoleDeletion) Key() string { return d.Account + "/" + d.Task }

// Labels finds the deletions of an account.
func (d RoleDeletion) Labels() []string { return []string{AccountLabel(d.Account)} }

// ManagedPolicy is a customer managed policy.
type ManagedPolicy struct {
	Meta        // ID is "ANPA…"
	Name        string
	Path        string
	Description string          `json:",omitempty"`
	Versions    []PolicyVersion // oldest first
	Default     string          // ID of the version in force, e.g. "v2"
	Last        int             // number of the newest version ever made
	Updated     time.Time
}

// PolicyVersion is one text of a managed policy.
type PolicyVersion struct {
	ID       string // "v1"
	Document string
	Created  time.Time
}

// Table is "managedpolicy".
func (ManagedPolicy) Table() string { return "managedpolicy" }

// Labels finds the policies of an account.
func (p ManagedPolicy) Labels() []string { return []string{AccountLabel(p.Account)} }

// Resource is the last part of the policy's ARN.
func (p ManagedPolicy) Resource() string { return "policy" + p.Path + p.Name }

// Document is the text in force.
func (p ManagedPolicy) Document() string {
	for _, v := range p.Versions {
		if v.ID == p.Default {
			return v.Document
		}
	}
	return ""
}

// InstanceProfile carries a role to instances.
type InstanceProfile struct {
	Meta // ID is "AIPA…"
	Name string
	Path string
	Role string `json:",omitempty"` // ID; empty: none
}

// Table is "instanceprofile".
func (InstanceProfile) Table() string { return "instanceprofile" }

// Labels finds the profiles of an account and of a role.
func (p InstanceProfile) Labels() []string {
	l := []string{AccountLabel(p.Account)}
	if p.Role != "" {
		l = append(l, RoleLabel(p.Role))
	}
	return l
}

// Resource is the last part of the profile's ARN.
func (p InstanceProfile) Resource() string { return "instance-profile" + p.Path + p.Name }

// RoleLabel is on the instance profiles of a role.
func RoleLabel(id string) string { return "role/" + id }

// The spaces in which names of an account are claimed. Names are unique without
// regard to case: claim IAMName(name). The owner is the ID of the document.
func iamNames(kind, account string) string { return "iam/" + kind + "/" + account }

// UserNames is the space of user names.
func UserNames(account string) string { return iamNames("user", account) }

// IAMGroupNames is the space of group names.
func IAMGroupNames(account string) string { return iamNames("group", account) }

// RoleNames is the space of role names.
func RoleNames(account string) string { return iamNames("role", account) }

// ManagedPolicyNames is the space of the names of customer managed policies.
func ManagedPolicyNames(account string) string { return iamNames("policy", account) }

// InstanceProfileNames is the space of the names of instance profiles.
func InstanceProfileNames(account string) string { return iamNames("instance-profile", account) }

// ServerCertificateNames is the space of the names of server certificates.
func ServerCertificateNames(account string) string { return iamNames("server-certificate", account) }

// MFADeviceNames is the space of the paths and names of MFA devices.
func MFADeviceNames(account string) string { return iamNames("mfa", account) }

// SAMLProviderNames is the space of the names of SAML providers.
func SAMLProviderNames(account string) string { return iamNames("saml-provider", account) }

// IAMName is what is claimed for a name.
func IAMName(name string) string { return strings.ToLower(name) }
