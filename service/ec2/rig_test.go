package ec2

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
)

// The accounts of a rig.
const (
	alice = "000000000001"
	bob   = "000000000002"
)

// rig is a Service on a store of its own, with two accounts and their default
// networks. Its methods act as alice.
type rig struct {
	*Service
	testing.TB
	ctx, bob context.Context
	net      cloud.Network // alice's
	bobs     cloud.Network
	clock    atomic.Int64 // Unix seconds
}

func newRig(t testing.TB) *rig {
	t.Helper()
	return newRigWith(t, cloud.NewID)
}

// newRigWith is newRig with other IDs.
func newRigWith(t testing.TB, newID func(prefix string) string) *rig {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), cloud.Documents()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return newRigOn(t, db, newID)
}

// newRigOn is a rig on a store that may have accounts already.
func newRigOn(t testing.TB, db *store.Store, newID func(prefix string) string) *rig {
	t.Helper()
	r := &rig{TB: t}
	r.clock.Store(1_700_000_000)
	r.Service = &Service{
		DB: db, Authz: everybody{}, Place: cloud.DefaultPlace(), NewID: newID,
		Now:        func() time.Time { return time.Unix(r.clock.Load(), 0).UTC() },
		PublicPool: netip.MustParsePrefix("100.64.0.0/24"), IPv6Pool: netip.MustParsePrefix("fd5a:c10d::/32"), PageKey: []byte("a key of the rig"),
	}
	r.ctx = cloud.WithCaller(t.Context(), cloud.Caller{Account: alice, ARN: "arn:aws:iam::" + alice + ":root"})
	r.bob = cloud.WithCaller(t.Context(), cloud.Caller{Account: bob, ARN: "arn:aws:iam::" + bob + ":root"})
	r.net, r.bobs = r.addAccount(alice), r.addAccount(bob)
	r.update(func(tx *store.Tx) error { return listTable.Put(tx, s3List()) })
	return r
}

// s3List is the prefix list of the service that endpoints lead to.
func s3List() cloud.PrefixList {
	return cloud.PrefixList{
		Meta: cloud.Meta{ID: "pl-0123456789abcdef0", Account: cloud.OperatorAccount}, Name: cloud.DefaultPlace().EndpointService("s3"), MaxEntries: 1,
		Version: 1, Entries: []cloud.PrefixListEntry{{Prefix: netip.MustParsePrefix("169.254.169.251/32")}},
	}
}

// everybody lets everybody do everything.
type everybody struct{}

func (everybody) Authorize(context.Context, policy.Request) error { return nil }

// addAccount makes an account with its default network.
func (r *rig) addAccount(id string) cloud.Network {
	r.Helper()
	n := cloud.DefaultNetwork(id, r.Place, r.NewID, r.Now())
	r.update(func(tx *store.Tx) error { return writeNetwork(tx, n) })
	r.update(func(tx *store.Tx) error {
		a, _ := accountTable.Get(tx, id)
		a.ID, a.DefaultVPC = id, n.VPC.ID
		return accountTable.Put(tx, a)
	})
	return n
}

// addVPC makes a VPC that is not alice's default one.
func (r *rig) addVPC() cloud.Network {
	r.Helper()
	n := cloud.DefaultNetwork(alice, r.Place, r.NewID, r.Now())
	n.VPC.Default = false
	r.update(func(tx *store.Tx) error { return writeNetwork(tx, n) })
	return n
}

func writeNetwork(tx *store.Tx, n cloud.Network) error {
	var errs []error
	errs = append(errs, vpcTable.Create(tx, n.VPC), routeTable.Create(tx, n.Routes), gatewayTable.Create(tx, n.Gateway),
		aclTable.Create(tx, n.ACL), groupTable.Create(tx, n.Group), optionsTable.Put(tx, n.Options), tx.Claim(cloud.GroupNames(n.VPC.ID), n.Group.Name, n.Group.ID))
	for _, subnet := range n.Subnets {
		errs = append(errs, subnetTable.Create(tx, subnet))
	}
	return errors.Join(errs...)
}

// update runs a transaction that must succeed.
func (r *rig) update(fn func(*store.Tx) error) {
	r.Helper()
	if err := r.DB.Update(r.Context(), fn); err != nil {
		r.Fatal(err)
	}
}

// addInterface makes an interface in alice's first subnet, of a running
// instance if there is one.
func (r *rig) addInterface(instance string, p port) cloud.NetworkInterface {
	r.Helper()
	if p.subnet.ID == "" {
		p.subnet = r.net.Subnets[0]
	}
	if p.groups == nil {
		p.groups = []string{r.net.Group.ID}
	}
	var n cloud.NetworkInterface
	r.update(func(tx *store.Tx) (err error) {
		if instance != "" {
			i := cloud.Instance{Meta: cloud.Meta{ID: instance, Account: alice}, VPC: p.subnet.VPC, Want: cloud.PowerRunning, Starts: 1}
			i.Seen = cloud.InstanceSeen{Running: true, Starts: 1}
			if err := instanceTable.Put(tx, i); err != nil {
				return err
			}
			p.attachment = &cloud.InterfaceAttachment{ID: r.NewID("eni-attach"), Instance: instance, Attached: r.Now(), DeleteOnTermination: true}
		}
		n, err = r.createInterface(tx, cloud.Caller{Account: alice}, p)
		return err
	})
	return n
}

// code is the API's code of an error, "" for nil.
func code(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*cloud.Error](err); ok {
		return e.Code
	}
	return "InternalError: " + err.Error()
}

// want fails unless err has the code ("" for none) and, if given, the message.
func want(t testing.TB, what string, err error, wanted string, message ...string) {
	t.Helper()
	if code(err) != wanted {
		t.Errorf("%s: got error %v, want code %q", what, err, wanted)
		return
	}
	var e *cloud.Error
	if errors.As(err, &e) && len(message) > 0 && e.Message != message[0] {
		t.Errorf("%s: got message %q, want %q", what, e.Message, message[0])
	}
}

// must fails the test if an operation does.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// filters makes filters from names and values, one value each.
func filters(pairs ...string) []ec2.Filter {
	var out []ec2.Filter
	for pair := range slices.Chunk(pairs, 2) {
		out = append(out, ec2.Filter{Name: new(pair[0]), Values: []string{pair[1]}})
	}
	return out
}

// tags makes tags from keys and values.
func tags(pairs ...string) []ec2.Tag {
	var out []ec2.Tag
	for pair := range slices.Chunk(pairs, 2) {
		out = append(out, ec2.Tag{Key: new(pair[0]), Value: new(pair[1])})
	}
	return out
}

func tagSpec(kind string, pairs ...string) []ec2.TagSpecification {
	return []ec2.TagSpecification{{ResourceType: new(kind), Tags: tags(pairs...)}}
}

// removeInterface takes an interface away, and all that it claimed.
func (r *rig) removeInterface(n cloud.NetworkInterface) {
	r.Helper()
	r.update(func(tx *store.Tx) error {
		tx.ReleaseAll(n.ID)
		return interfaceTable.Delete(tx, n.ID)
	})
}
