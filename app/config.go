// Package app wires the rooms together: it holds the one configuration struct,
// opens the store and the drivers, and runs gateway, control plane and node
// agent in one process. It guarantees that Run returns only when all of them
// have stopped, and that guests keep running when it does, unless they were
// asked down.
package app

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/network"
	"github.com/vauban-cloud/vauban/service/ec2"
)

// Config is all that an operator can choose. Default returns the defaults.
type Config struct {
	Data         string           // folder of everything that the cloud keeps
	RootKey      string           // file of the key that seals the cloud's secrets; empty: root.key in Data
	Listen       string           // address of the API endpoint
	TLSCert      string           // file of the endpoint's certificates, its own first; empty: plain HTTP
	TLSKey       string           // file of the certificate's key
	Database     string           // postgres://… ; empty: SQLite in Data
	Volumes      string           // where volumes are: "local" (in Data), or "ceph:[USER@]POOL"
	ObjectsIndex string           // where the index of objects is: "local" (in Data), "database" (that of Database), or postgres://…
	ObjectsCache int              // MiB of memory for objects that are read often; 0: none
	CephConf     string           // the cluster's configuration; empty: /etc/ceph/ceph.conf
	CephKeyring  string           // with the user's key; empty: /etc/ceph/ceph.client.USER.keyring
	Place        cloud.Place      // region and zones
	PublicPool   netip.Prefix     // public addresses
	IPv6Pool     netip.Prefix     // what VPCs get their IPv6 ranges of, a /56 each
	Limits       ec2.Limits       // what accounts may have
	DNS          []netip.AddrPort // resolvers that guests' queries are forwarded to; empty: none
	// IdentityProviders are the hosts that keys of tenants' OpenID Connect providers
	// may be fetched from; "*": every host with a public address; empty: none.
	IdentityProviders []string
	// Destinations are whom buckets may notify, each as NAME[@ACCOUNT]=URL; see
	// notify.Parse. Empty: none.
	Destinations []string
	LifecycleDay time.Duration // how long a day is to the lifecycles of buckets; tests want it short
	FlowMinute   time.Duration // how long a minute is to flow logs; tests want it short
	AccessLogs   time.Duration // how often access logs of buckets are written

	Host             string  // name of this host
	MemoryReserveMiB int     // kept for the host itself
	MemoryOvercommit float64 // memory promised to guests, per byte that the host has
	VCPUOvercommit   float64 // vCPUs promised to guests, per processor of the host

	NewOperator bool // give the operator "local" a new token, for when none is left

	StopGrace time.Duration // what a guest gets to shut down before it is ended
}

// Default returns the configuration of a cloud whose operator chose nothing.
func Default() Config {
	return Config{
		Data:             "/var/lib/vauban",
		Listen:           "127.0.0.1:4566",
		Volumes:          localVolumes,
		ObjectsIndex:     localIndex,
		ObjectsCache:     objectsCache(),
		Place:            cloud.DefaultPlace(),
		PublicPool:       netip.MustParsePrefix("100.64.0.0/24"),
		IPv6Pool:         netip.MustParsePrefix("fd5a:c10d::/32"),
		Limits:           ec2.DefaultLimits(),
		Host:             "local",
		MemoryReserveMiB: 1024,
		MemoryOvercommit: 1,
		VCPUOvercommit:   16,
		StopGrace:        time.Minute,
		LifecycleDay:     24 * time.Hour,
		FlowMinute:       time.Minute,
		AccessLogs:       5 * time.Minute,
	}
}

// Validate reports what is wrong with the configuration, in one line that names
// the remedy.
func (c Config) Validate() error {
	switch {
	case !filepath.IsAbs(c.Data):
		return fmt.Errorf("data folder %q is not an absolute path: give --data a path that begins with /", c.Data)
	case len(c.Place.Zones) < 2:
		return errors.New("a region needs two zones: clients index the second; give --zones two names")
	case !c.PublicPool.IsValid() || !c.PublicPool.Addr().Is4() || c.PublicPool.Bits() > 30:
		return fmt.Errorf("public pool %s is not an IPv4 range of four addresses or more: give --public-pool one such as 100.64.0.0/24", c.PublicPool)
	case c.LifecycleDay < time.Second || c.AccessLogs < time.Second || c.FlowMinute < time.Second || c.FlowMinute > time.Minute:
		return errors.New("--lifecycle-day, --access-logs-every and --flow-log-minute are a second or longer, and the last one a minute at most: " +
			"leave them at 24h, 5m and 1m but for tests")
	case !c.IPv6Pool.IsValid() || !c.IPv6Pool.Addr().Is6() || c.IPv6Pool.Bits() > 56 || c.IPv6Pool.Contains(network.Metadata6):
		return fmt.Errorf("IPv6 pool %s is not an IPv6 range of /56 or larger without %s: give --ipv6-pool one such as fd5a:c10d::/32", c.IPv6Pool, network.Metadata6)
	case c.ObjectsCache < 0:
		return errors.New("--objects-cache is a number of MiB, 0 for no memory at all")
	case c.MemoryOvercommit <= 0 || c.VCPUOvercommit <= 0:
		return errors.New("an overcommit of zero or less leaves no room for guests: give a number above 0")
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("listen address %q is not HOST:PORT: give --listen one such as 127.0.0.1:4566", c.Listen)
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return errors.New("TLS takes a certificate and its key: give both --tls-cert and --tls-key, or neither for plain HTTP")
	}
	for _, h := range c.IdentityProviders {
		if h == "" || strings.ContainsAny(h, "/:@ *") && h != "*" {
			return fmt.Errorf("identity provider %q is no host: give --identity-providers names such as idp.example.org, or *", h)
		}
	}
	if _, err := c.destinations(); err != nil {
		return err
	}
	if _, _, err := c.objectsDatabase(); err != nil {
		return err
	}
	if _, _, _, err := c.pool(); err != nil {
		return err
	}
	if runtime.GOOS != "linux" {
		return errors.New("vauban runs guests on Linux only")
	}
	return nil
}

// The places below the data folder.
func (c Config) databasePath() string { return filepath.Join(c.Data, "vauban.db") }
func (c Config) guestsDir() string    { return filepath.Join(c.Data, "guests") }
func (c Config) idPath() string       { return filepath.Join(c.Data, "cloud-id") }
func (c Config) blocksDir() string    { return filepath.Join(c.Data, "disks") }
func (c Config) poolDir() string      { return filepath.Join(c.Data, "ceph") }
func (c Config) objectsDir() string   { return filepath.Join(c.Data, "objects") }
func (c Config) deadDir() string      { return filepath.Join(c.Data, "undelivered") }

// rootKeyPath is where the root key is kept.
func (c Config) rootKeyPath() string {
	return cmp.Or(c.RootKey, filepath.Join(c.Data, "root.key"))
}

// CredentialsPath is the file that `vauban env` reads.
func (c Config) CredentialsPath() string { return filepath.Join(c.Data, "credentials.json") }

// SocketPath is where the running cloud takes the operator's commands.
func (c Config) SocketPath() string { return filepath.Join(c.Data, "admin.sock") }

// LogPath is where a detached cloud writes its log.
func (c Config) LogPath() string { return filepath.Join(c.Data, "vauban.log") }

// CacheDir keeps what image builds downloaded and made.
func (c Config) CacheDir() string { return filepath.Join(c.Data, "cache") }

// KeysDir keeps the private keys that the quick start made.
func (c Config) KeysDir() string { return filepath.Join(c.Data, "keys") }
