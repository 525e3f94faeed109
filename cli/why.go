package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vauban-cloud/vauban/app"
)

// errDenied is the outcome of a question whose answer is no: it has been printed.
var errDenied = errors.New("denied")

func (e *env) whyCommand() *cobra.Command {
	var q app.Question
	var context []string
	var asJSON bool
	c := &cobra.Command{
		Use:   "why --principal ARN --action SERVICE:OPERATION",
		Short: "Tell why a principal may do something, or may not",
		Long: `Tell why a principal may do something, or may not: which statement of which policy
decided, and what every other policy said. The decision is the one that the cloud itself
would make, on the policies of this moment.

Resources are named by their ARNs; none means all ("*"). Their tags, and all else that
policies may ask about the request, are given by --context.

Exit status: 0 if allowed, 2 if denied, 1 if the question could not be answered.`,
		Example: `  vauban why --principal arn:aws:iam::100000000001:user/alice --action ec2:RunInstances
  vauban why --principal arn:aws:iam::219384756102:root --action s3:GetObject \
    --resource arn:aws:s3:::photos/1.jpg --context aws:SourceIp=192.0.2.1 --context aws:ResourceTag/team=red`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if q.Context, err = parseContext(context); err != nil {
				return err
			}
			admin, err := e.admin()
			if err != nil {
				return err
			}
			answer, err := admin.Why(c.Context(), q)
			if err != nil {
				return err
			}
			if err := e.printAnswer(answer, asJSON); err != nil {
				return err
			}
			if !answer.Allowed {
				return errDenied
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&q.Principal, "principal", "", "ARN of an account's root, a user, a role or an assumed role")
	f.StringVar(&q.Action, "action", "", "service and operation, such as ec2:RunInstances")
	f.StringArrayVar(&q.Resources, "resource", nil, "ARN; may be repeated")
	f.StringArrayVar(&context, "context", nil, "condition key and value, KEY=VALUE; may be repeated, also for several values of a key")
	_, _ = c.MarkFlagRequired("principal"), c.MarkFlagRequired("action") // the flags are there
	jsonFlag(c, &asJSON)
	return c
}

func (e *env) printAnswer(a app.Answer, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(e.out)
		enc.SetIndent("", "  ")
		return enc.Encode(a)
	}
	for i, d := range a.Decisions {
		if i > 0 {
			fmt.Fprintln(e.out)
		}
		fmt.Fprint(e.out, d.Explanation.Text())
	}
	return nil
}

// parseContext reads KEY=VALUE pairs.
func parseContext(pairs []string) (map[string][]string, error) {
	keys := map[string][]string{}
	for _, p := range pairs {
		k, v, ok := strings.Cut(p, "=")
		if vendor, name, named := strings.Cut(k, ":"); !ok || !named || vendor == "" || name == "" {
			return nil, fmt.Errorf("%q is not KEY=VALUE: give --context a condition key such as aws:SourceIp=192.0.2.1", p)
		}
		keys[k] = append(keys[k], v)
	}
	return keys, nil
}
