package object_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/seal"
)

const childDir, childRound, childIndex = "VAUBAN_OBJECT_CHILD", "VAUBAN_OBJECT_ROUND", "VAUBAN_OBJECT_DATABASE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir, os.Getenv(childRound))
	}
	os.Exit(withDatabase(m.Run))
}

// oneKey is the same in every process.
type oneKey struct{}

func (oneKey) BucketKey(context.Context, string) (*seal.Key, error) {
	return seal.New(bytes.Repeat([]byte("k"), seal.KeySize))
}

// child writes until it is killed, and prints what was answered.
func child(dir, round string) {
	c := object.Config{Dir: dir, Keys: oneKey{}, SegmentSize: 100_000}
	if dsn := os.Getenv(childIndex); dsn != "" {
		inPostgres(&c, dsn)
	}
	s, err := object.Open(c)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	go func() {
		io.Copy(io.Discard, os.Stdin) // it ends when the parent does
		os.Exit(3)
	}()
	go s.Run(context.Background())
	for w := range 8 {
		go func() {
			for n := 0; ; n++ {
				key := fmt.Sprintf("%s-%d-%d", round, w, n)
				if err := childStep(s, key, n); err != nil {
					fmt.Println("error", err)
					os.Exit(1)
				}
				fmt.Println(key)
			}
		}()
	}
	select {}
}

// childStep puts an object, and deletes one that was put before.
func childStep(s *object.Store, key string, n int) error {
	ctx := context.Background()
	_, err := s.Put(ctx, object.PutInput{Bucket: "b", Key: key, Size: -1}, bytes.NewReader(childBody(key, n)))
	if err == nil && n%3 == 2 {
		k := strings.LastIndexByte(key, '-')
		_, err = s.Delete(ctx, "b", object.DeleteInput{Key: key[:k+1] + strconv.Itoa(n-1)})
	}
	return err
}

func childBody(key string, n int) []byte {
	return bytes.Repeat([]byte(key+"/"), []int{1, 100, 1000, 40_000}[n%4])
}

// TestKill kills a process that writes to a real file system, again and again, and holds
// that all that it was told is there, and nothing that was deleted.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	c := object.Config{Dir: dir, Keys: oneKey{}}
	if database != nil {
		dsn := database.DSN(t)
		t.Setenv(childIndex, dsn)
		inPostgres(&c, dsn)
	}
	open := func() *rig {
		s, err := object.Open(c)
		if err != nil {
			t.Fatal(err)
		}
		return &rig{Store: s, t: t, ctx: t.Context()}
	}
	r := open()
	r.must(r.CreateBucket(r.ctx, "b"))
	r.must(r.Close())
	told := map[string]int{}
	for round := range 4 {
		for _, key := range untilKilled(t, dir, round, 60+20*round) {
			told[key], _ = strconv.Atoi(key[strings.LastIndexByte(key, '-')+1:])
		}
		r := open()
		for key, n := range told {
			gone := key[:strings.LastIndexByte(key, '-')+1] + strconv.Itoa(n+1)
			_, deleted := told[gone]
			b, _, err := r.tryGet(object.GetInput{Bucket: "b", Key: key})
			switch {
			case n%3 == 1 && deleted:
				if !errors.Is(err, object.ErrNoKey) {
					t.Errorf("%s was deleted, and is back: %v", key, err)
				}
			case n%3 == 1 && errors.Is(err, object.ErrNoKey): // it was being deleted
			case err != nil || !bytes.Equal(b, childBody(key, n)):
				t.Errorf("%s has %d bytes, %v", key, len(b), err)
			}
		}
		for v, err := range r.All(r.ctx, "b", "") {
			r.must(err)
			n, _ := strconv.Atoi(v.Key[strings.LastIndexByte(v.Key, '-')+1:])
			r.holds("b", v.Key, "", childBody(v.Key, n)) // whole, told or not
		}
		r.must(r.Maintain(r.ctx))
		r.must(r.Close())
	}
}

// untilKilled runs a child until it told so many keys, and kills it.
func untilKilled(t *testing.T, dir string, round, keys int) (told []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, childRound+"="+strconv.Itoa(round))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "error") {
			t.Fatal(lines.Text())
		}
		if told = append(told, lines.Text()); len(told) == keys {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); cmd.ProcessState.Exited() {
		t.Fatalf("the child ended by itself: %v", err)
	}
	return told
}
