package policy

import "fmt"

// Kind says which grammar a document has, and where it stands in the
// evaluation.
type Kind int

// The kinds of policies.
const (
	IdentityPolicy       Kind = iota // of users, groups and roles; managed policies; no Principal
	ResourcePolicy                   // bucket and key policies: Principal and Resource
	TrustPolicy                      // of roles: Principal, no Resource
	BoundaryPolicy                   // grammar of IdentityPolicy
	SessionPolicy                    // grammar of IdentityPolicy
	ServiceControlPolicy             // of organizations; grammar of IdentityPolicy
	AccessControlList                // of buckets and objects, as a policy that says the same; grammar of ResourcePolicy
	EndpointPolicy                   // of the VPC endpoint that a request comes through; grammar of ResourcePolicy
)

// kinds are their names, and what stands for one of them in "with an explicit
// deny in ...".
var kinds = [...]struct{ name, one string }{
	IdentityPolicy:       {"identity-based policy", "an identity-based policy"},
	ResourcePolicy:       {"resource-based policy", "a resource-based policy"},
	TrustPolicy:          {"role trust policy", "the role trust policy"},
	BoundaryPolicy:       {"permissions boundary", "a permissions boundary"},
	SessionPolicy:        {"session policy", "a session policy"},
	ServiceControlPolicy: {"service control policy", "a service control policy"},
	AccessControlList:    {"access control list", "an access control list"},
	EndpointPolicy:       {"VPC endpoint policy", "a VPC endpoint policy"},
}

// String returns the kind as AWS's access denied messages call it.
func (k Kind) String() string {
	if !k.known() {
		return "policy of an unknown kind"
	}
	return kinds[k].name
}

// MarshalText writes the name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText wrote, and refuses anything else.
func (k *Kind) UnmarshalText(text []byte) error {
	for i := range kinds {
		if kinds[i].name == string(text) {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no kind of policy", text)
}

func (k Kind) known() bool { return k >= 0 && int(k) < len(kinds) }

// attached reports whether documents of the kind belong to a resource, and so
// name principals.
func (k Kind) attached() bool {
	return k == ResourcePolicy || k == TrustPolicy || k == EndpointPolicy || k == AccessControlList
}
