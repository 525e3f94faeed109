package object_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"testing"

	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/object/index"
	"github.com/vauban-cloud/vauban/object/index/postgres"
	"github.com/vauban-cloud/vauban/store/postgres/pgtest"
)

// indexIn says where the index is in the tests that use newRig: "postgres", or Pebble.
const indexIn = "VAUBAN_OBJECT_INDEX"

// database, if there is one, has the indexes of all rigs. withDatabase sets it.
var database *pgtest.Server

func withDatabase(run func() int) int {
	if os.Getenv(indexIn) != "postgres" {
		return run()
	}
	var err error
	if database, err = pgtest.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer database.Stop()
	return run()
}

func inPostgres(c *object.Config, dsn string) {
	c.Index = func(failed func(error)) (index.Engine, error) {
		return postgres.Open(context.Background(), postgres.Config{Database: dsn, Log: slog.New(slog.DiscardHandler), Failed: failed})
	}
}

// TestOnPostgres runs the tests of this package again, over an index in PostgreSQL, in a
// process of their own; but for those of what is in no index, or in Pebble's alone.
func TestOnPostgres(t *testing.T) {
	if database != nil {
		t.Skip("this is it")
	}
	but, checks, crashes := "FailingIndex|Lanes|Grace|Record|Tickets", "100", "400"
	if os.Getenv("VAUBAN_SLOW") == "" {
		but, checks, crashes = but+"|FailingBytes|Rot|LostFiles|FullDisk|KeysOfEveryByte", "5", "6"
	}
	run := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^Test", "-test.skip", "^Test("+but+")$", "-rapid.checks", checks)
	run.Env = append(os.Environ(), indexIn+"=postgres", "VAUBAN_CRASHES="+crashes)
	if out, err := run.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
