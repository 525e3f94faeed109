// Package cli is the command line: one file a command. It reads flags and the
// environment, calls the other rooms, and prints. Every error it returns is one
// line that names the remedy where there is one.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vauban-cloud/vauban/app"
)

// env is what every command gets.
type env struct {
	cfg    app.Config
	getenv func(string) string
	out    io.Writer
	err    io.Writer
}

// Main executes one command line as a program does: it prints the error, and returns
// the exit status, which is 1 after an error; `why` has another for a no.
func Main(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	err := Run(ctx, args, getenv, stdout, stderr)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errDenied):
		return 2
	}
	fmt.Fprintln(stderr, "vauban:", err)
	return 1
}

// Run executes one command line. args are without the program's name.
func Run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	e := &env{cfg: app.Default(), getenv: getenv, out: stdout, err: stderr}
	root := &cobra.Command{
		Use:   "vauban",
		Short: "A sovereign cloud in one binary, driven by unmodified AWS tools",
		Long: `Vauban turns Linux servers into a cloud that speaks the AWS API.

  vauban up --detach            start the cloud on this machine
  vauban image build vauban-tiny
  eval "$(vauban env)"          point aws, boto3 and Terraform at it
  aws ec2 describe-images
  vauban status                 see how every part is
  vauban admin account create   make an account for a tenant
  vauban why                    see which policy allows or denies something
  vauban down                   shut the guests down and stop

Everything is kept in one folder (--data). Two clouds with different folders,
ports and public pools can live on one machine.`,
		SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	e.globalFlags(root)
	root.AddCommand(e.upCommand(), e.downCommand(), e.envCommand(), e.statusCommand(), e.imageCommand(), e.firstGuestCommand(),
		e.adminCommand(), e.whyCommand(), e.networkCommand(), e.versionCommand())
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return root.ExecuteContext(ctx)
}

// globalFlags adds the flags that say which cloud is meant.
func (e *env) globalFlags(root *cobra.Command) {
	e.cfg.Data = or(e.getenv("VAUBAN_DATA"), e.cfg.Data)
	root.PersistentFlags().StringVar(&e.cfg.Data, "data", e.cfg.Data, "folder that keeps everything (VAUBAN_DATA)")
}

// cloudFlags adds the flags of a cloud that is about to run. Each has a
// variable of the environment.
func (e *env) cloudFlags(c *cobra.Command) {
	f, cfg := c.Flags(), &e.cfg
	text := func(p *string, name, usage string) {
		f.StringVar(p, name, or(e.getenv(variable(name)), *p), usage+" ("+variable(name)+")")
	}
	text(&cfg.Listen, "listen", "address of the API endpoint")
	text(&cfg.TLSCert, "tls-cert", "PEM file of the API endpoint's certificate, with those between it and its authority's behind it; read again when it changes; empty: plain HTTP")
	text(&cfg.TLSKey, "tls-key", "PEM file of the certificate's private key")
	text(&cfg.RootKey, "root-key", "file of the key that seals the cloud's secrets, made at the first start; empty: root.key in the data folder")
	text(&cfg.Database, "database", "PostgreSQL to keep the state in, postgres://…; empty: SQLite in the data folder")
	text(&cfg.ObjectsIndex, "objects-index", "where the index of objects is: local for the data folder, database for the PostgreSQL of --database, or postgres://…")
	f.IntVar(&cfg.ObjectsCache, "objects-cache", cfg.ObjectsCache, "MiB of memory for the plain bytes of large objects that are read often; 0 for none; by default a 64th of the host's")
	text(&cfg.Volumes, "volumes", "where volumes, snapshots and images are: local for the data folder, or ceph:POOL or ceph:USER@POOL")
	text(&cfg.CephConf, "ceph-conf", "configuration of the Ceph cluster; empty: /etc/ceph/ceph.conf")
	text(&cfg.CephKeyring, "ceph-keyring", "file with the Ceph user's key; empty: /etc/ceph/ceph.client.USER.keyring")
	text(&cfg.Place.Region, "region", "name of the region; its zones are the name with a and b")
	f.TextVar(&cfg.PublicPool, "public-pool", cfg.PublicPool, "range of public addresses ("+variable("public-pool")+")")
	f.TextVar(&cfg.IPv6Pool, "ipv6-pool", cfg.IPv6Pool, "range that VPCs get their IPv6 ranges of, a /56 each ("+variable("ipv6-pool")+")")
	f.Func("limit", "what an account may have, NAME=NUMBER such as vpcs=20; 0 is no limit; may be repeated", cfg.Limits.Set)
	f.Func("dns", "resolver, ADDRESS or ADDRESS:PORT, that guests' queries are forwarded to; may be repeated; none by default", func(v string) error {
		a, err := netip.ParseAddrPort(v)
		if err != nil {
			ip, err := netip.ParseAddr(v)
			if err != nil {
				return fmt.Errorf("%q is not ADDRESS or ADDRESS:PORT", v)
			}
			a = netip.AddrPortFrom(ip, 53)
		}
		cfg.DNS = append(cfg.DNS, a)
		return nil
	})
	f.StringSliceVar(&cfg.IdentityProviders, "identity-providers", list(e.getenv(variable("identity-providers"))),
		"hosts, HOST[,HOST], that keys of tenants' OpenID Connect providers may be fetched from; * for every public host; none by default ("+variable("identity-providers")+")")
	f.StringArrayVar(&cfg.Destinations, "notification-destination", strings.Fields(e.getenv(variable("notification-destination"))),
		"whom buckets may notify, NAME[@ACCOUNT]=URL, with https://…, http://… or file:///…; may be repeated; none by default ("+variable("notification-destination")+", with spaces between)")
	f.DurationVar(&cfg.LifecycleDay, "lifecycle-day", cfg.LifecycleDay, "how long a day is to the lifecycles of buckets; shorter ones are for tests")
	f.DurationVar(&cfg.FlowMinute, "flow-log-minute", cfg.FlowMinute, "how long a minute is to flow logs; shorter ones are for tests")
	f.DurationVar(&cfg.AccessLogs, "access-logs-every", cfg.AccessLogs, "how often the access logs of buckets are written")
	f.IntVar(&cfg.MemoryReserveMiB, "memory-reserve", cfg.MemoryReserveMiB, "MiB of memory kept for the host itself")
	f.Float64Var(&cfg.MemoryOvercommit, "memory-overcommit", cfg.MemoryOvercommit, "memory promised to guests per byte that the host has")
	f.Float64Var(&cfg.VCPUOvercommit, "vcpu-overcommit", cfg.VCPUOvercommit, "vCPUs promised to guests per processor of the host")
	f.DurationVar(&cfg.StopGrace, "stop-grace", cfg.StopGrace, "how long a guest may take to shut down before it is ended")
}

// finish completes the configuration after the flags were read.
func (e *env) finish(c *cobra.Command) error {
	cfg := &e.cfg
	for name, pool := range map[string]*netip.Prefix{"public-pool": &cfg.PublicPool, "ipv6-pool": &cfg.IPv6Pool} {
		v := e.getenv(variable(name))
		if v == "" || c.Flags().Changed(name) {
			continue
		}
		p, err := netip.ParsePrefix(v)
		if err != nil {
			return fmt.Errorf("%s=%s is not a range of addresses: set it to one such as %s", variable(name), v, pool)
		}
		*pool = p
	}
	cfg.Place.Zones = []string{cfg.Place.Region + "a", cfg.Place.Region + "b"}
	return nil
}

// variable is the environment's name for a flag.
func variable(flag string) string {
	return "VAUBAN_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// list takes names apart that commas stand between.
func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// step prints one line of progress.
func (e *env) step(format string, args ...any) { fmt.Fprintf(e.out, "==> "+format+"\n", args...) }
