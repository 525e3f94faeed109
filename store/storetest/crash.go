package storetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/store"
)

// Crashes lets a child process write, kills it, and checks that every
// acknowledged transaction is there and none is there in part; round after round
// on the same documents. The test's TestMain must call Main with the same place.
type Crashes struct {
	Where  string // what Main is given in the child
	Place  Place
	Rounds int
	// Disturb, if there is one, is called while the child writes, which must then
	// go on writing.
	Disturb func() error
}

const childWhere, childRound = "VAUBAN_STORETEST_CHILD", "VAUBAN_STORETEST_ROUND"

// Main does not return in the child of a crash test, which it recognises by its
// environment: it writes to the place until it is killed.
func Main(place func(where string) Place) {
	where, ok := os.LookupEnv(childWhere)
	if !ok {
		return
	}
	go func() {
		io.Copy(io.Discard, os.Stdin) //nolint:errcheck // it ends when the parent does
		os.Exit(3)
	}()
	s, err := Open(context.Background(), place(where))
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	for w := range crashWriters {
		go crashWriter(s, crashID{os.Getenv(childRound), w})
	}
	select {}
}

const crashWriters = 4

// crashID names one writer of one round. Its transaction n puts the documents n/a
// and n/b, claims n, counts, and takes away all of n-1 if n is a multiple of three.
type crashID struct {
	round  string
	writer int
}

func (c crashID) doc(n int) string { return fmt.Sprintf("%s-%d-%d", c.round, c.writer, n) }

// counter is shared by the writers of a round.
func (c crashID) counter() string { return "round " + c.round }

func (c crashID) write(tx *store.Tx, n int) error {
	count, _ := counters.Get(tx, c.counter())
	err := errors.Join(
		things.Create(tx, Thing{ID: c.doc(n) + "/a", Group: c.round, N: n}),
		tx.Claim("number", c.doc(n), c.doc(n)),
		counters.Put(tx, Counter{c.counter(), count.N + 1}),
		things.Create(tx, Thing{ID: c.doc(n) + "/b", Group: c.round, N: n}))
	if n%3 == 0 {
		tx.ReleaseAll(c.doc(n - 1))
		err = errors.Join(err, things.Delete(tx, c.doc(n-1)+"/a"), things.Delete(tx, c.doc(n-1)+"/b"))
	}
	return err
}

// lives says whether the documents i are there after transaction n.
func lives(i, n int) bool { return i <= n && ((i+1)%3 != 0 || i+1 > n) }

func crashWriter(s *store.Store, c crashID) {
	for n := 1; ; n++ {
		err := s.Update(context.Background(), func(tx *store.Tx) error { return c.write(tx, n) })
		switch {
		case err == nil:
			fmt.Println("done", c.writer, n)
		case errors.Is(err, store.ErrUnknown):
			fmt.Println("unknown", c.writer, n)
			return
		case errors.Is(err, store.ErrExists), errors.Is(err, store.ErrNotFound):
			fmt.Println("error", err) // what was refused before was done, or the reverse
			return
		default:
			fmt.Println("refused", c.writer, n)
			n--
		}
	}
}

// Run runs the rounds.
func (c Crashes) Run(t *testing.T) {
	ended := map[crashID]int{} // the last transaction of all writers of all rounds
	transactions := 0
	for round := range c.Rounds {
		acknowledged := c.round(t, fmt.Sprint(round))
		s := open(t, c.Place)
		// A transaction that the child left under way at a server ends before this one.
		update(t, s, func(*store.Tx) error { return nil })
		sum := 0
		for w := range crashWriters {
			id := crashID{fmt.Sprint(round), w}
			n := acknowledged[w]
			transactions += n
			if _, ok := things.Get(s.View(), id.doc(n+1)+"/a"); ok {
				n++ // done, but killed before it could say so
			}
			ended[id] = n
			sum += n
		}
		count, _ := counters.Get(s.View(), crashID{round: fmt.Sprint(round)}.counter())
		equal(t, "counted transactions", count.N, sum)
		all := 0
		for id, n := range ended {
			all += checkCrashed(t, s.View(), id, n)
		}
		equal(t, "documents", things.Count(s.View(), ""), all)
		shut(t, s)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	t.Logf("%d acknowledged transactions in %d rounds", transactions, c.Rounds)
}

// checkCrashed checks the writer's documents after transaction n, and returns how
// many there are.
func checkCrashed(t *testing.T, v *store.View, id crashID, n int) int {
	docs := 0
	for i := 1; i <= n+1; i++ {
		a, hasA := things.Get(v, id.doc(i)+"/a")
		b, hasB := things.Get(v, id.doc(i)+"/b")
		_, claimed := store.Owner(v, "number", id.doc(i))
		want := lives(i, n)
		if hasA != want || hasB != want || claimed != want || want && (a.N != i || b.N != i) {
			t.Errorf("%s after transaction %d: a %v, b %v, claimed %v; want %v", id.doc(i), n, hasA, hasB, claimed, want)
		}
		if want {
			docs += 2
		}
	}
	return docs
}

// round runs a child until it is killed, and returns the last transaction that
// each writer acknowledged.
func (c Crashes) round(t *testing.T, round string) (acknowledged [crashWriters]int) {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childWhere+"="+c.Where, childRound+"="+round)
	child.Stderr = os.Stderr
	if _, err := child.StdinPipe(); err != nil { // it ends with this process
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		child.Process.Kill() //nolint:errcheck // it may have ended
		child.Wait()         //nolint:errcheck // it was killed
	}()
	watchdog := time.AfterFunc(time.Minute, func() { child.Process.Kill() })
	defer func() {
		if !watchdog.Stop() {
			t.Error("the child did not get far enough")
		}
	}()
	lines := 0
	kill := func() {
		time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
		child.Process.Kill() //nolint:errcheck // it may have ended
	}
	target := 1 + rand.IntN(120)
	for scanner := bufio.NewScanner(out); scanner.Scan(); {
		var verb string
		var w, n int
		if _, err := fmt.Sscan(scanner.Text(), &verb, &w, &n); err != nil || verb == "error" {
			t.Errorf("child says: %s", scanner.Text())
			continue
		}
		if verb == "done" {
			acknowledged[w] = n
		} else if c.Disturb == nil {
			t.Errorf("child says: %s", scanner.Text())
		}
		if lines++; lines != target {
			continue
		}
		if c.Disturb == nil {
			go kill()
			continue
		}
		// The child's lines wait in the pipe meanwhile.
		if err := c.Disturb(); err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(time.Duration(100+rand.IntN(200)) * time.Millisecond)
			kill()
		}()
	}
	return acknowledged
}
