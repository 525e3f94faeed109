package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/vauban-cloud/vauban/app"
)

func (e *env) statusCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show the health of every part and engine",
		Long:  "Show the health of every part and engine. The command fails when a part is not well.",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := app.NewAdmin(e.cfg, "").Status(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(e.out)
				enc.SetIndent("", "  ")
				err = enc.Encode(s)
			} else {
				e.printStatus(s)
			}
			if err == nil && !s.Healthy {
				err = errors.New("a part is not well: see above, and " + e.cfg.LogPath())
			}
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (e *env) printStatus(s app.Status) {
	fmt.Fprintf(e.out, "vauban %s, cloud %s, region %s, process %d, up for %s\n\n",
		s.Version, s.Cloud, s.Region, s.PID, time.Since(s.Started).Round(time.Second))
	for _, p := range s.Parts {
		word := "ok  "
		if !p.OK {
			word = "FAIL"
		}
		fmt.Fprintf(e.out, "  %s  %-11s %s\n", word, p.Name, p.Detail)
	}
	n := s.Counts
	fmt.Fprintf(e.out, "\n%d instances (%d running), %d volumes, %d VPCs, %d images\n", n.Instances, n.Running, n.Volumes, n.VPCs, n.Images)
}
