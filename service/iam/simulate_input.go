package iam

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
)

// maxPairs bounds how many decisions one simulation is about, on all its pages.
const maxPairs = 10_000

// inputs reads policies that a request brings; parameter names them, counted
// from 1.
func inputs(kind policy.Kind, parameter string, texts []string) ([]policy.Source, error) {
	list := make([]policy.Source, 0, len(texts))
	for i, text := range texts {
		source, err := input(kind, parameter+"."+strconv.Itoa(i+1), text)
		if err != nil {
			return nil, err
		}
		list = append(list, source)
	}
	return list, nil
}

func input(kind policy.Kind, name, text string) (policy.Source, error) {
	if err := checkLength(name, text, 1, maxDocument); err != nil {
		return policy.Source{}, err
	}
	d, err := policy.Parse(text, kind)
	if err != nil {
		return policy.Source{}, invalidInput("Invalid policy %s: %v", name, err)
	}
	return policy.Source{Kind: kind, Name: name, Doc: d}, nil
}

// complete reads into the simulation what both operations have in common.
func (sim *simulation) complete(in simulationInput) (err error) {
	sim.keys = map[string][]string{}
	asks := sim.who.Entity != "" && sim.who.Type == cloud.PrincipalUser
	if in.callerARN != nil {
		asks = true
		if err := setAsker(sim, *in.callerARN); err != nil {
			return err
		}
	}
	if len(in.boundary) > 1 {
		return invalidInput("PermissionsBoundaryPolicyInputList can have one policy only.")
	}
	boundary, err := inputs(policy.BoundaryPolicy, "PermissionsBoundaryPolicyInputList", in.boundary)
	if err != nil {
		return err
	}
	if len(boundary) == 1 {
		sim.policies.Boundary = &boundary[0]
	}
	if in.resourcePolicy != nil {
		if err := sim.setResourcePolicy(*in.resourcePolicy, asks); err != nil {
			return err
		}
	}
	sim.owner = sim.who.Account
	if in.resourceOwner != nil {
		if sim.owner, err = ownerAccount(*in.resourceOwner); err != nil {
			return err
		}
	}
	if err := checkHandling(in.handling, in.resources); err != nil {
		return err
	}
	return sim.readContext(in.contextEntries)
}

// setResourcePolicy gives every resource a policy.
func (sim *simulation) setResourcePolicy(text string, asks bool) error {
	switch {
	case !asks:
		return invalidInput("CallerArn is required with a ResourcePolicy, unless PolicySourceArn is a user.")
	case sim.who.Type == cloud.PrincipalRole:
		return invalidInput("Simulation of resource-based policies isn't supported for IAM roles.")
	}
	source, err := input(policy.ResourcePolicy, "ResourcePolicy", text)
	sim.policies.Resource = &source
	return err
}

// setAsker makes somebody else ask, who needs not exist. Nothing is looked up but
// what the caller was allowed to see: whose policies are simulated.
func setAsker(sim *simulation, arn string) error {
	if err := checkARN("callerArn", arn); err != nil {
		return err
	}
	parts := strings.SplitN(arn, ":", 6)
	kind, name := "", ""
	if len(parts) == 6 && parts[2] == "iam" {
		kind, name, _ = strings.Cut(parts[5], "/")
	}
	if name == "" {
		return invalidInput("Invalid CallerArn %s: it must be the ARN of a user, a group or a role.", arn)
	}
	if arn == sim.who.ARN {
		return nil
	}
	sim.who = cloud.Caller{Account: parts[4], ARN: arn, Type: cloud.PrincipalUser}
	switch kind {
	case users.word:
		sim.keys["aws:username"] = []string{name[strings.LastIndexByte(name, '/')+1:]}
	case roles.word:
		sim.who.Type = cloud.PrincipalRole
	case groups.word:
		sim.who.ARN = "" // no policy can name a group
	default:
		return invalidInput("Invalid CallerArn %s: it must be the ARN of a user, a group or a role.", arn)
	}
	return nil
}

// ownerAccount reads the ARN of an account, or its number.
func ownerAccount(owner string) (string, error) {
	account := owner
	if parts := strings.SplitN(owner, ":", 6); len(parts) == 6 && parts[2] == "iam" && parts[5] == "root" {
		account = parts[4]
	}
	if len(account) != 12 || strings.Trim(account, "0123456789") != "" {
		return "", invalidInput("Invalid ResourceOwner %s: it must be the ARN of an account, such as arn:aws:iam::112233445566:root.", owner)
	}
	return account, nil
}

// handlings are the simulations of RunInstances, with the kinds of resources that
// each needs: https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulateCustomPolicy.html
var handlings = map[string][]string{
	"EC2-VPC-InstanceStore":        {"instance", "image", "security-group", "network-interface"},
	"EC2-VPC-InstanceStore-Subnet": {"instance", "image", "security-group", "network-interface", "subnet"},
	"EC2-VPC-EBS":                  {"instance", "image", "security-group", "network-interface", "volume"},
	"EC2-VPC-EBS-Subnet":           {"instance", "image", "security-group", "network-interface", "subnet", "volume"},
}

func checkHandling(option *string, resources []string) error {
	if option == nil {
		return nil
	}
	needed, ok := handlings[*option]
	if !ok {
		return invalidInput("Invalid ResourceHandlingOption %s.", *option)
	}
	for _, kind := range needed {
		has := func(arn string) bool { return strings.HasPrefix(arn, "arn:") && strings.Contains(arn, ":"+kind+"/") }
		if !slices.ContainsFunc(resources, has) {
			return invalidInput("ResourceHandlingOption %s needs the ARN of a %s in ResourceArns.", *option, kind)
		}
	}
	return nil
}

// pair is one decision to make; keys sort in the order of the request.
type pair struct{ key, action, resource string }

func pairsOf(actions, resources []string) ([]pair, error) {
	if len(actions) == 0 {
		return nil, constraint("actionNames", "", "Member must have length greater than or equal to 1")
	}
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	if len(actions)*len(resources) > maxPairs {
		return nil, invalidInput("A simulation is about %d combinations of actions and resources at most: divide it.", maxPairs)
	}
	for _, arn := range resources {
		if err := checkLength("resourceArns.member", arn, 1, 2048); err != nil {
			return nil, err
		}
		if arn != "*" && len(strings.SplitN(arn, ":", 6)) < 6 || !strings.HasPrefix(arn, "arn:") && arn != "*" {
			return nil, invalidInput("Invalid resource %s: it must be an ARN or *.", arn)
		}
	}
	var pairs []pair
	for _, action := range actions {
		if err := checkLength("actionNames.member", action, 3, 128); err != nil {
			return nil, err
		}
		service, name, ok := strings.Cut(action, ":")
		if !ok || service == "" || name == "" || strings.ContainsAny(action, "*? ") {
			return nil, invalidInput("Invalid action %s: it must be SERVICE:OPERATION without wildcards.", action)
		}
		for _, arn := range resources {
			pairs = append(pairs, pair{fmt.Sprintf("%05d", len(pairs)), action, arn})
		}
	}
	return pairs, nil
}

// readContext reads the condition keys that a request gives.
func (sim *simulation) readContext(entries []api.ContextEntry) error {
	given := map[string]bool{}
	for _, e := range entries {
		name := val(e.ContextKeyName)
		if err := checkLength("contextEntries.member.contextKeyName", name, 5, 256); err != nil {
			return err
		}
		kind, list := strings.CutSuffix(val(e.ContextKeyType), "List")
		valid, ok := contextTypes[kind]
		if !ok {
			return constraint("contextEntries.member.contextKeyType", val(e.ContextKeyType), "Member must satisfy enum value set: [string, stringList, numeric, numericList, boolean, booleanList, ip, ipList, binary, binaryList, date, dateList]")
		}
		if !list && len(e.ContextKeyValues) > 1 {
			return invalidInput("Context key %s of type %s can have one value only: use %sList.", name, kind, kind)
		}
		for _, v := range e.ContextKeyValues {
			if !valid(v) {
				return invalidInput("Value %s of context key %s is not of type %s.", v, name, kind)
			}
		}
		lower := strings.ToLower(name)
		if given[lower] {
			return invalidInput("Context key %s is given more than once.", name)
		}
		given[lower] = true
		maps.DeleteFunc(sim.keys, func(old string, _ []string) bool { return strings.EqualFold(old, name) })
		sim.keys[name] = e.ContextKeyValues
	}
	return nil
}

// contextTypes are the types of condition keys, and what can be a value of each.
var contextTypes = map[string]func(string) bool{
	"string":  func(string) bool { return true },
	"numeric": func(v string) bool { _, err := strconv.ParseFloat(v, 64); return err == nil },
	"boolean": func(v string) bool { return strings.EqualFold(v, "true") || strings.EqualFold(v, "false") },
	"binary":  func(v string) bool { _, err := base64.StdEncoding.DecodeString(v); return err == nil },
	"ip": func(v string) bool {
		_, one := netip.ParseAddr(v)
		_, many := netip.ParsePrefix(v)
		return one == nil || many == nil
	},
	"date": func(v string) bool {
		_, seconds := strconv.ParseInt(v, 10, 64)
		_, day := time.Parse(time.DateOnly, v)
		_, moment := time.Parse(time.RFC3339, v)
		return seconds == nil || day == nil || moment == nil
	},
}
