package policy

import (
	"context"
	"net/http"
	"strings"

	"github.com/vauban-cloud/vauban/cloud"
)

// AccountRule lets the principals of an account do everything with what their
// account owns, and with what nobody owns: an ARN without an account, such as
// that of a public image. It is safe for concurrent use.
type AccountRule struct{}

// Authorize denies anonymous callers, resources of another account, and
// resources that are not ARNs.
func (AccountRule) Authorize(_ context.Context, r Request) error {
	if r.Caller.Account == "" {
		return denied(r, "*")
	}
	for _, resource := range r.Resources {
		if resource == "*" {
			continue
		}
		owner, ok := owner(resource)
		if !ok || owner != "" && owner != r.Caller.Account {
			return denied(r, resource)
		}
	}
	return nil
}

// owner returns the account of "arn:partition:service:region:account:resource".
func owner(arn string) (account string, ok bool) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" {
		return "", false
	}
	return parts[4], true
}

// denied says no in the words of the action's service:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
func denied(r Request, resource string) *cloud.Error {
	who := r.Caller.ARN
	if who == "" {
		who = "anonymous"
	}
	text := "User: " + who + " is not authorized to perform: " + r.Action + " on resource: " + resource
	service, _, _ := strings.Cut(r.Action, ":")
	switch service {
	case "ec2":
		return &cloud.Error{Code: "UnauthorizedOperation", Message: "You are not authorized to perform this operation. " + text, Status: http.StatusForbidden}
	case "kms", "logs", "cloudtrail", "organizations":
		return &cloud.Error{Code: "AccessDeniedException", Message: text, Status: http.StatusBadRequest}
	default:
		return &cloud.Error{Code: "AccessDenied", Message: text, Status: http.StatusForbidden}
	}
}
