// Package matrix checks who may call what: every operation of every service has
// a row that says what it needs, written from AWS's service authorization
// reference, and the tests derive from it the calls that must be refused and the
// one that must succeed. An operation without a row fails.
//
// The reference is
// https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html.
package matrix

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vauban-cloud/vauban/app"
	"github.com/vauban-cloud/vauban/gateway/wire"
)

// row is what one operation needs.
type row struct {
	in any // a pointer to the input
	// needs are all that must be allowed, and nothing else must. A row without
	// needs its operation on all resources.
	needs []need
	// other is the code that an administrator of another account gets who sends the
	// same input; empty: that one succeeds, learns nothing of the owner and changes
	// nothing that is the owner's.
	other string
	// theirs is what that administrator sends instead; nil: the same.
	theirs any
	// account is whose users call, and whose the resources are; empty: Alice.
	account string
	// ends is the code that the call ends with where all is allowed, for operations
	// that truly cannot succeed; empty: it succeeds.
	ends string
	// shared are words of the owner's that others may read, too.
	shared []string
	// open says why every caller who signs may call; nothing is needed then.
	open string
	// anonymous says what proves the caller in place of a signature. in then lacks
	// a good proof, and the answer is the code refused.
	anonymous, refused string
}

// need is an action on a resource.
type need struct {
	action   string // empty: the row's own
	resource string // an ARN; "*" where the action has no resource-level permissions
	// keys are condition keys that the request has with that resource, and the
	// values that they have.
	keys map[string]string
}

// on is the need of the row's own action on a resource, with pairs of condition
// keys and their values.
func on(resource string, pairs ...string) need { return also("", resource, pairs...) }

// also is the need of another action.
func also(action, resource string, pairs ...string) need {
	n := need{action: action, resource: resource}
	for pair := range slices.Chunk(pairs, 2) {
		if n.keys == nil {
			n.keys = map[string]string{}
		}
		n.keys[pair[0]] = pair[1]
	}
	return n
}

// rows are all rows, by service and operation: "ec2:StopInstances".
var rows = join(
	ec2Reads, ec2Instances, ec2Resources, ec2Disks, ec2Images, ec2Transfers, ec2Groups, ec2Networks, ec2Routes, ec2Interfaces, ec2Filters, stsRows,
	iamUsers, iamRoles, iamPolicies, iamCredentials, iamProviders, iamAccount, organizationRows,
	s3Buckets, s3Objects, s3Control, ebsRows, rbinRows, dlmRows,
)

type table map[string]func(*world) row

// join is all tables in one.
func join(tables ...table) table {
	all := table{}
	for _, t := range tables {
		maps.Copy(all, t)
	}
	return all
}

// operation is one that a service implements.
type operation struct {
	*wire.Operation
	unsigned bool // the gateway lets it pass without a signature
}

// operations are all that services implement, by "service:Operation".
var operations = sync.OnceValue(func() map[string]operation {
	all := map[string]operation{}
	for _, e := range app.Endpoints() {
		for _, op := range e.API.Operations {
			if e.Impl != nil && op.Bind(e.Impl) != nil {
				all[e.API.Name+":"+op.Name] = operation{op, slices.Contains(e.Anonymous, op.Name)}
			}
		}
	}
	return all
})

// TestEveryOperationHasARow holds rows against what the services implement.
func TestEveryOperationHasARow(t *testing.T) {
	all := operations()
	for name := range all {
		if rows[name] == nil {
			t.Errorf("%s has no row: say in test/matrix what it needs", name)
		}
	}
	for name := range rows {
		if all[name].Operation == nil {
			t.Errorf("%s has a row, but no service implements it", name)
		}
	}
	if len(all) < 50 {
		t.Errorf("only %d operations are implemented: is this the whole cloud?", len(all))
	}
}

// prepared are the rows that TestMatrix has made, by name: worlds take their time.
var prepared sync.Map

func TestMatrix(t *testing.T) {
	for name, op := range operations() {
		if rows[name] == nil {
			continue // said elsewhere
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := prepare(rows[name](w), name)
			prepared.Store(name, r)
			if says := r.anonymous != ""; says != op.unsigned {
				t.Errorf("the gateway lets it pass without a signature: %v; its row says %v", op.unsigned, says)
			}
			(&attempts{world: w, TB: t, row: r, name: name, user: w.tess[r.account], stranger: w.tess[another(r.account)]}).run()
		})
	}
}

// prepare fills in what a row leaves out.
func prepare(r row, name string) row {
	for i := range r.needs {
		if r.needs[i].action == "" {
			r.needs[i].action = name
		}
	}
	if len(r.needs) == 0 {
		r.needs = []need{also(name, "*")}
	}
	if r.account == "" {
		r.account = Alice
	}
	return r
}

// another account that has no part in a row.
func another(account string) string {
	if account == Bob {
		return Alice
	}
	return Bob
}

// attempts are the calls that follow from a row.
type attempts struct {
	*world
	testing.TB
	row
	name           string
	user, stranger principal
}

func (a *attempts) run() {
	switch {
	case a.anonymous != "":
		a.fails("without a good proof", a.Context(), a.refused)
		return
	case a.open != "":
		a.others()
		a.succeeds()
		return
	}
	a.user.allow()
	a.denied("a user without policies", a.needs...)
	for i, n := range a.needs {
		without := slices.Delete(slices.Clone(a.needs), i, i+1)
		a.user.allow(without...)
		a.denied("all but "+n.String(), n)
		if n.resource != "*" {
			elsewhere := n
			elsewhere.resource = strings.TrimSuffix(n.resource, "*") + "-another"
			a.user.allow(append(without, elsewhere)...)
			a.denied(n.action+" on another resource", n)
		}
		for key := range n.keys {
			otherwise := n
			otherwise.keys = maps.Clone(n.keys)
			otherwise.keys[key] += "-another"
			a.user.allow(append(without, otherwise)...)
			a.denied(n.String()+" if "+key+" were another", n)
		}
	}
	a.others()
	a.user.allow(a.needs...)
	a.succeeds()
}

// denied calls as the user, who must be refused, and told one of the needs.
func (a *attempts) denied(what string, missing ...need) {
	a.Helper()
	message := a.fails(what, a.user.context(), refusal(a.name))
	told := slices.ContainsFunc(missing, func(n need) bool {
		_, about, ok := strings.Cut(message, "is not authorized to perform: "+n.action+" on resource: ")
		resource, _, _ := strings.Cut(about, " because ") // refusals to assume a role do not say why
		// "*" may be more exact than the reference has it, as ".../user/".
		return ok && (n.resource == "*" || n.resource == resource)
	})
	if message != "" && !told {
		a.Errorf("%s: the refusal does not name %v: %s", what, missing, message)
	}
}

// fails calls, which must be refused with the code and change nothing. It
// returns the message, empty if the test has failed.
func (a *attempts) fails(what string, ctx context.Context, want string) string {
	a.Helper()
	before := a.DB.View().Revision()
	_, err := a.call(ctx, a.name, a.in)
	if after := a.DB.View().Revision(); after != before {
		a.Errorf("%s: the store was changed", what)
	}
	code, message := codeOf(err)
	if code != want {
		a.Errorf("%s: got %q (%s), want %q", what, code, message, want)
		return ""
	}
	return message
}

// others calls as an administrator of another account.
func (a *attempts) others() {
	a.Helper()
	a.stranger.allow(also("*", "*"))
	if a.theirs != nil {
		mine := a.in
		a.in = a.theirs
		defer func() { a.in = mine }()
	}
	if a.other != "" {
		a.fails("an administrator of another account", a.stranger.context(), a.other)
		return
	}
	mine, before := a.belongings(a.account)
	out, err := a.call(a.stranger.context(), a.name, a.in)
	if err != nil {
		a.Errorf("an administrator of another account: %v", err)
		return
	}
	a.untouched(mine, before)
	text := asJSON(a, out)
	for word := range mine {
		if strings.Contains(text, word) && !slices.Contains(a.shared, word) {
			a.Errorf("an administrator of another account is told of %s: %s", word, text)
		}
	}
}

func (a *attempts) succeeds() {
	a.Helper()
	_, err := a.call(a.user.context(), a.name, a.in)
	if code, message := codeOf(err); code != a.ends {
		a.Errorf("allowed what is needed: got %q (%s), want %q", code, message, a.ends)
	}
}

// refusal is the code of a service's refusals.
func refusal(operation string) string {
	service, _, _ := strings.Cut(operation, ":")
	switch service {
	case "ec2":
		return "UnauthorizedOperation"
	case "organizations", "kms", "logs", "cloudtrail", "ebs", "rbin", "dlm":
		return "AccessDeniedException"
	}
	return "AccessDenied"
}

func (n need) String() string { return n.action + " on " + n.resource }
