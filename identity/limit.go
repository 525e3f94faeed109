package identity

import (
	"net/http"
	"slices"
	"strings"

	"github.com/vauban-cloud/vauban/cloud"
)

// Limit refuses what temporary credentials cannot do whatever policies say:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_sts-comparison.html.
// Credentials of GetFederationToken call neither IAM nor STS but GetCallerIdentity;
// those of GetSessionToken call IAM only if a second factor was given for them,
// and of STS only GetCallerIdentity and AssumeRole; those of a role make no new
// ones of the two kinds. The refusal is a *cloud.Error.
func Limit(c cloud.Caller, action string) error {
	if c.Session == nil || c.Account == "" {
		return nil
	}
	service, name, _ := strings.Cut(action, ":")
	switch {
	case service == "sts" && slices.Contains([]string{"GetSessionToken", "GetFederationToken"}, name):
		return &cloud.Error{
			Code: "AccessDenied", Status: http.StatusForbidden,
			Message: "Cannot call " + name + " with session credentials: sign with an access key that lasts",
		}
	case c.Type == cloud.PrincipalRole, action == "sts:GetCallerIdentity", action == "iam:PassRole":
		return nil // to pass a role is a permission for calls of other services, not a call
	case c.Type == cloud.PrincipalFederated && (service == "iam" || service == "sts"):
		return limited(c, action, "credentials of GetFederationToken can call neither IAM nor STS, but GetCallerIdentity")
	case c.Type == cloud.PrincipalFederated:
		return nil
	case service == "iam" && c.Session.MFA.IsZero():
		return limited(c, action, "credentials of GetSessionToken can call IAM only if they were made with SerialNumber and TokenCode of an MFA device")
	case service == "sts" && !slices.Contains([]string{"AssumeRole", "TagSession", "SetSourceIdentity"}, name):
		return limited(c, action, "of STS, credentials of GetSessionToken can call AssumeRole and GetCallerIdentity only")
	}
	return nil
}

func limited(c cloud.Caller, action, why string) error {
	return &cloud.Error{
		Code: "AccessDenied", Status: http.StatusForbidden,
		Message: "User: " + c.ARN + " is not authorized to perform: " + action + " because " + why,
	}
}
