package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

var (
	accounts   store.Table[cloud.Account]
	interfaces store.Table[cloud.NetworkInterface]
	volumes    store.Table[cloud.Volume]
)

// population is instances that run on hosts which are elsewhere, with all that
// a launch writes for each: a root volume, an interface, claims.
type population struct {
	account string
	vpc     string
	subnet  string
	group   string
	zone    string
	image   string
}

// elsewhere is the host of the k-th instance.
func elsewhere(k int) string { return fmt.Sprintf("elsewhere-%03d", k%500) }

// settle makes the account's documents that instances refer to.
func settle(ctx context.Context, db *store.Store, account string) (p population, err error) {
	place := cloud.DefaultPlace()
	n := cloud.DefaultNetwork(account, place, cloud.NewID, time.Now().UTC())
	p = population{account, n.VPC.ID, n.Subnets[0].ID, n.Group.ID, place.Zones[0], "ami-00000000000000001"}
	return p, db.Update(ctx, func(tx *store.Tx) error {
		if err := (store.Table[cloud.VPC]{}).Create(tx, n.VPC); err != nil {
			return err
		}
		for _, s := range n.Subnets {
			if err := (store.Table[cloud.Subnet]{}).Create(tx, s); err != nil {
				return err
			}
		}
		if err := (store.Table[cloud.SecurityGroup]{}).Create(tx, n.Group); err != nil {
			return err
		}
		return accounts.Put(tx, cloud.Account{ID: account, Name: "bench", Created: time.Now().UTC(), DefaultVPC: n.VPC.ID})
	})
}

// fill makes the instances from..to-1.
func (p population) fill(ctx context.Context, db *store.Store, from, to int) error {
	const atOnce = 2000
	for ; from < to; from += atOnce {
		err := db.Update(ctx, func(tx *store.Tx) error {
			for k := from; k < min(to, from+atOnce); k++ {
				if err := p.create(tx, k); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("fill the store: %w", err)
		}
	}
	return nil
}

func number(prefix string, k int) string { return fmt.Sprintf("%s-%017x", prefix, k+1) }

// address is the private one of the k-th instance.
func address(k int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 10<<24+uint32(k)+10) //nolint:gosec // a few hundred thousand at most
	return netip.AddrFrom4(b)
}

func (p population) create(tx *store.Tx, k int) error {
	now := time.Now().UTC()
	meta := func(prefix string) cloud.Meta {
		return cloud.Meta{ID: number(prefix, k), Account: p.account, Created: now}
	}
	i := cloud.Instance{
		Meta: meta("i"), Reservation: number("r", k), Image: p.image, Type: "t3.micro", KeyName: "me", Zone: p.zone, VPC: p.vpc, Subnet: p.subnet,
		RootDevice: "/dev/xvda", Launched: now, OnShutdown: "stop", PublicAddress: true,
		Metadata: cloud.MetadataOptions{Tokens: "optional", HopLimit: 1, Endpoint: "enabled", Tags: "disabled"},
		Want:     cloud.PowerRunning, Starts: 1, Host: elsewhere(k), Slot: k/500 + 1, Seen: cloud.InstanceSeen{Running: true, Starts: 1, Since: now},
	}
	i.Tags = map[string]string{"Name": "web-" + strconv.Itoa(k), "team": "team-" + strconv.Itoa(k%100)}
	if err := instances.Create(tx, i); err != nil {
		return err
	}
	eni := number("eni", k)
	mac := fmt.Sprintf("02:00:00:%02x:%02x:%02x", k>>16&255, k>>8&255, k&255)
	err := interfaces.Create(tx, cloud.NetworkInterface{
		Meta: meta("eni"), VPC: p.vpc, Subnet: p.subnet, Zone: p.zone, MAC: mac, Groups: []string{p.group}, SourceDestCheck: true,
		Addresses:  []cloud.PrivateAddress{{Private: address(k)}},
		Attachment: &cloud.InterfaceAttachment{ID: number("eni-attach", k), Instance: i.ID, DeleteOnTermination: true, Attached: now},
	})
	if err != nil {
		return err
	}
	err = volumes.Create(tx, cloud.Volume{
		Meta: meta("vol"), Zone: p.zone, SizeGiB: 8, Type: "gp3", IOPS: 3000, Throughput: 125, Image: p.image, Host: i.Host,
		Attachment: &cloud.Attachment{Instance: i.ID, Device: i.RootDevice, DeleteOnTermination: true, Attached: now},
		Seen:       cloud.VolumeSeen{Ready: true, Guest: i.ID},
	})
	if err != nil {
		return err
	}
	for _, c := range [][3]string{
		{cloud.MACs, mac, eni}, {cloud.PrivateAddresses(p.vpc), address(k).String(), eni}, {"slot/" + i.Host, strconv.Itoa(i.Slot), i.ID},
	} {
		if err := tx.Claim(c[0], c[1], c[2]); err != nil {
			return err
		}
	}
	return nil
}
