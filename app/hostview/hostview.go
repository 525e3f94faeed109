// Package hostview is a host's window on a store in the same process.
//
// It guarantees that an Assignment is of one revision, that a change which
// concerns a host is signalled to it after the store has it, and that a report
// about a document that is no more, or that is another host's, is dropped.
package hostview

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/node"
	"github.com/vauban-cloud/vauban/seal"
	"github.com/vauban-cloud/vauban/store"
)

var (
	hosts      store.Table[cloud.Host]
	instances  store.Table[cloud.Instance]
	volumes    store.Table[cloud.Volume]
	snapshots  store.Table[cloud.Snapshot]
	imports    store.Table[cloud.ImportTask]
	exports    store.Table[cloud.ExportTask]
	interfaces store.Table[cloud.NetworkInterface]
	vpcs       store.Table[cloud.VPC]
	subnets    store.Table[cloud.Subnet]
	routes     store.Table[cloud.RouteTable]
	gateways   store.Table[cloud.InternetGateway]
	groups     store.Table[cloud.SecurityGroup]
	images     store.Table[cloud.Image]
	keyPairs   store.Table[cloud.KeyPair]
)

// View is a node.View.
type View struct {
	db      *store.Store
	host    string
	label   string // of what is placed on the host
	place   cloud.Place
	judge   *identity.Judge
	changed chan struct{}

	// Flows takes what was counted of flows; nil: it is dropped.
	Flows func(cloud.FlowBatch)
	// Objects are what disks are imported from, and images exported to; nil: there are none.
	Objects Objects

	mu       sync.Mutex
	interest map[string]bool // guarded by mu; keys of the documents of the last assignment
}

// New returns the host's view. Follow must run for Changed to yield. Without a
// judge, which makes the credentials of roles, no guest gets any.
func New(db *store.Store, host string, place cloud.Place, judge *identity.Judge) *View {
	return &View{db: db, host: host, label: "host/" + host, place: place, judge: judge, changed: make(chan struct{}, 1)}
}

// Changed yields when Assigned may return something new.
func (v *View) Changed() <-chan struct{} { return v.changed }

// Assigned returns all that concerns the host, at one revision.
func (v *View) Assigned(context.Context) (*node.Assignment, error) {
	r := v.db.View()
	a := &node.Assignment{
		Revision: r.Revision(), Place: v.place,
		Instances: slices.Collect(instances.Select(r, v.label)),
		Volumes:   slices.Collect(volumes.Select(r, v.label)),
		Snapshots: slices.Collect(snapshots.Select(r, v.label)),
		Imports:   slices.Collect(imports.Select(r, v.label)),
		Exports:   slices.Collect(exports.Select(r, v.label)),
		Images:    map[string]cloud.Image{},
		Keys:      map[string]cloud.KeyPair{},
		Roles:     map[string]node.Role{},
	}
	v.addOwners(r, a)
	here := map[string]bool{} // VPCs
	for _, i := range a.Instances {
		if i.Host == v.host {
			here[i.VPC] = true
			a.Interfaces = slices.AppendSeq(a.Interfaces, interfaces.Select(r, "instance/"+i.ID))
			addRole(r, a, i)
		}
		if img, ok := images.Get(r, i.Image); ok {
			a.Images[img.ID] = img
		}
		v.addKey(r, a, i)
	}
	a.Here = slices.Sorted(maps.Keys(here))
	networks := Networks(r, a.Here)
	networks.Interfaces = append(networks.Interfaces, a.Interfaces...)
	addInterfaceLogs(r, &networks)
	a.Documents = networks
	v.remember(a)
	return a, nil
}

// remember notes whose changes concern the host from now on.
func (v *View) remember(a *node.Assignment) {
	interest := make(map[string]bool, len(a.Instances)+len(a.Volumes)+len(a.Interfaces)+16)
	note(interest, a.Instances)
	note(interest, a.Volumes)
	note(interest, a.Snapshots)
	note(interest, a.Imports)
	note(interest, a.Exports)
	noteNetworks(interest, &a.Documents)
	for _, i := range a.Instances {
		if i.Profile != nil {
			interest[i.Profile.Profile] = true
		}
	}
	for _, role := range a.Roles {
		interest[role.ID] = true
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.interest = interest
}

func note[T store.Document](interest map[string]bool, docs []T) {
	for _, d := range docs {
		interest[d.Key()] = true
	}
}

// addOwners adds the instances that are not placed here but whose volumes are:
// what their guests left (a console log) is kept.
func (v *View) addOwners(r store.Reader, a *node.Assignment) {
	have := make(map[string]bool, len(a.Instances))
	for _, i := range a.Instances {
		have[i.ID] = true
	}
	for _, vol := range a.Volumes {
		if vol.Attachment == nil || have[vol.Attachment.Instance] {
			continue
		}
		if i, ok := instances.Get(r, vol.Attachment.Instance); ok {
			have[i.ID] = true
			a.Instances = append(a.Instances, i)
		}
	}
}

func (v *View) addKey(r store.Reader, a *node.Assignment, i cloud.Instance) {
	if i.KeyName == "" {
		return
	}
	if id, ok := store.Owner(r, "keyname/"+i.Account, i.KeyName); ok {
		if k, ok := keyPairs.Get(r, id); ok {
			a.Keys[i.Account+"/"+i.KeyName] = k
		}
	}
}

func addRole(r store.Reader, a *node.Assignment, i cloud.Instance) {
	if role, found := identity.RoleOf(r, i); found {
		a.Roles[i.Profile.Profile] = node.Role{ID: role.ID, Name: role.Name}
	}
}

// ReportHost records capacity and heartbeat, and leaves what was promised alone.
func (v *View) ReportHost(ctx context.Context, h cloud.Host) error {
	return v.db.Update(ctx, func(tx *store.Tx) error {
		old, _ := hosts.Get(tx, h.ID)
		h.Used = old.Used
		return hosts.Put(tx, h)
	})
}

// ReportInstance records what was seen of an instance that is placed here.
func (v *View) ReportInstance(ctx context.Context, id string, seen cloud.InstanceSeen) error {
	return v.db.Update(ctx, func(tx *store.Tx) error {
		i, ok := instances.Get(tx, id)
		if !ok || i.Host != v.host || i.Seen == seen {
			return nil
		}
		i.Seen = seen
		return instances.Put(tx, i)
	})
}

// ReportVolume records what was seen of a volume that is held here.
func (v *View) ReportVolume(ctx context.Context, id string, seen cloud.VolumeSeen) error {
	return v.db.Update(ctx, func(tx *store.Tx) error {
		vol, ok := volumes.Get(tx, id)
		if !ok || vol.Host != v.host || vol.Seen == seen {
			return nil
		}
		vol.Seen = seen
		return volumes.Put(tx, vol)
	})
}

// ReportSnapshot records what was seen of a snapshot that is kept here.
func (v *View) ReportSnapshot(ctx context.Context, id string, seen cloud.SnapshotSeen) error {
	return v.db.Update(ctx, func(tx *store.Tx) error {
		s, ok := snapshots.Get(tx, id)
		if !ok || s.Host != v.host || s.Seen == seen {
			return nil
		}
		s.Seen = seen
		return snapshots.Put(tx, s)
	})
}

// ReportFlows hands over what was counted of flows.
func (v *View) ReportFlows(_ context.Context, b cloud.FlowBatch) error {
	if v.Flows != nil {
		v.Flows(b)
	}
	return nil
}

// DiskKey opens the key of a volume or snapshot.
func (v *View) DiskKey(id string, sealed []byte) (*seal.Key, error) {
	if len(sealed) == 0 {
		return nil, nil //nolint:nilnil // it has none
	}
	if v.judge == nil {
		return nil, fmt.Errorf("open the key of %s: this host has no keys", id)
	}
	raw, err := v.judge.Keys.Disks.Open(id, sealed)
	if err != nil {
		return nil, fmt.Errorf("open the key of %s: %w", id, err)
	}
	return seal.New(raw)
}

// Credentials makes credentials of the role of an instance that is placed here. A
// host gets none for the guests of another.
func (v *View) Credentials(_ context.Context, id, delivery string) (cloud.Credentials, error) {
	r := v.db.View()
	i, ok := instances.Get(r, id)
	if !ok || i.Host != v.host || v.judge == nil {
		return cloud.Credentials{}, fmt.Errorf("make credentials of %s: it is not placed on %s", id, v.host)
	}
	return v.judge.InstanceCredentials(r, i, delivery)
}

// concerns reports whether a change may alter the assignment: the document was
// part of it, is placed here, is of an instance of it, or of a VPC of it. What
// other hosts have in the same VPC is not this host's business.
func (v *View) concerns(c store.Change) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.interest[c.Key] {
		return true
	}
	ofVPC := c.Table != (cloud.Instance{}).Table() && c.Table != (cloud.NetworkInterface{}).Table()
	return slices.ContainsFunc(c.Labels, func(l string) bool {
		if id, ok := strings.CutPrefix(l, "vpc/"); ok {
			return ofVPC && v.interest[id]
		}
		if id, ok := strings.CutPrefix(l, "instance/"); ok {
			return v.interest[id]
		}
		if id, ok := strings.CutPrefix(l, "logs/"); ok {
			return v.interest[id]
		}
		return l == v.label || v.interest[l]
	})
}

// Follow tells the views of the changes that concern them, until ctx ends.
func Follow(ctx context.Context, db *store.Store, views ...*View) {
	for since := int64(0); ; {
		changes, next, err := db.Changes(ctx, since)
		if ctx.Err() != nil || errors.Is(err, store.ErrClosed) {
			return
		}
		if err != nil { // the store says what is wrong; look again, at leisure
			time.Sleep(time.Second)
			continue
		}
		since = next
		for _, v := range views {
			if slices.ContainsFunc(changes, v.concerns) {
				v.signal()
			}
		}
	}
}

func (v *View) signal() {
	select {
	case v.changed <- struct{}{}:
	default:
	}
}
