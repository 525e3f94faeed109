package cli

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/vauban-cloud/vauban/app"
)

func (e *env) usageCommand() *cobra.Command {
	var filter app.UsageFilter
	var since string
	var asJSON bool
	c := &cobra.Command{
		Use:   "usage",
		Short: "Print what buckets hold, and what went in and out of them",
		Long: `Print what buckets hold, and what went in and out of them.

The numbers of what they hold are exact. Without --since they are those of now, with the
requests and bytes since the last sample; with it, the sample of each full hour, which is
kept for 400 days, also of buckets that are gone. BYTES are those of all versions, PENDING
those of uploads that are under way.`,
		Example: `  vauban admin usage
  vauban admin usage --account 219384756102 --since 24h --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if filter.Since, err = parseSince(since, time.Now()); err != nil {
				return err
			}
			admin, err := e.admin()
			if err != nil {
				return err
			}
			list, err := admin.Usage(c.Context(), filter)
			if err != nil {
				return err
			}
			const head = "TIME\tACCOUNT\tBUCKET\tOBJECTS\tVERSIONS\tBYTES\tUPLOADS\tPENDING\tREADS\tWRITES\tIN\tOUT"
			return e.table(asJSON, list, head, func(print func(string, ...any)) {
				for _, u := range list {
					print("%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d", u.Time.Format(time.RFC3339), u.Account, u.Bucket,
						u.Objects, u.Versions, u.Bytes, u.Uploads, u.Pending, u.Reads, u.Writes, u.In, u.Out)
				}
			})
		},
	}
	c.Flags().StringVar(&filter.Account, "account", "", "of this account alone")
	c.Flags().StringVar(&filter.Bucket, "bucket", "", "of buckets of this name alone")
	c.Flags().StringVar(&since, "since", "", "the samples from then on: how long ago (24h, 30m), a date, or a time as in 2026-01-31T12:00:00Z")
	jsonFlag(c, &asJSON)
	return c
}
