package cli

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func (e *env) operatorCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "operator",
		Short: "Add, list and remove those who run the cloud",
	}
	c.AddCommand(e.operatorAdd(), e.operatorList(), e.operatorRemove())
	return c
}

func (e *env) operatorAdd() *cobra.Command {
	var save, asJSON bool
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Add an operator, and print its token once",
		Long: `Add an operator, and print its token once: the cloud keeps only what recognizes it.
With --save the token is not printed but kept in the caller's own configuration, and the
caller acts as that operator from then on.`,
		Example: `  vauban admin operator add alice
  VAUBAN_OPERATOR_TOKEN=vauban_op_… vauban admin account list`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			admin, err := e.admin()
			if err != nil {
				return err
			}
			made, err := admin.AddOperator(c.Context(), args[0])
			if err != nil {
				return err
			}
			switch {
			case save:
				path, err := e.cfg.SaveToken(e.getenv, made)
				if err != nil {
					return fmt.Errorf("operator %s was added, but its token could not be saved, and is lost: remove it and try again: %w", made.Name, err)
				}
				fmt.Fprintf(e.out, "operator %s was added; its token is in %s\n", made.Name, path)
			case asJSON:
				return json.NewEncoder(e.out).Encode(made)
			default:
				fmt.Fprintln(e.out, made.Token)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&save, "save", false, "keep the token in the caller's configuration instead of printing it")
	jsonFlag(c, &asJSON)
	return c
}

func (e *env) operatorList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the operators",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			admin, err := e.admin()
			if err != nil {
				return err
			}
			list, err := admin.Operators(c.Context())
			if err != nil {
				return err
			}
			return e.table(asJSON, list, "NAME\tADDED\tBY\tLAST COMMAND", func(print func(string, ...any)) {
				for _, o := range list {
					seen := "never"
					if !o.Seen.IsZero() {
						seen = o.Seen.Format(time.RFC3339)
					}
					print("%s\t%s\t%s\t%s", o.Name, o.Created.Format(time.RFC3339), or(o.By, "-"), seen)
				}
			})
		},
	}
	jsonFlag(c, &asJSON)
	return c
}

func (e *env) operatorRemove() *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove an operator",
		Long: `Remove an operator: its token means nothing from then on. What it did stays in the log.
The last operator cannot be removed. If all tokens are lost, start the cloud with
vauban up --new-operator.`,
		Example: "  vauban admin operator remove alice",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			admin, err := e.admin()
			if err != nil {
				return err
			}
			if err := admin.RemoveOperator(c.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(e.out, "operator %s was removed\n", args[0])
			return nil
		},
	}
}
