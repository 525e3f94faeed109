package node

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/hypervisor"
	"github.com/vauban-cloud/vauban/driver/network/plan"
)

// World is one look at the host: what was assigned, and what the engines run.
// It is immutable.
type World struct {
	*Assignment
	Host  string
	round int64 // the agent's count when it looked

	instances  map[string]*cloud.Instance
	volumes    map[string]*cloud.Volume
	snapshots  map[string]*cloud.Snapshot
	disksOf    map[string][]*cloud.Volume           // by instance, boot disk first
	nicsOf     map[string][]*cloud.NetworkInterface // by instance, by device index
	vpcs       map[string]*cloud.VPC                // those with an instance placed here
	subnets    map[string]*cloud.Subnet
	interfaces map[string]*cloud.NetworkInterface
	guests     map[string]hypervisor.Guest
	pluggedIn  map[string]string // volume ID to the guest that has it
	full       map[string]bool   // volumes for which a guest waits until there is space

	networks  func() *plan.Index                            // made when first asked for
	byAddress func() map[vpcAddress]*cloud.NetworkInterface // made when first asked for
}

type vpcAddress struct {
	vpc     string
	address netip.Addr
}

// NewWorld returns the look at a host that runs the guests, and was assigned a.
func NewWorld(host string, a *Assignment, guests []hypervisor.Guest) *World {
	w := &World{
		Assignment: a, Host: host,
		instances:  make(map[string]*cloud.Instance, len(a.Instances)),
		volumes:    make(map[string]*cloud.Volume, len(a.Volumes)),
		snapshots:  make(map[string]*cloud.Snapshot, len(a.Snapshots)),
		disksOf:    map[string][]*cloud.Volume{},
		nicsOf:     map[string][]*cloud.NetworkInterface{},
		vpcs:       map[string]*cloud.VPC{},
		subnets:    make(map[string]*cloud.Subnet, len(a.Subnets)),
		interfaces: make(map[string]*cloud.NetworkInterface, len(a.Interfaces)),
		guests:     make(map[string]hypervisor.Guest, len(guests)),
		pluggedIn:  map[string]string{},
		full:       map[string]bool{},
	}
	for k := range a.Instances {
		w.instances[a.Instances[k].ID] = &a.Instances[k]
	}
	for k := range a.Snapshots {
		w.snapshots[a.Snapshots[k].ID] = &a.Snapshots[k]
	}
	for k := range a.VPCs {
		if _, here := slices.BinarySearch(a.Here, a.VPCs[k].ID); here {
			w.vpcs[a.VPCs[k].ID] = &a.VPCs[k]
		}
	}
	for k := range a.Subnets {
		w.subnets[a.Subnets[k].ID] = &a.Subnets[k]
	}
	for k := range a.Volumes {
		v := &a.Volumes[k]
		w.volumes[v.ID] = v
		if v.Attachment != nil {
			w.disksOf[v.Attachment.Instance] = append(w.disksOf[v.Attachment.Instance], v)
		}
	}
	for k := range a.Interfaces {
		n := &a.Interfaces[k]
		w.interfaces[n.ID] = n
		if n.Attachment != nil {
			w.nicsOf[n.Attachment.Instance] = append(w.nicsOf[n.Attachment.Instance], n)
		}
	}
	for id, disks := range w.disksOf {
		if i := w.instances[id]; i != nil {
			slices.SortFunc(disks, func(x, y *cloud.Volume) int { return cmp.Compare(bootOrder(i, x), bootOrder(i, y)) })
		}
	}
	for _, nics := range w.nicsOf {
		slices.SortFunc(nics, func(x, y *cloud.NetworkInterface) int {
			return cmp.Compare(x.Attachment.DeviceIndex, y.Attachment.DeviceIndex)
		})
	}
	for _, g := range guests {
		w.guests[g.ID] = g
		for _, d := range g.Disks {
			w.pluggedIn[d] = g.ID
		}
		for _, d := range g.Full {
			w.full[d] = true
		}
	}
	w.networks = sync.OnceValue(func() *plan.Index { return plan.NewIndex(&a.Documents) })
	w.byAddress = sync.OnceValue(w.indexAddresses)
	return w
}

// bootOrder sorts the root device first, then by device name.
func bootOrder(i *cloud.Instance, v *cloud.Volume) string {
	if v.Attachment.Device == i.RootDevice {
		return ""
	}
	return v.Attachment.Device
}

func (w *World) indexAddresses() map[vpcAddress]*cloud.NetworkInterface {
	index := make(map[vpcAddress]*cloud.NetworkInterface, len(w.interfaces))
	for _, n := range w.interfaces {
		for _, a := range n.Addresses {
			index[vpcAddress{n.VPC, a.Private}] = n
		}
		for _, a := range n.Addresses6 {
			index[vpcAddress{n.VPC, a}] = n
		}
	}
	return index
}

// InterfaceAt returns the interface that holds a private or IPv6 address of a VPC, and
// its instance; nil if there is none, or it is not attached to an instance here.
func (w *World) InterfaceAt(vpcID string, address netip.Addr) (*cloud.NetworkInterface, *cloud.Instance) {
	n := w.byAddress()[vpcAddress{vpcID, address}]
	if n == nil || n.Attachment == nil {
		return nil, nil
	}
	i := w.instances[n.Attachment.Instance]
	if i == nil || i.Host != w.Host {
		return nil, nil
	}
	return n, i
}

// Interface returns an interface by its ID, nil if unknown.
func (w *World) Interface(id string) *cloud.NetworkInterface { return w.interfaces[id] }

// InterfacesOf returns the interfaces of an instance by device index.
func (w *World) InterfacesOf(instance string) []*cloud.NetworkInterface { return w.nicsOf[instance] }

// VolumesOf returns the volumes of an instance, the root one first.
func (w *World) VolumesOf(instance string) []*cloud.Volume { return w.disksOf[instance] }

// Subnet returns a subnet by its ID, nil if unknown.
func (w *World) Subnet(id string) *cloud.Subnet { return w.subnets[id] }

// EndpointOf returns the VPC endpoint by which a subnet's packets reach the address of
// a service; empty if none leads there.
func (w *World) EndpointOf(subnet string, to netip.Addr) string {
	s := w.subnets[subnet]
	if s == nil {
		return ""
	}
	return w.networks().Endpoint(s, to)
}

// OptionsOf returns the DHCP options of a VPC, nil if it has no such document.
func (w *World) OptionsOf(v *cloud.VPC) *cloud.DHCPOptions {
	for i := range w.DHCPOptions {
		if w.DHCPOptions[i].ID == v.DHCPOptions {
			return &w.DHCPOptions[i]
		}
	}
	return nil
}

// VPC returns a VPC by its ID, nil if no instance of this host is in it.
func (w *World) VPC(id string) *cloud.VPC { return w.vpcs[id] }

// Running counts the guests whose processor runs.
func (w *World) Running() (n int) {
	for _, g := range w.guests {
		if g.State == hypervisor.Running {
			n++
		}
	}
	return n
}
