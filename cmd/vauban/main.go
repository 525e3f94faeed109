// Command vauban is the whole cloud in one binary.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/vauban-cloud/vauban/cli"
)

func main() {
	collectLate(os.Getenv)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := cli.Main(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}
