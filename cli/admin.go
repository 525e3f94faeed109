package cli

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/vauban-cloud/vauban/app"
)

// admin returns a client that acts as the caller's operator.
func (e *env) admin() (*app.Admin, error) {
	token, err := e.cfg.FindToken(e.getenv)
	return app.NewAdmin(e.cfg, token), err
}

func (e *env) adminCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "admin",
		Short: "Run the cloud: its accounts, its operators, and what they did",
		Long: `Run the cloud: its accounts, its operators, and what they did.

Operators are no tenants: they act through a socket on the cloud's machine, prove
themselves by a token, and everything they do is recorded. The token is looked for in
  1. the variable VAUBAN_OPERATOR_TOKEN
  2. ~/.config/vauban/operator.json, where "admin operator add --save" puts it
  3. operator.json in the data folder, for root: the operator "local"`,
		Example: `  vauban admin account create shop --email shop@example.org --root-key
  vauban admin account suspend 219384756102
  vauban admin operator add alice --save
  vauban admin log --since 24h
  vauban admin usage`,
	}
	c.AddCommand(e.accountCommand(), e.operatorCommand(), e.logCommand(), e.usageCommand())
	return c
}

// jsonFlag adds the flag that asks for JSON.
func jsonFlag(c *cobra.Command, asJSON *bool) {
	c.Flags().BoolVar(asJSON, "json", false, "print JSON")
}

// table prints rows in columns, or v as JSON.
func (e *env) table(asJSON bool, v any, head string, rows func(print func(format string, args ...any))) error {
	if asJSON {
		enc := json.NewEncoder(e.out)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	}
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, head)
	rows(func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) })
	return w.Flush()
}
