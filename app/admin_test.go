package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/gateway"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/store"
)

// rig is a cloud without engines, whose operators' socket is served.
type rig struct {
	testing.TB
	*running
	clock atomic.Int64 // Unix seconds
	log   bytes.Buffer
}

func newRig(t *testing.T) *rig {
	t.Helper()
	data, err := os.MkdirTemp("", "vb") // short: the path of a socket has a limit
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(data) })
	r := &rig{TB: t}
	r.clock.Store(1_700_000_000)
	cfg := Default()
	cfg.Data = data
	r.running = &running{
		cfg: cfg, log: slog.New(slog.NewTextHandler(&r.log, nil)), endpoint: "http://127.0.0.1:1",
		now: func() time.Time { return time.Unix(r.clock.Add(1), 0) },
	}
	r.openStore()
	t.Cleanup(func() { r.db.Close() })
	return r
}

// openStore opens the store and what a start makes in it.
func (r *rig) openStore() {
	r.Helper()
	var err error
	if r.db, r.engine, err = r.cfg.openStore(r.Context()); err != nil {
		r.Fatal(err)
	}
	if err := r.openIdentity(r.Context()); err != nil {
		r.Fatal(err)
	}
	if r.settings, err = bootstrap(r.Context(), r.db, r.directory.Keys, cloud.DefaultPlace(), time.Now); err != nil {
		r.Fatal(err)
	}
	if err := r.ensureOperator(r.Context()); err != nil {
		r.Fatal(err)
	}
	if err := writeFile(r.cfg.idPath(), []byte(r.settings.ID+"\n")); err != nil {
		r.Fatal(err)
	}
}

// serve serves the socket until the test ends.
func (r *rig) serve() {
	r.Helper()
	l, err := r.cfg.listenAdmin()
	if err != nil {
		r.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serveAdmin(ctx, l, r.adminHandler()) }()
	r.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			r.Errorf("serve: %v", err)
		}
	})
}

// local is the client of root on the machine.
func (r *rig) local() *Admin {
	r.Helper()
	token, err := r.cfg.FindToken(func(string) string { return "" })
	if err != nil || token == "" {
		r.Fatalf("token %q, %v", token, err)
	}
	return NewAdmin(r.cfg, token)
}

// recorded lists the records as text.
func (r *rig) recorded() (lines []string) {
	for rec := range records.All(r.db.View()) {
		if rec.UID != os.Getuid() {
			r.Errorf("%s was recorded for user %d", rec.Command, rec.UID)
		}
		lines = append(lines, rec.Operator+"|"+rec.Command+"|"+rec.Outcome)
	}
	return lines
}

func says(t testing.TB, what string, err error, words string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("%s: %v, want an error that says %q", what, err, words)
	}
}

func TestOperators(t *testing.T) {
	r := newRig(t)
	r.serve()
	ctx, local := t.Context(), r.local()
	if info, err := os.Stat(r.cfg.ownTokenPath()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the token's file: %v, %v", info, err)
	}
	says(t, "remove the last", local.RemoveOperator(ctx, "local"), "the last operator")
	alice, err := local.AddOperator(ctx, "alice")
	if err != nil {
		t.Fatal(err)
	}
	if o, _ := operators.Get(r.db.View(), "alice"); bytes.Contains(o.Token, []byte(alice.Token)) || len(o.Token) != 32 {
		t.Error("the cloud keeps the token itself")
	}
	_, err = local.AddOperator(ctx, "alice")
	says(t, "add again", err, "there is an operator alice")
	for _, name := range []string{"", "Alice", "a b", "-a", strings.Repeat("a", 64)} {
		_, err = local.AddOperator(ctx, name)
		says(t, "add "+name, err, "cannot be an operator's name")
	}
	says(t, "remove nobody", local.RemoveOperator(ctx, "bob"), "there is no operator")

	admin := NewAdmin(r.cfg, alice.Token)
	if err := admin.RemoveOperator(ctx, "local"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(r.cfg.ownTokenPath()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the removed operator's token is still there: %v", err)
	}
	_, err = local.Operators(ctx)
	says(t, "the removed operator", err, "no operator has this token")
	list, err := admin.Operators(ctx)
	if err != nil || len(list) != 1 || list[0].Name != "alice" || list[0].By != "local" || list[0].Seen.IsZero() {
		t.Errorf("operators are %+v, %v", list, err)
	}

	// All tokens are lost: a start with NewOperator makes one.
	if err := r.ensureOperator(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(r.cfg.ownTokenPath()); !errors.Is(err, os.ErrNotExist) {
		t.Error("an operator was made though there is one")
	}
	r.cfg.NewOperator = true
	if err := r.ensureOperator(ctx); err != nil {
		t.Fatal(err)
	}
	first := r.local()
	if list, err := first.Operators(ctx); err != nil || len(list) != 2 {
		t.Errorf("operators are %+v, %v", list, err)
	}
	if err := r.ensureOperator(ctx); err != nil {
		t.Fatal(err)
	}
	_, err = first.Operators(ctx)
	says(t, "the token before", err, "no operator has this token")
}

func TestRefusals(t *testing.T) {
	r := newRig(t)
	r.serve()
	ctx := t.Context()
	good := r.local().token
	before := len(r.recorded())
	bad := []string{"", "x", good[:len(good)-1], good + "x", strings.ToUpper(good)}
	for _, token := range bad {
		_, err := NewAdmin(r.cfg, token).CreateAccount(ctx, AccountWish{Name: "x", Email: "x@example.org"})
		says(t, "token "+token, err, "no operator has this token")
	}
	if n := accounts.Count(r.db.View(), ""); n != 1 {
		t.Errorf("%d accounts", n)
	}
	got := r.recorded()[before:]
	if len(got) != len(bad) {
		t.Fatalf("%d refusals left %d records", len(bad), len(got))
	}
	for _, line := range got {
		if line != "|account create|refused" {
			t.Errorf("recorded %q", line)
		}
	}
	// A tenant's key is no token.
	cr, _ := r.rootKey(firstAccount)
	_, err := NewAdmin(r.cfg, cr.Secret).Accounts(ctx)
	says(t, "a tenant's secret", err, "no operator has this token")
	if _, err := NewAdmin(r.cfg, good).Accounts(ctx); err != nil {
		t.Error(err)
	}
}

// Every path of the socket but the health check asks for a token.
func TestEveryCommandAsksForAToken(t *testing.T) {
	r := newRig(t)
	r.serve()
	for _, name := range []string{
		"image list", "image import", "image describe", "image public", "image private", "image retire", "first-guest", "operator add", "operator list", "operator remove", "account create", "account list",
		"account show", "account suspend", "account activate", "account close", "account root-key", "log", "why", "down",
	} {
		before := len(r.recorded())
		res, err := NewAdmin(r.cfg, "wrong").do(t.Context(), http.MethodPost, pathOf(name), none{})
		if err == nil {
			res.Body.Close()
		}
		says(t, name, err, "no operator has this token")
		if got := r.recorded()[before:]; len(got) != 1 || got[0] != "|"+name+"|refused" {
			t.Errorf("%s was recorded as %q", name, got)
		}
	}
	res, err := r.local().do(t.Context(), http.MethodPost, "/nonsense", none{})
	if err == nil {
		res.Body.Close()
		t.Error("an unknown command was taken")
	}
}

func TestRecords(t *testing.T) {
	r := newRig(t)
	r.serve()
	ctx, local := t.Context(), r.local()
	made, err := local.CreateAccount(ctx, AccountWish{Name: "shop", Email: "shop@example.org", RootKey: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = local.Account(ctx, "show", "999999999999")
	says(t, "show nothing", err, "there is no account")
	bob, err := local.AddOperator(ctx, "bob")
	if err != nil {
		t.Fatal(err)
	}
	since := time.Unix(r.clock.Load(), 1)
	if _, err := NewAdmin(r.cfg, bob.Token).Accounts(ctx); err != nil {
		t.Fatal(err)
	}
	wanted := []string{
		"|operator add|ok", "local|account create|ok", `local|account show|error: there is no account "999999999999": see ` + "`vauban admin account list`",
		"local|operator add|ok", "bob|account list|ok",
	}
	if got := r.recorded(); !slices.Equal(got, wanted) {
		t.Errorf("recorded %q,\nwant %q", got, wanted)
	}
	for rec := range records.All(r.db.View()) {
		for k, v := range rec.Args {
			if strings.Contains(v, bob.Token) || strings.Contains(v, made.RootKey.Secret) {
				t.Errorf("%s: %s has a secret", rec.Command, k)
			}
		}
	}
	list, err := local.Records(ctx, RecordFilter{Operator: "bob"})
	if err != nil || len(list) != 1 || list[0].Command != "account list" || list[0].Outcome != "ok" || list[0].UID != os.Getuid() {
		t.Errorf("bob did %+v, %v", list, err)
	}
	list, err = local.Records(ctx, RecordFilter{Since: since})
	if err != nil || len(list) != 3 || list[0].Operator != "bob" || list[2].Command != "log" || list[2].Outcome != "" {
		t.Errorf("since then: %+v, %v", list, err)
	}
}

// The record is there before the command acts, and stays without an outcome if the
// cloud ends in the middle.
func TestRecordOutlivesTheCloud(t *testing.T) {
	r := newRig(t)
	token := r.local().token
	err := r.record(t.Context(), token, os.Getuid(), "test", map[string]string{"a": "1"}, func(context.Context) error {
		if got := r.recorded(); got[len(got)-1] != "local|test|" {
			t.Errorf("while it acts: recorded %q", got)
		}
		return r.db.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(r.log.String(), "record the outcome of a command") {
		t.Errorf("nobody heard that the outcome was lost: %s", r.log.String())
	}
	acted := false
	err = r.record(t.Context(), token, os.Getuid(), "test", nil, func(context.Context) error { acted = true; return nil })
	if !errors.Is(err, store.ErrClosed) || acted {
		t.Errorf("a command that could not be recorded: %v, acted: %v", err, acted)
	}
	r.openStore()
	if got := r.recorded(); got[len(got)-1] != "local|test|" {
		t.Errorf("after the next start: recorded %q", got)
	}
	if again := r.local().token; again != token {
		t.Error("the next start changed the token")
	}
}

func TestAccounts(t *testing.T) {
	r := newRig(t)
	r.serve()
	ctx, local := t.Context(), r.local()
	made, err := local.CreateAccount(ctx, AccountWish{Name: "shop", Email: "shop@example.org", RootKey: true})
	if err != nil {
		t.Fatal(err)
	}
	a := made.Account
	if len(a.ID) != 12 || a.State != "active" || a.Management || a.Name != "shop" || made.RootKey.Account != a.ID || made.RootKey.Endpoint != r.endpoint {
		t.Errorf("made %+v, %+v", a, made.RootKey)
	}
	if _, ok := identity.Role(r.db.View(), a.ID, "OrganizationAccountAccessRole"); !ok {
		t.Error("the account has no role for the management account")
	}
	lookup := func(cr *Credentials) gateway.Credential {
		t.Helper()
		found, err := credentials{r.directory}.Lookup(ctx, cr.AccessKey, "")
		if err != nil || found.Secret != cr.Secret || found.Caller.ARN != "arn:aws:iam::"+a.ID+":root" {
			t.Errorf("key %s stands for %+v, %v", cr.AccessKey, found.Caller, err)
		}
		return found
	}
	if lookup(made.RootKey).Suspended {
		t.Error("a new account is suspended")
	}
	second, err := local.NewRootKey(ctx, a.ID)
	if err != nil || second.AccessKey == made.RootKey.AccessKey {
		t.Errorf("another key: %+v, %v", second, err)
	}
	lookup(&second)
	for _, test := range []struct {
		verb, state string
		suspended   bool
	}{{"suspend", "suspended", true}, {"activate", "active", false}, {"close", "closed", true}} {
		got, err := local.Account(ctx, test.verb, a.ID)
		if err != nil || got.State != test.state || lookup(made.RootKey).Suspended != test.suspended {
			t.Errorf("%s: %+v, %v", test.verb, got, err)
		}
	}
	_, err = local.Account(ctx, "activate", a.ID)
	says(t, "activate a closed account", err, "is closed")
	_, err = local.Account(ctx, "suspend", firstAccount)
	says(t, "suspend the management account", err, "management account")
	_, err = local.NewRootKey(ctx, "999999999999")
	says(t, "key for nobody", err, "there is no account")
	_, err = local.CreateAccount(ctx, AccountWish{Name: "again", Email: "SHOP@example.org", RootKey: true})
	says(t, "the same address", err, "another account has the address")
	_, err = local.CreateAccount(ctx, AccountWish{Name: "x", Email: "nonsense"})
	says(t, "no address", err, "e-mail address")
	list, err := local.Accounts(ctx)
	if err != nil || len(list) != 2 || !list[0].Management {
		t.Errorf("accounts are %+v, %v", list, err)
	}
}

func TestWhy(t *testing.T) {
	r := newRig(t)
	r.serve()
	ctx, local := t.Context(), r.local()
	made, err := local.CreateAccount(ctx, AccountWish{Name: "shop", Email: "shop@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	shop := made.Account.ID
	user := cloud.User{Meta: cloud.Meta{ID: "AIDAALICE", Account: firstAccount}, Name: "alice", Path: "/", Grants: cloud.Grants{Inline: map[string]string{
		"few": `{"Version":"2012-10-17","Statement":[{"Sid":"Red","Effect":"Allow","Action":"ec2:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"red"}}},` +
			`{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}`,
	}}}
	err = r.db.Update(ctx, func(tx *store.Tx) error {
		return errors.Join(store.Table[cloud.User]{}.Create(tx, user), tx.Claim(cloud.UserNames(firstAccount), "alice", user.ID))
	})
	if err != nil {
		t.Fatal(err)
	}
	alice := "arn:aws:iam::" + firstAccount + ":user/alice"
	role := "arn:aws:iam::" + shop + ":role/OrganizationAccountAccessRole"
	for what, test := range map[string]struct {
		q       Question
		allowed bool
		says    string
	}{
		"without the tag":  {Question{Principal: alice, Action: "ec2:StopInstances"}, false, "StringEquals aws:ResourceTag/team"},
		"with the tag":     {Question{Principal: alice, Action: "ec2:StopInstances", Context: map[string][]string{"aws:ResourceTag/team": {"red"}}}, true, `"Red"`},
		"another's role":   {Question{Principal: alice, Action: "sts:AssumeRole", Resources: []string{role}}, true, "trust policy of role/OrganizationAccountAccessRole"},
		"a root":           {Question{Principal: "arn:aws:iam::" + shop + ":root", Action: "ec2:RunInstances"}, true, "p-FullAWSAccess"},
		"one of two fails": {Question{Principal: "arn:aws:iam::" + shop + ":root", Action: "ec2:RunInstances", Resources: []string{"arn:aws:ec2:x:" + shop + ":a/b", "arn:aws:ec2:x:" + firstAccount + ":a/b"}}, false, "DENIED"},
	} {
		got, err := local.Why(ctx, test.q)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		var text strings.Builder
		for _, d := range got.Decisions {
			text.WriteString(d.Explanation.Text())
		}
		if got.Allowed != test.allowed || len(got.Decisions) != max(1, len(test.q.Resources)) || !strings.Contains(text.String(), test.says) {
			t.Errorf("%s: allowed %v,\n%s", what, got.Allowed, &text)
		}
	}
	_, err = local.Why(ctx, Question{Principal: "arn:aws:iam::" + shop + ":user/nobody", Action: "ec2:RunInstances"})
	says(t, "nobody", err, "there is no principal")
	_, err = local.Why(ctx, Question{Principal: alice, Action: "RunInstances"})
	says(t, "no service", err, "is no action")
	var asked cloud.OperatorRecord
	for rec := range records.All(r.db.View()) {
		if rec.Args["context aws:ResourceTag/team"] == "red" {
			asked = rec
		}
	}
	if asked.Operator != "local" || asked.Command != "why" || asked.Args["principal"] != alice {
		t.Errorf("the question was recorded as %+v", asked)
	}
}

func TestTokens(t *testing.T) {
	r := newRig(t)
	home := t.TempDir()
	env := map[string]string{"HOME": home}
	getenv := func(k string) string { return env[k] }
	find := func(wanted string) {
		t.Helper()
		if got, err := r.cfg.FindToken(getenv); err != nil || got != wanted {
			t.Errorf("token %q, %v, want %q", got, err, wanted)
		}
	}
	own := r.local().token
	find(own)
	path, err := r.cfg.SaveToken(getenv, OperatorToken{"alice", "saved"})
	if err != nil || path != filepath.Join(home, ".config", "vauban", "operator.json") {
		t.Fatalf("saved in %s, %v", path, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("saved as %v, %v", info, err)
	}
	find("saved")
	other := r.cfg
	other.Data = t.TempDir()
	if got, err := other.FindToken(getenv); err != nil || got != "" {
		t.Errorf("for another cloud: %q, %v", got, err)
	}
	env[TokenVariable] = "given"
	find("given")
	delete(env, TokenVariable)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = r.cfg.FindToken(getenv)
	says(t, "a file that others may read", err, "chmod 600")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil || os.Chmod(path, 0o600) != nil {
		t.Fatal(err)
	}
	_, err = r.cfg.FindToken(getenv)
	says(t, "a damaged file", err, "read "+path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	find(own)
}
