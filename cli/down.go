package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/vauban-cloud/vauban/app"
)

func (e *env) downCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "down",
		Short: "Shut the guests down and stop the cloud",
		Long: `Shut every guest down, take the networks off the host, and stop the cloud.

Nothing is lost: the next vauban up starts the guests that were running again.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := e.finish(c); err != nil {
				return err
			}
			return e.down(c.Context())
		},
	}
	e.cloudFlags(c)
	return c
}

func (e *env) down(ctx context.Context) error {
	token, err := e.cfg.FindToken(e.getenv)
	if err != nil {
		return err
	}
	admin := app.NewAdmin(e.cfg, token)
	tell := func(m string) { e.step("%s", m) }
	err = admin.Down(ctx, tell)
	if errors.Is(err, app.ErrNotRunning) {
		// Its process is gone, but guests may be there.
		if _, err := e.cfg.ReadCredentials(); err != nil {
			return err
		}
		err = app.Drain(ctx, e.cfg, token, slog.New(slog.NewTextHandler(e.err, nil)), tell)
	}
	if err != nil {
		return err
	}
	for range 500 {
		if _, err := admin.Status(ctx); errors.Is(err, app.ErrNotRunning) {
			fmt.Fprintln(e.out, "vauban is down; `vauban up` brings everything back")
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return errors.New("the guests are down, but the process still answers: see " + e.cfg.LogPath())
}
