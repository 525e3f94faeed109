package cli_test

import (
	"context"
	"net"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/vauban-cloud/vauban/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"vauban": func() {
		os.Exit(cli.Main(context.Background(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
	}})
}

// TestCommands plays the scripts in testdata. $BUSY is an address that is taken;
// the working folder is a data folder without a cloud.
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
			return nil
		},
	})
}
