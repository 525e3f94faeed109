package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vauban-cloud/vauban/app"
)

func (e *env) networkCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "network",
		Short: "Explain what the networks of tenants do",
	}
	c.AddCommand(e.networkExplainCommand())
	return c
}

func (e *env) networkExplainCommand() *cobra.Command {
	q := app.Way{}
	var asJSON bool
	c := &cobra.Command{
		Use:   "explain --from INSTANCE --to INSTANCE|ADDRESS --port PORT",
		Short: "Tell whether a packet gets through, and which rule blocks it",
		Long: `Tell whether the first packet of a flow gets through, and the answer to it: each security
group, route, network ACL, gateway and peering that looks at it, with the rule that decides.
The rules are those that packets are carried by, at this moment.

An end is an instance (its first network interface), a network interface, or an address; an
address without a resource is outside of the cloud, or a public address in it.

Exit status: 0 if it gets through, 2 if it does not, 1 if the question could not be answered.`,
		Example: `  vauban network explain --from i-0123456789abcdef0 --to i-0fedcba9876543210 --port 443
  vauban network explain --from i-0123456789abcdef0 --to 203.0.113.7 --protocol udp --port 53
  vauban network explain --from 203.0.113.7 --to 100.64.0.10 --port 22
  vauban network explain --from eni-0123456789abcdef0 --to eni-0fedcba9876543210 --protocol icmp`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			admin, err := e.admin()
			if err != nil {
				return err
			}
			verdict, err := admin.ExplainNetwork(c.Context(), q)
			if err != nil {
				return err
			}
			if err := e.printVerdict(verdict, asJSON); err != nil {
				return err
			}
			if !verdict.Reaches {
				return errDenied
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&q.From, "from", "", "instance, network interface or address that sends")
	f.StringVar(&q.To, "to", "", "instance, network interface or address that it is sent to")
	f.StringVar(&q.Protocol, "protocol", "tcp", "tcp, udp or icmp (an echo)")
	f.IntVar(&q.ToPort, "port", 0, "port that it is sent to")
	f.IntVar(&q.FromPort, "source-port", 49152, "port that it is sent from, and answered to")
	_, _ = c.MarkFlagRequired("from"), c.MarkFlagRequired("to") // the flags are there
	jsonFlag(c, &asJSON)
	return c
}

func (e *env) printVerdict(v app.Verdict, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(e.out)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	}
	_, err := fmt.Fprint(e.out, v.Text())
	return err
}
