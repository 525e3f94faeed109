// Package postgres keeps an index in a PostgreSQL database.
//
// It guarantees that one process at a time has the index, which holds a lease: an advisory
// lock of the session that writes, and an epoch that every transaction names. Who opens an
// index that another has is refused. Who lost its session takes the lease again if nobody
// else has meanwhile, and has failed otherwise: a transaction of an earlier epoch cannot
// commit. A durable batch is on the server's disk when Commit returns; many that come
// together share a transaction. A transaction whose COMMIT was not answered is looked
// up.
//
// It does not make the database highly available, and trusts the server to keep what it
// has committed: it refuses one that runs with fsync off. A pooler between must keep
// sessions.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/vauban-cloud/vauban/object/index"
)

const (
	// patience is how long a read, a batch, or who opens the index waits for a server that
	// is away, and the last also for a lease that may be about to end.
	patience = 20 * time.Second
	// settling is how long a batch waits to learn what became of its COMMIT. It has no
	// other answer, so that the engine fails then.
	settling = 2 * time.Minute
	// beat is how often the session is looked at that nobody writes by.
	beat = 2 * time.Second
	// readers is how many reads go on at once, if the connection string does not say
	// (pool_max_conns).
	readers = 16
)

// settings are those of our sessions, if the connection string does not give others.
var settings = map[string]string{
	"application_name": "vauban-objects",
	// The lease of a host that is cut off ends.
	"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3", "tcp_user_timeout": "15000",
	"idle_in_transaction_session_timeout": "10000",
	// All goes by the primary key, however small the server believes the table to be.
	"enable_seqscan": "off", "enable_bitmapscan": "off", "jit": "off",
}

// Config says where the index is.
type Config struct {
	// Database is a connection string or URL:
	// https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING.
	// The tables vauban_index and vauban_index_owner are made in the first schema of the
	// search path.
	Database string
	Log      *slog.Logger
	// Failed is told, once, that the lease is lost, or that a batch is in doubt.
	Failed func(error)
}

// Engine is an index in PostgreSQL.
type Engine struct {
	Config
	pool     *pgxpool.Pool
	owner    owner
	requests chan *request
	closing  chan struct{} // closed by Close
	ended    chan struct{} // closed when the writer has ended
	failure  error         // why it ended before Close; set before ended is closed
	away     bool          // the server, as the writer last saw it
}

// Open opens the index, and makes it if there is none. It fails if another process has
// it.
func Open(ctx context.Context, c Config) (*Engine, error) { return open(ctx, c, patience) }

func open(ctx context.Context, c Config, held time.Duration) (*Engine, error) {
	config, err := pgxpool.ParseConfig(c.Database)
	if err != nil {
		return nil, fmt.Errorf("open the object index: %w", err)
	}
	for name, value := range settings {
		if config.ConnConfig.RuntimeParams[name] == "" {
			config.ConnConfig.RuntimeParams[name] = value
		}
	}
	if stated, err := pgx.ParseConfig(c.Database); err == nil && stated.RuntimeParams["pool_max_conns"] == "" {
		config.MaxConns = readers
	}
	e := &Engine{
		Config: c, requests: make(chan *request), closing: make(chan struct{}), ended: make(chan struct{}),
	}
	host, _ := os.Hostname() //nolint:errcheck // a name for people to read
	e.owner = owner{config: config.ConnConfig.Copy(), name: fmt.Sprintf("%s, process %d", host, os.Getpid())}
	if err := e.owner.take(ctx, held); err != nil {
		e.owner.abandon()
		return nil, fmt.Errorf("open the object index in database %s: %w", config.ConnConfig.Database, err)
	}
	if e.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		e.owner.abandon()
		return nil, fmt.Errorf("open the object index: %w", err)
	}
	go e.write()
	return e, nil
}

// Close ends the lease and the connections.
func (e *Engine) Close() error {
	close(e.closing)
	<-e.ended
	e.owner.release()
	e.pool.Close()
	return nil
}

var errClosed = errors.New("the object index is closed")

var _ index.Engine = (*Engine)(nil)
