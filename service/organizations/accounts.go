package organizations

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"math/big"
	"regexp"
	"slices"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/organizations"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/store"
)

// AccessRole is the role that a new account gets for the management account,
// unless another name is asked for.
const AccessRole = "OrganizationAccountAccessRole"

// administratorAccess is the managed policy of that role.
const administratorAccess = "arn:aws:iam::aws:policy/AdministratorAccess"

// DefaultLimit is how many accounts a cloud has at most unless told otherwise,
// closed ones included.
const DefaultLimit = 10_000

// Accounts makes and ends accounts. Its errors are *cloud.Error in the API's words.
type Accounts struct {
	Directory *identity.Directory
	Limit     int // accounts at most; 0: DefaultLimit

	draw func() string // returns account numbers, some of them taken; nil: random ones
}

// NewAccount is what is to be known of an account before it is made.
type NewAccount struct {
	Name  string // 1 to 50 printable ASCII characters
	Email string // no other account's
	Role  string // of the management account's role in it; empty: AccessRole
	Tags  map[string]string
}

var (
	nameForm  = regexp.MustCompile(`^[ -~]{1,50}$`)
	emailForm = regexp.MustCompile(`^[^\s@]+@[^\s@]+\.[^\s@]+$`)
	roleForm  = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)
)

// Check refuses what no account can be made of.
func (n NewAccount) Check() error {
	switch {
	case n.Name == "":
		return required("AccountName")
	case !nameForm.MatchString(n.Name):
		return mismatch("AccountName", "1 to 50 printable ASCII characters")
	case n.Email == "":
		return required("Email")
	case len(n.Email) < 6 || len(n.Email) > 64 || !emailForm.MatchString(n.Email):
		return mismatch("Email", "an e-mail address of 6 to 64 characters")
	case n.Role != "" && !roleForm.MatchString(n.Role):
		return mismatch("RoleName", "1 to 64 letters, digits or any of _+=,.@-")
	}
	return nil
}

// Create makes an account that Check has let through, below the root, with
// FullAWSAccess and a role that the management account may assume. What else
// stands in its way is the Failure of the request that it returns.
func (a *Accounts) Create(tx *store.Tx, n NewAccount) (cloud.AccountRequest, error) {
	org, ok := organizationTable.Get(tx, cloud.OrganizationKey)
	if !ok {
		return cloud.AccountRequest{}, errors.New("the cloud has no organization")
	}
	now := a.Directory.Now().UTC()
	r := cloud.AccountRequest{ID: newRequestID(), Name: n.Name, Requested: now}
	if r.Failure = a.obstacle(tx, n); r.Failure != "" {
		r.Completed = now
		return r, requestTable.Create(tx, r)
	}
	r.Account = a.number(tx)
	account := cloud.Account{ID: r.Account, Name: n.Name, Email: n.Email, Created: now, Parent: org.Root, Tags: n.Tags}
	err := errors.Join(
		accountTable.Create(tx, account),
		tx.Claim(cloud.AccountEmails, strings.ToLower(n.Email), account.ID),
		attachFullAccess(tx, org, account.ID),
		a.createRole(tx, org, account, n.Role),
		requestTable.Create(tx, r),
	)
	return r, err
}

// obstacle is why the account cannot be made, in the words of CreateAccountFailureReason.
func (a *Accounts) obstacle(tx *store.Tx, n NewAccount) string {
	limit := a.Limit
	if limit == 0 {
		limit = DefaultLimit
	}
	if accountTable.Count(tx, "") >= limit {
		return api.CreateAccountFailureReasonACCOUNTLIMITEXCEEDED
	}
	if _, taken := store.Owner(tx, cloud.AccountEmails, strings.ToLower(n.Email)); taken {
		return api.CreateAccountFailureReasonEMAILALREADYEXISTS
	}
	return ""
}

// createRole lets the management account in, as far as its own policies let its
// users assume the role.
func (a *Accounts) createRole(tx *store.Tx, org cloud.Organization, account cloud.Account, name string) error {
	if name == "" {
		name = AccessRole
	}
	place := a.Directory.Place
	role := cloud.Role{
		Meta:   cloud.Meta{ID: identity.NewID(identity.RolePrefix), Account: account.ID, Created: account.Created},
		Grants: cloud.Grants{Attached: []string{administratorAccess}},
		Name:   name, Path: "/", MaxSession: 3600,
		Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` +
			place.GlobalARN("iam", org.Management, "root") + `"},"Action":"sts:AssumeRole"}]}`,
	}
	if err := tx.Claim(cloud.RoleNames(account.ID), cloud.IAMName(name), role.ID); err != nil {
		return err
	}
	return roleTable.Create(tx, role)
}

// number returns an account number that no account has or had: accounts are never
// deleted. The numbers that the cloud itself gives are below 200000000000.
func (a *Accounts) number(r store.Reader) string {
	draw := a.draw
	if draw == nil {
		draw = randomNumber
	}
	for {
		id := draw()
		if _, taken := accountTable.Get(r, id); !taken {
			return id
		}
	}
}

func randomNumber() string {
	n, err := rand.Int(rand.Reader, big.NewInt(800_000_000_000))
	if err != nil {
		panic(err) // crypto/rand.Reader never fails
	}
	return n.Add(n, big.NewInt(200_000_000_000)).String()
}

func newRequestID() string {
	b := make([]byte, 16)
	rand.Read(b)
	return "car-" + hex.EncodeToString(b)
}

// Suspend has an account refuse every call and stop its guests; Activate is the
// way back, which starts no guest.
func (a *Accounts) Suspend(tx *store.Tx, id string) error {
	return a.set(tx, id, cloud.AccountSuspended)
}

// Activate ends a suspension.
func (a *Accounts) Activate(tx *store.Tx, id string) error {
	return a.set(tx, id, cloud.AccountActive)
}

// Close suspends an account for ever. Its data, its number and its address stay.
func (a *Accounts) Close(tx *store.Tx, id string) error {
	return a.set(tx, id, cloud.AccountClosed)
}

func (a *Accounts) set(tx *store.Tx, id string, state cloud.AccountState) error {
	org, _ := organizationTable.Get(tx, cloud.OrganizationKey)
	account, ok := accountTable.Get(tx, id)
	switch {
	case !ok:
		return noAccount(id)
	case account.State == cloud.AccountClosed:
		return cloud.Errorf("AccountAlreadyClosedException", "Account %s is closed, and there is no way back.", id)
	case id == org.Management && state != cloud.AccountActive:
		return constraint("CANNOT_CLOSE_MANAGEMENT_ACCOUNT", "Account %s is the management account: it can be neither suspended nor closed.", id)
	case account.State == state:
		return nil
	}
	account.State, account.Changed = state, a.Directory.Now().UTC()
	return accountTable.Put(tx, account)
}

// attachFullAccess gives targets the policy that allows everything, as everything
// new has it while control policies are enabled.
func attachFullAccess(tx *store.Tx, org cloud.Organization, targets ...string) error {
	if !slices.Contains(org.PolicyTypes, controlPolicies) {
		return nil
	}
	return controlTable.Modify(tx, cloud.FullAccess, func(p *cloud.ControlPolicy) error {
		for _, t := range targets {
			if !slices.Contains(p.Targets, t) {
				p.Targets = append(p.Targets, t)
			}
		}
		return nil
	})
}
