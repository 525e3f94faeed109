package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vauban-cloud/vauban/app/hostview"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/control"
	"github.com/vauban-cloud/vauban/control/account"
	"github.com/vauban-cloud/vauban/control/clienttoken"
	"github.com/vauban-cloud/vauban/control/flowlog"
	"github.com/vauban-cloud/vauban/control/image"
	"github.com/vauban-cloud/vauban/control/instance"
	"github.com/vauban-cloud/vauban/control/lifecycle"
	"github.com/vauban-cloud/vauban/control/nat"
	"github.com/vauban-cloud/vauban/control/network"
	"github.com/vauban-cloud/vauban/control/networkinterface"
	"github.com/vauban-cloud/vauban/control/peering"
	"github.com/vauban-cloud/vauban/control/snapshot"
	"github.com/vauban-cloud/vauban/control/snapshotpolicy"
	"github.com/vauban-cloud/vauban/control/transfer"
	"github.com/vauban-cloud/vauban/control/volume"
	"github.com/vauban-cloud/vauban/driver/hypervisor"
	"github.com/vauban-cloud/vauban/gateway"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/identity/oidc"
	"github.com/vauban-cloud/vauban/node"
	"github.com/vauban-cloud/vauban/node/services"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/seal"
	dlmservice "github.com/vauban-cloud/vauban/service/dlm"
	ebsservice "github.com/vauban-cloud/vauban/service/ebs"
	ec2service "github.com/vauban-cloud/vauban/service/ec2"
	iamservice "github.com/vauban-cloud/vauban/service/iam"
	organizationsservice "github.com/vauban-cloud/vauban/service/organizations"
	rbinservice "github.com/vauban-cloud/vauban/service/rbin"
	s3service "github.com/vauban-cloud/vauban/service/s3"
	stsservice "github.com/vauban-cloud/vauban/service/sts"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/postgres"
	"github.com/vauban-cloud/vauban/store/sqlite"
)

// running is a cloud at work.
type running struct {
	engines
	cfg         Config
	objects     *object.Store
	tending     tending
	bucketKeys  *s3service.Keys
	log         *slog.Logger
	db          *store.Store
	engine      string // of the store, in words
	settings    cloud.Settings
	directory   *identity.Directory
	judge       *identity.Judge
	uses        *identity.Uses
	view        *hostview.View
	services    *services.Services
	agent       *node.Agent
	control     *control.Plane
	gateway     *gateway.Gateway
	certificate *gateway.Certificate // nil: the API is plain HTTP
	endpoint    string
	pid         int
	started     time.Time
	now         func() time.Time
	stop        context.CancelFunc
}

// Run serves until ctx ends or the operator asks the cloud down. ready is called
// once the API answers.
func Run(ctx context.Context, cfg Config, log *slog.Logger, ready func(Status)) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	// Guests run as users of their own and must get through to their files.
	if err := makeDir(cfg.Data); err != nil {
		return err
	}
	r := &running{cfg: cfg, log: log, pid: os.Getpid(), started: time.Now(), now: time.Now}
	ctx, r.stop = context.WithCancel(ctx)
	defer r.stop()
	if err := r.open(ctx); err != nil {
		return err
	}
	defer r.close()
	if err := r.openObjects(); err != nil {
		return err
	}
	defer r.closeObjects()
	if err := r.wire(); err != nil {
		return err
	}
	return r.serve(ctx, ready)
}

func makeDir(path string) error {
	if err := os.MkdirAll(path, 0o711); err != nil {
		return fmt.Errorf("make the data folder: %w; choose another with --data", err)
	}
	return os.Chmod(path, 0o711) //nolint:gosec // its contents have modes of their own
}

// open opens the store, and the engines for the cloud that it describes.
func (r *running) open(ctx context.Context) (err error) {
	if r.db, r.engine, err = r.cfg.openStore(ctx); err != nil {
		return err
	}
	err = r.openIdentity(ctx)
	if err == nil {
		r.settings, err = bootstrap(ctx, r.db, r.directory.Keys, r.cfg.Place, time.Now)
	}
	if err == nil {
		err = r.ensureOperator(ctx)
	}
	if err == nil {
		err = writeFile(r.cfg.idPath(), []byte(r.settings.ID+"\n"))
	}
	if err == nil {
		r.engines, err = r.cfg.openEngines(ctx, r.settings, r.log)
	}
	if err == nil {
		err = r.sweepImages(ctx, true)
	}
	if err != nil {
		r.close()
	}
	return err
}

// openIdentity opens the root key and what it seals.
func (r *running) openIdentity(ctx context.Context) error {
	root, err := r.cfg.openRootKey(r.db)
	if err != nil {
		return err
	}
	ring, err := identity.OpenKeyring(ctx, r.db, root, time.Now)
	if err != nil {
		return err
	}
	r.directory = &identity.Directory{DB: r.db, Place: r.cfg.Place, Keys: ring, Now: time.Now}
	r.judge = identity.NewJudge(r.directory)
	r.uses = identity.NewUses(r.db)
	return nil
}

// close lets go of the store and the engines. Everything acknowledged is on the
// disk, so an error here is only worth a line in the log.
func (r *running) close() {
	if err := errors.Join(r.engines.close(), r.db.Close()); err != nil {
		r.log.Warn("close", "err", err)
	}
}

func (c Config) openStore(ctx context.Context) (*store.Store, string, error) {
	if c.Database != "" {
		db, err := postgres.Open(ctx, c.Database, cloud.Documents()...)
		return db, "PostgreSQL", err
	}
	db, err := sqlite.Open(ctx, c.databasePath(), cloud.Documents()...)
	return db, "SQLite in " + filepath.Base(c.databasePath()), err
}

// wire connects the rooms.
func (r *running) wire() (err error) {
	_, accel, err := r.console.Probe(context.Background())
	if err != nil {
		return fmt.Errorf("hypervisor: %w", err)
	}
	if err := r.openTending(); err != nil {
		return err
	}
	r.view = hostview.New(r.db, r.cfg.Host, r.cfg.Place, r.judge)
	r.view.Flows, r.view.Objects = r.tending.flows.Note, depot{r: r}
	r.services = r.newServices(func(ctx context.Context, vpc string, endpoint func(string) string, l net.Listener) error {
		return r.gateway.ServeVPC(ctx, vpc, endpoint, l) // made below, before any VPC is served
	})
	r.agent = node.New(node.Config{
		Host: r.cfg.Host, View: r.view,
		Hypervisor: r.hypervisor, Changed: r.console.Changed(), Blocks: r.blocks, Images: r.images, Network: r.network,
		Services: r.services, Capacity: r.cfg.capacity(r.blocks, accel), UIDBase: uidBase(r.settings.ID),
		Log: r.log.With("room", "node"), Now: time.Now, StopGrace: r.cfg.StopGrace, FlowMinute: r.cfg.FlowMinute,
	})
	r.control = control.New(control.Config{
		DB: r.db, Holder: fmt.Sprintf("%s/%d/%s", r.cfg.Host, r.pid, cloud.NewID("run")), Now: time.Now, Log: r.log.With("room", "control"),
		Reconcilers: []control.Reconciler{
			&account.Reconciler{DB: r.db, Place: r.cfg.Place, NewID: cloud.NewID, Now: time.Now},
			&instance.Reconciler{DB: r.db, Now: time.Now},
			&volume.Reconciler{DB: r.db, Now: time.Now},
			&snapshot.Reconciler{DB: r.db, Now: time.Now},
			&transfer.Reconciler{DB: r.db, Place: r.cfg.Place, Now: time.Now},
			&image.Reconciler{DB: r.db, Now: time.Now},
			catalogue{r},
			&snapshotpolicy.Reconciler{DB: r.db, NewID: cloud.NewID, Now: time.Now, Seal: func(id string) []byte { return r.judge.Keys.Disks.Seal(id, seal.NewKey()) }},
			&network.Reconciler{DB: r.db, Place: r.cfg.Place, NewID: cloud.NewID, Now: time.Now},
			&nat.Reconciler{DB: r.db, Now: time.Now},
			&networkinterface.Reconciler{DB: r.db},
			&peering.Reconciler{DB: r.db, Now: time.Now},
			&flowlog.Reconciler{DB: r.db},
			&clienttoken.Reconciler{DB: r.db, Now: time.Now},
			lifecycle.New(lifecycle.Config{DB: r.db, Objects: r.objects, Now: time.Now, Day: r.cfg.LifecycleDay}),
		},
	})
	r.gateway, err = gateway.New(gateway.Config{
		Region: r.cfg.Place.Region, Credentials: credentials{r.directory}, Rate: gateway.DefaultRate, Log: r.log.With("room", "gateway"), Now: time.Now,
		Audit:     r.audit,
		Endpoints: r.apis().endpoints(),
	})
	return err
}

// apis makes the services.
func (r *running) apis() apis {
	objects := &s3service.Service{
		DB: r.db, Objects: r.objects, Keys: r.bucketKeys, Authz: r.judge, Place: r.cfg.Place, Now: time.Now, PageKey: r.settings.PageKey,
		Destinations: r.tending.courier, LifecycleDay: r.cfg.LifecycleDay,
	}
	return apis{
		compute: &ec2service.Service{
			DB: r.db, Authz: r.judge, Place: r.cfg.Place, Now: time.Now, NewID: cloud.NewID,
			PublicPool: r.cfg.PublicPool, IPv6Pool: r.cfg.IPv6Pool, Limits: r.cfg.Limits, Consoles: consoles{r}, PageKey: r.settings.PageKey,
			DiskKeys: r.judge.Keys.Disks, Depot: depot{r, objects},
		},
		tokens:   &stsservice.Service{Judge: r.judge, Authz: r.judge, Web: r.cfg.webIdentities()},
		people:   &iamservice.Service{Judge: r.judge, Authz: r.judge, PageKey: r.settings.PageKey},
		accounts: &organizationsservice.Service{Directory: r.directory, Authz: r.judge, PageKey: r.settings.PageKey},
		objects:  objects,
		blocks: &ebsservice.Service{
			DB: r.db, Authz: r.judge, Place: r.cfg.Place, Now: time.Now, NewID: cloud.NewID, Blocks: r.agent, DiskKeys: r.judge.Keys.Disks, Key: r.settings.PageKey,
		},
		plans: &dlmservice.Service{DB: r.db, Authz: r.judge, Place: r.cfg.Place, Now: time.Now, NewID: cloud.NewID},
		bin:   &rbinservice.Service{DB: r.db, Authz: r.judge, Place: r.cfg.Place, Now: time.Now, PageKey: r.settings.PageKey},
	}
}

// webIdentities verifies tokens of OpenID Connect providers, whose keys it fetches
// from where the operator allows.
func (c Config) webIdentities() *oidc.Verifier {
	if len(c.IdentityProviders) == 0 {
		return oidc.NewVerifier(nil, time.Now)
	}
	fetcher := oidc.NewFetcher(oidc.FetcherConfig{Hosts: c.IdentityProviders, Now: time.Now})
	return oidc.NewVerifier(oidc.NewKeys(fetcher, time.Now), time.Now)
}

// serve runs everything until ctx ends.
func (r *running) serve(ctx context.Context, ready func(Status)) error {
	var err error
	if r.certificate, err = r.openCertificate(); err != nil {
		return err
	}
	r.endpoint = r.cfg.endpointURL(r.certificate)
	admin, err := r.cfg.listenAdmin()
	if err != nil {
		return err
	}
	api, err := new(net.ListenConfig).Listen(ctx, "tcp", r.cfg.Listen)
	if err != nil {
		return errors.Join(fmt.Errorf("listen on %s: %w; choose another address with --listen", r.cfg.Listen, err), admin.Close())
	}
	if err := r.writeCredentials(); err != nil {
		return errors.Join(err, api.Close(), admin.Close())
	}
	var background sync.WaitGroup
	background.Go(func() { hostview.Follow(ctx, r.db, r.view) })
	background.Go(func() { r.agent.Run(ctx) })
	background.Go(func() { r.uses.Run(ctx) })

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.control.Run(ctx) })
	g.Go(func() error { return r.objects.Run(ctx) })
	g.Go(func() error { return r.tending.run(ctx) })
	g.Go(func() error { return r.serveAPI(ctx, api) })
	g.Go(func() error { return serveAdmin(ctx, admin, r.adminHandler()) })
	r.log.Info("cloud is up", "cloud", r.settings.ID, "endpoint", r.endpoint, "version", Version())
	ready(r.status(ctx))
	err = g.Wait()
	r.stop()
	background.Wait()
	r.services.Close()
	r.tending.end(r.log) // nobody calls any more
	r.log.Info("cloud stops; guests go on")
	return err
}

// Drain shuts down the guests of a cloud whose process is gone, for the operator of
// the token; it is recorded as any other "down".
func Drain(ctx context.Context, cfg Config, token string, log *slog.Logger, tell func(string)) error {
	r := &running{cfg: cfg, log: log, pid: os.Getpid(), now: time.Now}
	if err := r.open(ctx); err != nil {
		return err
	}
	defer r.close()
	a := node.New(node.Config{
		Host: cfg.Host, Hypervisor: r.hypervisor, Changed: r.console.Changed(), Blocks: r.blocks, Network: r.network,
		Services: r.newServices(nil), Log: log, Now: time.Now,
	})
	return r.record(ctx, token, os.Getuid(), "down", map[string]string{"process": "gone"}, func(ctx context.Context) error {
		return a.Drain(ctx, cfg.StopGrace, func(n int) { tell(fmt.Sprintf("%d guests still run", n)) })
	})
}

// newServices returns the services of the host's VPCs; api answers what guests
// ask of the cloud.
func (r *running) newServices(api services.API) *services.Services {
	return services.New(services.Config{
		API: api, Network: r.network, Place: r.cfg.Place, Upstreams: r.cfg.DNS, Key: r.settings.MetadataKey,
		Now: time.Now, Log: r.log.With("room", "services"),
		World: func() *node.World { return r.agent.World() },
		Credentials: func(ctx context.Context, instance, delivery string) (cloud.Credentials, error) {
			return r.view.Credentials(ctx, instance, delivery)
		},
	})
}

// usersPerCloud is how many users a cloud has on a machine. The last is the servers' of
// volumes in a pool, the others are guests'.
const usersPerCloud = 1 << 12

// uidBase is the first of a cloud's users, so that the guests of two clouds on one machine never
// share one.
func uidBase(cloudID string) int {
	n, _ := strconv.ParseUint(cloudID, 16, 16) // made by bootstrap
	return 1<<28 + int(n)*usersPerCloud
}

// probeStore writes to the store.
func (r *running) probeStore(ctx context.Context) error {
	return r.db.Update(ctx, func(tx *store.Tx) error {
		return settings.Modify(tx, cloud.SettingsKey, func(s *cloud.Settings) error {
			s.Probed = time.Now().UTC()
			return nil
		})
	})
}

// consoles reads guests' serial lines on this host.
type consoles struct{ r *running }

// Console returns the newest output; nothing is an answer too.
func (c consoles) Console(ctx context.Context, _, id string) ([]byte, time.Time, error) {
	b, err := c.r.console.Console(ctx, id)
	if errors.Is(err, hypervisor.ErrNoGuest) {
		return nil, time.Now(), nil
	}
	return b, time.Now(), err
}
