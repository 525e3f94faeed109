package organizations

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/organizations"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

func (r *rig) create(name, email string) *api.CreateAccountStatus {
	r.Helper()
	return must(r.CreateAccount(r.ctx, &api.CreateAccountRequest{AccountName: &name, Email: &email}))(r).CreateAccountStatus
}

func TestCreateAccount(t *testing.T) {
	r := newRig(t)
	out := must(r.CreateAccount(r.ctx, &api.CreateAccountRequest{
		AccountName: new("shop"), Email: new("Shop@example.org"), RoleName: new("Visitor"), Tags: tags("team", "red"),
	}))(t).CreateAccountStatus
	if *out.State != "IN_PROGRESS" || out.CompletedTimestamp != nil || out.FailureReason != nil || *out.AccountName != "shop" {
		t.Errorf("status is %+v", out)
	}
	a := r.account(*out.AccountId)
	if len(a.ID) != 12 || a.ID < "200000000000" || a.Name != "shop" || a.Email != "Shop@example.org" || a.Parent != r.root || a.Tags["team"] != "red" || a.State != cloud.AccountActive {
		t.Errorf("account is %+v", a)
	}
	if !r.may(a.ID, "ec2:RunInstances") {
		t.Error("the new account may do nothing")
	}
	role, ok := identity.Role(r.DB.View(), a.ID, "visitor")
	if !ok || role.Name != "Visitor" || !slices.Equal(role.Attached, []string{"arn:aws:iam::aws:policy/AdministratorAccess"}) {
		t.Fatalf("role is %+v", role)
	}
	if _, err := policy.Parse(role.Trust, policy.TrustPolicy); err != nil {
		t.Errorf("trust policy: %v", err)
	}
	about := policy.Resource{ARN: "arn:aws:iam::" + a.ID + ":" + role.Resource(), Policy: policy.Attached{Document: role.Trust, Kind: policy.TrustPolicy, Required: true}}
	for account, allowed := range map[string]bool{management: true, alice: false} {
		err := r.Authorize(t.Context(), policy.Request{Caller: r.Root(account), Action: "sts:AssumeRole", Resources: []policy.Resource{about}})
		if (err == nil) != allowed {
			t.Errorf("account %s assumes the role: %v", account, err)
		}
	}

	describe := func() *api.CreateAccountStatus {
		return must(r.DescribeCreateAccountStatus(r.ctx, &api.DescribeCreateAccountStatusRequest{CreateAccountRequestId: out.Id}))(t).CreateAccountStatus
	}
	if got := describe(); *got.State != "IN_PROGRESS" {
		t.Errorf("state is %s before the network is there", *got.State)
	}
	r.complete(*out.Id)
	if got := describe(); *got.State != "SUCCEEDED" || got.CompletedTimestamp == nil {
		t.Errorf("state is %s once the network is there", *got.State)
	}
	other := *r.create("other", "other@example.org").AccountId
	if _, ok := identity.Role(r.DB.View(), other, AccessRole); !ok {
		t.Errorf("no role %s", AccessRole)
	}
}

func TestCreateAccountFails(t *testing.T) {
	r := newRig(t)
	r.create("one", "one@example.org")
	before := accountTable.Count(r.DB.View(), "")
	taken := r.create("two", "ONE@example.org")
	r.Limit = before
	full := r.create("three", "three@example.org")
	for reason, got := range map[string]*api.CreateAccountStatus{"EMAIL_ALREADY_EXISTS": taken, "ACCOUNT_LIMIT_EXCEEDED": full} {
		if *got.State != "FAILED" || *got.FailureReason != reason || got.AccountId != nil || got.CompletedTimestamp == nil {
			t.Errorf("status is %+v, want failure %s", got, reason)
		}
	}
	if n := accountTable.Count(r.DB.View(), ""); n != before {
		t.Errorf("%d accounts became %d", before, n)
	}
	list := func(states ...string) int {
		return len(must(r.ListCreateAccountStatus(r.ctx, &api.ListCreateAccountStatusRequest{States: states}))(t).CreateAccountStatuses)
	}
	if list() != 3 || list("FAILED") != 2 || list("IN_PROGRESS") != 1 || list("SUCCEEDED", "FAILED") != 2 || list("SUCCEEDED") != 0 {
		t.Error("requests are filtered wrongly")
	}
	_, err := r.ListCreateAccountStatus(r.ctx, &api.ListCreateAccountStatusRequest{States: []string{"DONE"}})
	want(t, "unknown state", err, "InvalidInputException INVALID_ENUM")
	_, err = r.DescribeCreateAccountStatus(r.ctx, &api.DescribeCreateAccountStatusRequest{CreateAccountRequestId: new("car-00000000")})
	want(t, "unknown request", err, "CreateAccountStatusNotFoundException")
	_, err = r.DescribeCreateAccountStatus(r.ctx, &api.DescribeCreateAccountStatusRequest{CreateAccountRequestId: new("car-1")})
	want(t, "malformed request", err, "InvalidInputException INVALID_PATTERN")
}

func TestCreateAccountRefuses(t *testing.T) {
	r := newRig(t)
	before := r.DB.View().Revision()
	for wanted, inputs := range map[string][]api.CreateAccountRequest{
		"InvalidInputException INPUT_REQUIRED": {{Email: new("a@example.org")}, {AccountName: new("a")}, {AccountName: new("a"), Email: new("")}},
		"InvalidInputException INVALID_PATTERN": {
			{AccountName: new(strings.Repeat("x", 51)), Email: new("a@example.org")},
			{AccountName: new("Café"), Email: new("a@example.org")},
			{AccountName: new("a"), Email: new("a@b.c")},
			{AccountName: new("a"), Email: new("a b@example.org")},
			{AccountName: new("a"), Email: new("example.org")},
			{AccountName: new("a"), Email: new(strings.Repeat("a", 53) + "@example.org")},
			{AccountName: new("a"), Email: new("a@example.org"), RoleName: new("a/b")},
			{AccountName: new("a"), Email: new("a@example.org"), RoleName: new(strings.Repeat("r", 65))},
		},
		"InvalidInputException INVALID_ENUM": {
			{AccountName: new("a"), Email: new("a@example.org"), IamUserAccessToBilling: new("DENY")},
			{AccountName: new("a"), Email: new("a@example.org"), IamUserAccessToBilling: new("MAYBE")},
		},
		"InvalidInputException DUPLICATE_TAG_KEY":             {{AccountName: new("a"), Email: new("a@example.org"), Tags: tags("a", "1", "a", "2")}},
		"InvalidInputException INVALID_SYSTEM_TAGS_PARAMETER": {{AccountName: new("a"), Email: new("a@example.org"), Tags: tags("AWS:a", "1")}},
	} {
		for _, in := range inputs {
			_, err := r.CreateAccount(r.ctx, &in)
			text, _ := json.Marshal(in)
			want(t, string(text), err, wanted)
		}
	}
	if r.DB.View().Revision() != before {
		t.Error("something was changed")
	}
}

func TestAccountNumbers(t *testing.T) {
	r := newRig(t)
	draws := []string{alice, management, "200000000007", "200000000007", "200000000008"}
	a := r.accounts()
	a.draw = func() string { id := draws[0]; draws = draws[1:]; return id }
	for i, wanted := range []string{"200000000007", "200000000008"} {
		r.Update(func(tx *store.Tx) error {
			q, err := a.Create(tx, NewAccount{Name: "n", Email: string(rune('a'+i)) + "@example.org"})
			if q.Account != wanted {
				t.Errorf("account %s, want %s", q.Account, wanted)
			}
			return err
		})
		r.Update(func(tx *store.Tx) error { return a.Close(tx, wanted) })
	}
	for range 1000 {
		if id := randomNumber(); len(id) != 12 || id < "200000000000" {
			t.Fatalf("account number %s", id)
		}
	}
}

func TestCloseAndSuspend(t *testing.T) {
	r := newRig(t)
	closing := func(id string) error {
		_, err := r.CloseAccount(r.ctx, &api.CloseAccountRequest{AccountId: &id})
		return err
	}
	status := func(id string) string {
		a := must(r.DescribeAccount(r.ctx, &api.DescribeAccountRequest{AccountId: &id}))(t).Account
		return *a.Status + " " + *a.State
	}
	for id, wanted := range map[string]string{
		management: "ConstraintViolationException CANNOT_CLOSE_MANAGEMENT_ACCOUNT", "999999999999": "AccountNotFoundException",
		"1": "InvalidInputException INVALID_PATTERN", "": "InvalidInputException INPUT_REQUIRED",
	} {
		want(t, "close "+id, closing(id), wanted)
	}
	change := func(fn func(*store.Tx, string) error, id string) error {
		return r.DB.Update(t.Context(), func(tx *store.Tx) error { return fn(tx, id) })
	}
	a := r.accounts()
	r.Seconds.Add(60)
	want(t, "suspend", change(a.Suspend, alice), "")
	want(t, "suspend again", change(a.Suspend, alice), "")
	if got := status(alice); got != "SUSPENDED SUSPENDED" || !r.account(alice).Changed.Equal(time.Unix(r.Seconds.Load(), 0)) {
		t.Errorf("a suspended account is %s", got)
	}
	want(t, "activate", change(a.Activate, alice), "")
	if got := status(alice); got != "ACTIVE ACTIVE" {
		t.Errorf("an activated account is %s", got)
	}
	want(t, "suspend the management account", change(a.Suspend, management), "ConstraintViolationException CANNOT_CLOSE_MANAGEMENT_ACCOUNT")
	want(t, "suspend nobody", change(a.Suspend, "999999999999"), "AccountNotFoundException")
	want(t, "close", closing(alice), "")
	if got := status(alice); got != "SUSPENDED CLOSED" {
		t.Errorf("a closed account is %s", got)
	}
	want(t, "close again", closing(alice), "AccountAlreadyClosedException")
	want(t, "activate a closed account", change(a.Activate, alice), "AccountAlreadyClosedException")
	if got := status(bob); got != "ACTIVE ACTIVE" {
		t.Errorf("another account is %s", got)
	}
	// Its key proves it, but it may make no calls.
	key := cloud.AccessKey{ID: "AKIAALICE", Account: alice, Sealed: r.Keys.Secrets.Seal("AKIAALICE", []byte("secret"))}
	r.Update(func(tx *store.Tx) error { return store.Table[cloud.AccessKey]{}.Create(tx, key) })
	if _, _, active, err := r.Lookup(key.ID, ""); err != nil || active {
		t.Errorf("a closed account's key is active: %v, %v", active, err)
	}
}

func TestMoveAccount(t *testing.T) {
	r := newRig(t)
	a, b := r.unit(r.root, "a"), r.unit(r.root, "b")
	missing := "ou-" + r.root[2:] + "-zzzzzzzz"
	for _, test := range []struct{ what, id, from, to, wanted string }{
		{"no account", "999999999999", r.root, a, "AccountNotFoundException"},
		{"no source", alice, missing, a, "SourceParentNotFoundException"},
		{"not its parent", alice, b, a, "SourceParentNotFoundException"},
		{"no destination", alice, r.root, missing, "DestinationParentNotFoundException"},
		{"where it is", alice, r.root, r.root, "DuplicateAccountException"},
		{"malformed account", "x", r.root, a, "InvalidInputException INVALID_PATTERN"},
		{"malformed source", alice, "x", a, "InvalidInputException INVALID_PATTERN"},
		{"malformed destination", alice, r.root, alice, "InvalidInputException INVALID_PATTERN"},
		{"down", alice, r.root, a, ""},
		{"aside", alice, a, b, ""},
		{"there already", alice, a, b, "DuplicateAccountException"},
	} {
		want(t, test.what, r.move(test.id, test.from, test.to), test.wanted)
	}
	out := must(r.DescribeAccount(r.ctx, &api.DescribeAccountRequest{AccountId: new(alice)}))(t).Account
	o := must(r.DescribeOrganization(r.ctx, nil))(t).Organization
	if wanted := *o.Id + "/" + r.root + "/" + b + "/" + alice + "/"; !slices.Equal(out.Paths, []string{wanted}) {
		t.Errorf("paths are %q, want %q", out.Paths, wanted)
	}
	if *out.Arn != "arn:aws:organizations::"+management+":account/"+*o.Id+"/"+alice || *out.JoinedMethod != "CREATED" {
		t.Errorf("account is %s, %s", *out.Arn, *out.JoinedMethod)
	}
	list := must(r.ListAccountsForParent(r.ctx, &api.ListAccountsForParentRequest{ParentId: &b}))(t).Accounts
	if len(list) != 1 || *list[0].Id != alice {
		t.Errorf("below b: %d accounts", len(list))
	}
	_, err := r.DescribeAccount(r.ctx, &api.DescribeAccountRequest{AccountId: new("999999999999")})
	want(t, "describe nobody", err, "AccountNotFoundException")
	_, err = r.DescribeAccount(r.ctx, &api.DescribeAccountRequest{AccountId: &a})
	want(t, "describe a unit as an account", err, "InvalidInputException INVALID_PATTERN")
	_, err = r.ListAccountsForParent(r.ctx, &api.ListAccountsForParentRequest{ParentId: &missing})
	want(t, "accounts of no parent", err, "ParentNotFoundException")
}

func TestListAccountsPages(t *testing.T) {
	r := newRig(t)
	wanted := []string{alice, bob, management}
	for i := range 30 {
		wanted = append(wanted, *r.create("n", string(rune('a'+i%26))+strings.Repeat("x", i)+"@example.org").AccountId)
	}
	slices.Sort(wanted)
	for _, size := range []*int32{nil, new(int32(1)), new(int32(7)), new(int32(20))} {
		var got []string
		for token := (*string)(nil); ; {
			out := must(r.ListAccounts(r.ctx, &api.ListAccountsRequest{MaxResults: size, NextToken: token}))(t)
			if most := max(val(size), 1); size != nil && len(out.Accounts) > int(most) {
				t.Fatalf("a page of %d has %d accounts", most, len(out.Accounts))
			}
			for _, a := range out.Accounts {
				got = append(got, *a.Id)
			}
			if token = out.NextToken; token == nil {
				break
			}
		}
		if !slices.Equal(got, wanted) {
			t.Errorf("pages of %d: got %d accounts, want %d", val(size), len(got), len(wanted))
		}
	}
	first := must(r.ListAccounts(r.ctx, &api.ListAccountsRequest{MaxResults: new(int32(1))}))(t)
	_, err := r.ListRoots(r.ctx, &api.ListRootsRequest{NextToken: first.NextToken})
	want(t, "another operation's token", err, "InvalidInputException INVALID_NEXT_TOKEN")
	_, err = r.ListAccounts(r.ctx, &api.ListAccountsRequest{NextToken: new("x" + *first.NextToken)})
	want(t, "a changed token", err, "InvalidInputException INVALID_NEXT_TOKEN")
	_, err = r.ListAccounts(r.ctx, &api.ListAccountsRequest{MaxResults: new(int32(0))})
	want(t, "too small a page", err, "InvalidInputException MIN_VALUE_EXCEEDED")
	_, err = r.ListAccounts(r.ctx, &api.ListAccountsRequest{MaxResults: new(int32(21))})
	want(t, "too large a page", err, "InvalidInputException MAX_VALUE_EXCEEDED")
}
