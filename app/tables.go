package app

import (
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// The tables that this package reads or writes itself.
var (
	accounts        store.Table[cloud.Account]
	accessKeys      store.Table[cloud.AccessKey]
	controlPolicies store.Table[cloud.ControlPolicy]
	organization    store.Table[cloud.Organization]
	lists           store.Table[cloud.PrefixList]
	operators       store.Table[cloud.Operator]
	records         store.Table[cloud.OperatorRecord]
	sealedKeys      store.Table[cloud.SealedKey]
	addresses       store.Table[cloud.Address]
	hosts           store.Table[cloud.Host]
	images          store.Table[cloud.Image]
	instances       store.Table[cloud.Instance]
	interfaces      store.Table[cloud.NetworkInterface]
	settings        store.Table[cloud.Settings]
	snapshots       store.Table[cloud.Snapshot]
	volumes         store.Table[cloud.Volume]
	vpcs            store.Table[cloud.VPC]
)
