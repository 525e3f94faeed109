package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/vauban-cloud/vauban/app"
)

func (e *env) accountCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "account",
		Short: "Make, show, suspend and close accounts",
	}
	c.AddCommand(
		e.accountCreate(), e.accountList(),
		e.accountVerb("show", "Show an account", "", "  vauban admin account show 219384756102"),
		e.accountVerb("suspend", "Have an account refuse every call, and stop its guests",
			`Have an account refuse every call, and stop its guests cleanly. Nothing is deleted, and
the other accounts' access to what it shares stays. activate is the way back.`, "  vauban admin account suspend 219384756102"),
		e.accountVerb("activate", "End the suspension of an account",
			"End the suspension of an account. Its guests stay stopped: their owner starts them.", "  vauban admin account activate 219384756102"),
		e.accountClose(), e.accountRootKey(),
	)
	return c
}

func (e *env) accountCreate() *cobra.Command {
	var in app.AccountWish
	var asJSON bool
	c := &cobra.Command{
		Use:   "create NAME --email ADDRESS",
		Short: "Make an account",
		Long: `Make an account, with a default network, below the root of the organization. Users of
the management account can get in by its role OrganizationAccountAccessRole, if their
policies let them assume it; with --root-key, a root access key is printed too, once.`,
		Example: `  vauban admin account create shop --email shop@example.org
  eval "$(vauban admin account create shop --email shop@example.org --root-key)"
  vauban admin account create lab --email lab@example.org --root-key --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in.Name = args[0]
			admin, err := e.admin()
			if err != nil {
				return err
			}
			made, err := admin.CreateAccount(c.Context(), in)
			if err != nil {
				return fmt.Errorf("create account %s: %w", in.Name, err)
			}
			if asJSON {
				return json.NewEncoder(e.out).Encode(made)
			}
			if made.RootKey == nil {
				fmt.Fprintln(e.out, made.Account.ID)
				return nil
			}
			fmt.Fprintf(e.out, "# account %s\n", made.Account.ID)
			e.printKey(*made.RootKey)
			return nil
		},
	}
	c.Flags().StringVar(&in.Email, "email", "", "address of the account; no other account's")
	c.Flags().BoolVar(&in.RootKey, "root-key", false, "make a root access key, and print it once")
	_ = c.MarkFlagRequired("email") // the flag is there
	jsonFlag(c, &asJSON)
	return c
}

// printKey prints a key as a shell would have it. It is not to be had again.
func (e *env) printKey(cr app.Credentials) {
	for _, v := range [][2]string{
		{"AWS_ENDPOINT_URL", cr.Endpoint},
		{"AWS_ACCESS_KEY_ID", cr.AccessKey},
		{"AWS_SECRET_ACCESS_KEY", cr.Secret},
		{"AWS_DEFAULT_REGION", cr.Region},
		{"AWS_REGION", cr.Region},
	} {
		fmt.Fprintf(e.out, "export %s=%s\n", v[0], v[1])
	}
}

func (e *env) accountList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the accounts",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			admin, err := e.admin()
			if err != nil {
				return err
			}
			list, err := admin.Accounts(c.Context())
			if err != nil {
				return err
			}
			return e.table(asJSON, list, "ACCOUNT\tNAME\tEMAIL\tSTATE\tGUESTS\tVOLUMES", func(print func(string, ...any)) {
				for _, a := range list {
					print("%s\t%s\t%s\t%s\t%d\t%d", a.ID, a.Name, a.Email, a.State, a.Instances, a.Volumes)
				}
			})
		},
	}
	jsonFlag(c, &asJSON)
	return c
}

// accountVerb is a command that does one thing with an account, and shows it.
func (e *env) accountVerb(verb, short, long, example string) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: verb + " ACCOUNT", Short: short, Long: long, Example: example,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return e.doAccount(c, verb, args[0], asJSON) },
	}
	jsonFlag(c, &asJSON)
	return c
}

func (e *env) doAccount(c *cobra.Command, verb, id string, asJSON bool) error {
	admin, err := e.admin()
	if err != nil {
		return err
	}
	a, err := admin.Account(c.Context(), verb, id)
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(e.out).Encode(a)
	}
	e.printAccount(a)
	return nil
}

func (e *env) printAccount(a app.AccountInfo) {
	state := a.State
	if !a.Changed.IsZero() {
		state += " since " + a.Changed.Format(time.RFC3339)
	}
	if a.Management {
		state += ", the management account"
	}
	fmt.Fprintf(e.out, "account  %s\nname     %s\nemail    %s\nstate    %s\ncreated  %s\nin       %s\nnetwork  %s\nguests   %d, %d running\nvolumes  %d\n",
		a.ID, a.Name, a.Email, state, a.Created.Format(time.RFC3339), a.Parent, a.DefaultVPC, a.Instances, a.Running, a.Volumes)
}

func (e *env) accountClose() *cobra.Command {
	var yes, asJSON bool
	c := &cobra.Command{
		Use:   "close ACCOUNT --yes",
		Short: "Suspend an account for ever",
		Long: `Suspend an account for ever: it refuses every call, its guests are stopped, and there is
no way back. Its data, its number and its e-mail address stay.`,
		Example: "  vauban admin account close 219384756102 --yes",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if !yes {
				return errors.New("closing an account cannot be undone: if you mean it, add --yes; to stop it for a while, use suspend")
			}
			return e.doAccount(c, "close", args[0], asJSON)
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "really close it")
	jsonFlag(c, &asJSON)
	return c
}

func (e *env) accountRootKey() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "root-key ACCOUNT",
		Short: "Make another root access key for an account, and print it once",
		Long: `Make another root access key for an account, and print it once: for tenants who locked
themselves out. The keys that are there stay; delete them with the new one.`,
		Example: `  eval "$(vauban admin account root-key 219384756102)"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			admin, err := e.admin()
			if err != nil {
				return err
			}
			key, err := admin.NewRootKey(c.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(e.out).Encode(key) //nolint:gosec // printing the secret is what was asked for
			}
			e.printKey(key)
			return nil
		},
	}
	jsonFlag(c, &asJSON)
	return c
}
