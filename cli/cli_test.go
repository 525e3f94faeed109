package cli_test

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/vauban-cloud/vauban/app"
	"github.com/vauban-cloud/vauban/cli"
	"github.com/vauban-cloud/vauban/test/e2e"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"vauban": func() {
		os.Exit(cli.Main(context.Background(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
	}})
}

// TestCommands plays the scripts in testdata. $BUSY is an address that is taken,
// $FREE one that is not, $POOL a free range of public addresses; the working folder
// is a data folder without a cloud. A cloud that a script leaves is taken down.
func TestCommands(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() }) // the scripts run in parallel, after this function
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("BUSY", l.Addr().String())
			e.Setenv("VAUBAN_DATA", e.WorkDir+"/data")
			free, err := freeAddress()
			if err != nil {
				return err
			}
			e.Setenv("FREE", free)
			e.Setenv("POOL", e2e.FreePool(t).String())
			e.Defer(func() { takeDown(t, app.Config{Data: e.WorkDir + "/data"}) })
			return nil
		},
	})
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// takeDown ends the cloud that a script that failed has left.
func takeDown(t *testing.T, cfg app.Config) {
	s, err := app.NewAdmin(cfg, "").Status(context.Background())
	if errors.Is(err, app.ErrNotRunning) {
		return
	}
	p, err := os.FindProcess(s.PID)
	if err == nil {
		err = p.Signal(os.Interrupt)
	}
	if err != nil {
		t.Errorf("the cloud in %s runs on: %v", cfg.Data, err)
	}
}
