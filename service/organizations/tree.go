package organizations

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// tree is the organization at one revision of the store.
type tree struct {
	store.Reader
	org   cloud.Organization
	place cloud.Place
}

func (s *Service) tree(r store.Reader) (tree, error) {
	o, ok := organizationTable.Get(r, cloud.OrganizationKey)
	if !ok {
		return tree{}, cloud.Errorf("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
	}
	return tree{r, o, s.Directory.Place}, nil
}

// kind is what an entity of the organization is, in the words of TargetType,
// ParentType and ChildType.
type kind string

const (
	rootKind    kind = "ROOT"
	unitKind    kind = "ORGANIZATIONAL_UNIT"
	accountKind kind = "ACCOUNT"
	policyKind  kind = "POLICY"
)

// The forms of IDs, as the API reference gives them.
var forms = map[kind]struct {
	pattern *regexp.Regexp
	words   string
}{
	rootKind:    {regexp.MustCompile(`^r-[0-9a-z]{4,32}$`), `"r-" and 4 to 32 lower-case letters or digits`},
	unitKind:    {regexp.MustCompile(`^ou-[0-9a-z]{4,32}-[a-z0-9]{8,32}$`), `"ou-", the root's letters or digits, "-", and 8 to 32 more`},
	accountKind: {regexp.MustCompile(`^\d{12}$`), "12 digits"},
	policyKind:  {regexp.MustCompile(`^p-[0-9a-zA-Z_]{8,128}$`), `"p-" and 8 to 128 letters, digits or underscores`},
}

// kindOf says what an ID would name; malformed ones name accounts that cannot be.
func kindOf(id string) kind {
	switch {
	case strings.HasPrefix(id, "r-"):
		return rootKind
	case strings.HasPrefix(id, "ou-"):
		return unitKind
	case strings.HasPrefix(id, "p-"):
		return policyKind
	}
	return accountKind
}

// check refuses an ID that has none of the forms.
func check(parameter string, id *string, kinds ...kind) error {
	if val(id) == "" {
		return required(parameter)
	}
	var words []string
	for _, k := range kinds {
		if forms[k].pattern.MatchString(*id) {
			return nil
		}
		words = append(words, forms[k].words)
	}
	return mismatch(parameter, strings.Join(words, ", or "))
}

// The kinds of entities that parameters may name.
var (
	parentKinds = []kind{rootKind, unitKind}
	childKinds  = []kind{unitKind, accountKind}
	targetKinds = []kind{rootKind, unitKind, accountKind}
	taggedKinds = []kind{rootKind, unitKind, accountKind, policyKind}
)

// entity is a root, a unit, an account or a control policy.
type entity struct {
	kind   kind
	id     string
	name   string
	parent string // of a unit or an account
	tags   map[string]string
}

// find returns the entity of that ID.
func (t tree) find(id string) (entity, bool) {
	switch k := kindOf(id); k {
	case rootKind:
		return entity{k, id, rootName, "", t.org.RootTags}, id == t.org.Root
	case unitKind:
		u, ok := unitTable.Get(t, id)
		return entity{k, id, u.Name, u.Parent, u.Tags}, ok
	case policyKind:
		p, ok := controlTable.Get(t, id)
		return entity{k, id, p.Name, "", p.Tags}, ok
	default:
		a, ok := accountTable.Get(t, id)
		return entity{k, id, a.Name, a.Parent, a.Tags}, ok
	}
}

// arn names an entity, also one that does not exist:
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsorganizations.html
func (t tree) arn(id string) string {
	name := map[kind]string{rootKind: "root", unitKind: "ou", accountKind: "account", policyKind: "policy"}[kindOf(id)]
	owner, organization := t.org.Management, t.org.ID+"/"
	if name == "policy" {
		if organization += "service_control_policy/"; id == cloud.FullAccess {
			owner, organization = "aws", "service_control_policy/"
		}
	}
	return t.place.GlobalARN("organizations", owner, name+"/"+organization+id)
}

// resource describes an entity to policy.
func (t tree) resource(id string) policy.Resource {
	e, _ := t.find(id)
	return policy.Resource{ARN: t.arn(id), Tags: e.tags}
}

// newPolicy describes to policy a policy that is to be made, of a type such as
// "SERVICE_CONTROL_POLICY".
func (t tree) newPolicy(kind string) policy.Resource {
	return policy.Resource{ARN: t.place.GlobalARN("organizations", t.org.Management, "policy/"+t.org.ID+"/"+strings.ToLower(cmp.Or(kind, "*"))+"/*")}
}

// above returns the root and the units above an entity, from the root down.
func (t tree) above(id string) []string {
	var list []string
	for e, ok := t.find(id); ok && e.parent != ""; e, ok = t.find(e.parent) {
		list = append(list, e.parent)
	}
	slices.Reverse(list)
	return list
}

// path is where an account or a unit is: "o-…/r-…/ou-…/ID/".
func (t tree) path(id string) string {
	return strings.Join(append(append([]string{t.org.ID}, t.above(id)...), id, ""), "/")
}
