package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// Store keeps documents in an engine, and all of them in memory. Its methods may
// be called by many goroutines.
type Store struct {
	engine   Engine
	state    atomic.Pointer[state] // the newest published; stored by write alone
	requests chan *request         // to write, from Update
	heard    chan int64            // to write, from follow: a revision that somebody wrote
	closing  <-chan struct{}
	close    func() error
	fatal    error // why nothing can be written until a restart; used by write alone
}

// errRegressed says that the engine has less than it had: for instance after the
// failover to a replica that lagged behind, or after a restored backup. Readers
// have seen what is no more, so only a fresh start is right.
var errRegressed = errors.New("acknowledged writes are lost: check the database, then restart")

// New reads all documents from the engine, which the Store then owns: it is
// closed with it, or at once if New fails. The schema is a zero value of every
// document type that will be read or written; documents of other tables are kept
// as they are. Packages sqlite and postgres call it.
func New(ctx context.Context, engine Engine, documents ...Document) (*Store, error) {
	life, end := context.WithCancel(context.Background())
	s := &Store{
		engine:   engine,
		requests: make(chan *request),
		heard:    make(chan int64),
		closing:  life.Done(),
	}
	var running sync.WaitGroup
	s.close = sync.OnceValue(func() error {
		end()
		running.Wait()
		if err := engine.Close(); err != nil {
			return fmt.Errorf("close store: %w", err)
		}
		return nil
	})
	schema, err := newSchema(documents)
	if err == nil {
		s.publish(newState(schema))
		err = s.catchUp(func(since int64, yield func(Row) error) (Position, error) {
			return engine.Read(ctx, since, yield)
		})
	}
	if err != nil {
		s.close() //nolint:errcheck // the reason of the failure is err
		return nil, fmt.Errorf("open store: %w", err)
	}
	running.Go(func() { s.write(life) })
	running.Go(func() { s.follow(life) })
	return s, nil
}

// Close ends the store: a batch that is being written is finished, Updates that
// still wait for their turn and all Changes fail with ErrClosed. Views stay good.
func (s *Store) Close() error { return s.close() }

// View returns all documents as they are now. It costs nothing.
func (s *Store) View() *View { return &s.state.Load().view }

// publish lets everybody see the state, and wakes who waits for a change.
func (s *Store) publish(newer *state) {
	newer.next, newer.view = make(chan struct{}), View{newer}
	if old := s.state.Swap(newer); old != nil {
		close(old.next)
	}
}

// catchUp publishes what read finds that memory does not have.
func (s *Store) catchUp(read func(since int64, yield func(Row) error) (Position, error)) error {
	if s.fatal != nil {
		return s.fatal
	}
	own := s.state.Load()
	d := decoder{schema: own.schema}
	d.group.SetLimit(runtime.GOMAXPROCS(0))
	p, err := read(own.revision, d.add)
	entries, failed := d.finish()
	switch {
	case err != nil:
		return err
	case failed != nil:
		return failed
	case p.Revision < own.revision:
		s.fatal = fmt.Errorf("stored documents went back from revision %d to %d: %w", own.revision, p.Revision, errRegressed)
		return s.fatal
	case p == Position{own.revision, own.horizon}:
		return nil
	}
	newer := own.copy()
	if p.Horizon > own.revision {
		newer = newState(own.schema) // deletions that we do not know of are forgotten
	}
	newer.revision = p.Revision
	for _, e := range entries {
		newer.put(e)
	}
	newer.forget(p.Horizon)
	s.publish(newer)
	return nil
}

// decoder decodes rows on all processors.
type decoder struct {
	schema schema
	group  errgroup.Group
	rows   []Row // not yet handed to the group
	done   [][]*entry
}

func (d *decoder) add(r Row) error {
	d.rows = append(d.rows, r)
	if len(d.rows) == 256 {
		d.flush()
	}
	return nil
}

func (d *decoder) flush() {
	rows, entries := d.rows, make([]*entry, len(d.rows))
	d.rows, d.done = nil, append(d.done, entries)
	d.group.Go(func() (err error) {
		for i := range rows {
			if entries[i], err = d.schema.decode(rows[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (d *decoder) finish() ([]*entry, error) {
	d.flush()
	err := d.group.Wait()
	var all []*entry
	for _, entries := range d.done {
		all = append(all, entries...)
	}
	return all, err
}
