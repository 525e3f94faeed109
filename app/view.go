package app

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/node"
	"github.com/vauban-cloud/vauban/store"
)

var (
	hosts      store.Table[cloud.Host]
	instances  store.Table[cloud.Instance]
	volumes    store.Table[cloud.Volume]
	interfaces store.Table[cloud.NetworkInterface]
	addresses  store.Table[cloud.Address]
	vpcs       store.Table[cloud.VPC]
	subnets    store.Table[cloud.Subnet]
	routes     store.Table[cloud.RouteTable]
	gateways   store.Table[cloud.InternetGateway]
	groups     store.Table[cloud.SecurityGroup]
	images     store.Table[cloud.Image]
	keyPairs   store.Table[cloud.KeyPair]
	accounts   store.Table[cloud.Account]
	accessKeys store.Table[cloud.AccessKey]
)

// View is a host's window on a store in the same process: a node.View.
type View struct {
	db      *store.Store
	host    string
	place   cloud.Place
	changed chan struct{}

	mu       sync.Mutex
	interest map[string]bool // guarded by mu; keys and VPC labels of the last assignment
}

// NewView returns the host's view. Follow must run for Changed to yield.
func NewView(db *store.Store, host string, place cloud.Place) *View {
	return &View{db: db, host: host, place: place, changed: make(chan struct{}, 1)}
}

// Changed yields when Assigned may return something new.
func (v *View) Changed() <-chan struct{} { return v.changed }

// Assigned returns all that concerns the host, at one revision.
func (v *View) Assigned(context.Context) (*node.Assignment, error) {
	r := v.db.View()
	a := &node.Assignment{
		Revision: r.Revision(), Place: v.place,
		Instances: slices.Collect(instances.Select(r, "host/"+v.host)),
		Volumes:   slices.Collect(volumes.Select(r, "host/"+v.host)),
		Images:    map[string]cloud.Image{},
		Keys:      map[string]cloud.KeyPair{},
	}
	interest := map[string]bool{}
	v.addOwners(r, a)
	for _, i := range a.Instances {
		interest[i.ID] = true
		if i.Host == v.host {
			interest["vpc/"+i.VPC] = true
		}
		if img, ok := images.Get(r, i.Image); ok {
			a.Images[img.ID] = img
		}
		v.addKey(r, a, i)
	}
	for _, vol := range a.Volumes {
		interest[vol.ID] = true
	}
	for label := range interest {
		if id, ok := strings.CutPrefix(label, "vpc/"); ok {
			addVPC(r, a, id)
			interest[id] = true
		}
	}
	v.mu.Lock()
	v.interest = interest
	v.mu.Unlock()
	return a, nil
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

func addVPC(r store.Reader, a *node.Assignment, id string) {
	v, ok := vpcs.Get(r, id)
	if !ok {
		return
	}
	label := "vpc/" + id
	a.VPCs = append(a.VPCs, v)
	a.Subnets = slices.AppendSeq(a.Subnets, subnets.Select(r, label))
	a.Routes = slices.AppendSeq(a.Routes, routes.Select(r, label))
	a.Gateways = slices.AppendSeq(a.Gateways, gateways.Select(r, label))
	a.Groups = slices.AppendSeq(a.Groups, groups.Select(r, label))
	a.Interfaces = slices.AppendSeq(a.Interfaces, interfaces.Select(r, label))
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

// concerns reports whether a change may alter the assignment.
func (v *View) concerns(c store.Change) bool {
	if c.Table == (cloud.Host{}).Table() || c.Table == (cloud.Lease{}).Table() {
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.interest[c.Key] || c.Deleted {
		return true
	}
	return slices.ContainsFunc(c.Labels, func(l string) bool { return l == "host/"+v.host || v.interest[l] })
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
