package cli

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"
)

func (e *env) envCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "env",
		Short:   "Print the variables that point AWS tools at this cloud",
		Example: `  eval "$(vauban env)"`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cr, err := e.cfg.ReadCredentials()
			if err != nil {
				return err
			}
			for _, v := range [][2]string{
				{"AWS_ENDPOINT_URL", cr.Endpoint},
				{"AWS_ACCESS_KEY_ID", cr.AccessKey},
				{"AWS_SECRET_ACCESS_KEY", cr.Secret},
				{"AWS_DEFAULT_REGION", cr.Region},
				{"AWS_REGION", cr.Region},
			} {
				fmt.Fprintf(e.out, "export %s=%s\n", v[0], v[1])
			}
			if awsIsOld(c.Context()) {
				// Debian 12's aws does not know AWS_ENDPOINT_URL.
				fmt.Fprintln(e.out, `aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }`)
			}
			return nil
		},
	}
}

// awsIsOld reports whether the aws on the PATH is older than AWS_ENDPOINT_URL,
// which came with versions 1.29.0 and 2.13.0.
func awsIsOld(ctx context.Context) bool {
	out, err := exec.CommandContext(ctx, "aws", "--version").CombinedOutput()
	if err != nil {
		return false
	}
	_, version, ok := strings.Cut(string(out), "aws-cli/")
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); !ok || err != nil {
		return false
	}
	return major == 1 && minor < 29 || major == 2 && minor < 13
}
