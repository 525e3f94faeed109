package matrix

import (
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	iamapi "github.com/vauban-cloud/vauban/awsapi/iam"
	api "github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/cloud"
)

var stsRows = table{
	"sts:GetCallerIdentity": func(*world) row {
		return row{in: &api.GetCallerIdentityRequest{}, open: "who signs may always ask who they are"}
	},
	"sts:GetSessionToken": func(*world) row {
		return row{in: &api.GetSessionTokenRequest{}, open: "the credentials may do nothing that the caller may not"}
	},
	"sts:AssumeRole": func(w *world) row {
		role := w.assumable("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")
		return row{
			in: &api.AssumeRoleRequest{
				RoleArn: &role, RoleSessionName: new("build"), ExternalId: new("x-1"), SourceIdentity: new("tess"),
				Tags: []api.Tag{{Key: new("stage"), Value: new("test")}},
			},
			needs: []need{
				on(role, blue, "blue", "sts:RoleSessionName", "build", "sts:ExternalId", "x-1"),
				also("sts:TagSession", role, "aws:RequestTag/stage", "test"),
				also("sts:SetSourceIdentity", role, "sts:SourceIdentity", "tess"),
			},
			other: "AccessDenied",
		}
	},
	"sts:AssumeRoleWithWebIdentity": func(w *world) row {
		role := w.assumable("sts:AssumeRoleWithWebIdentity")
		return row{
			in:        &api.AssumeRoleWithWebIdentityRequest{RoleArn: &role, RoleSessionName: new("build"), WebIdentityToken: new("no.good.token")},
			anonymous: "a token of an OpenID Connect provider proves the caller, and the role's trust policy decides", refused: "InvalidIdentityToken",
		}
	},
	"sts:AssumeRoleWithSAML": func(w *world) row {
		role := w.assumable("sts:AssumeRoleWithSAML")
		return row{
			in:        &api.AssumeRoleWithSAMLRequest{RoleArn: &role, PrincipalArn: new(w.iamARN("saml-provider/corp")), SAMLAssertion: new("bm8gZ29vZA==")},
			anonymous: "an assertion of a SAML provider proves the caller, and the role's trust policy decides", refused: "InvalidIdentityToken",
		}
	},
	"sts:GetFederationToken": func(w *world) row {
		arn := w.Place.GlobalARN("sts", Alice, "federated-user/guest")
		return row{
			in:    &api.GetFederationTokenRequest{Name: new("guest"), Policy: new(document), Tags: []api.Tag{{Key: new("stage"), Value: new("test")}}},
			needs: []need{on(arn, "aws:RequestTag/stage", "test"), also("sts:TagSession", arn, "aws:RequestTag/stage", "test")},
		}
	},
	"sts:GetAccessKeyInfo": func(w *world) row {
		w.carol()
		// AWS tells everybody whose an access key is.
		return row{in: &api.GetAccessKeyInfoRequest{AccessKeyId: new(w.key())}, shared: []string{Alice}}
	},
	"sts:DecodeAuthorizationMessage": func(w *world) row {
		_, err := w.call(w.tess[Alice].context(), "ec2:DescribeInstances", &ec2.DescribeInstancesRequest{})
		refused, ok := err.(*cloud.Error) //nolint:errorlint // as it comes from the service
		if !ok {
			w.Fatal(err)
		}
		_, message, _ := strings.Cut(refused.Message, "Encoded authorization failure message: ")
		return row{in: &api.DecodeAuthorizationMessageRequest{EncodedMessage: &message}, other: "InvalidAuthorizationMessageException"}
	},
}

// assumable makes a role of Alice's that trusts her account with the actions.
func (w *world) assumable(actions ...string) string {
	w.Helper()
	text := asJSON(w, map[string]any{"Version": "2012-10-17", "Statement": map[string]any{
		"Effect": "Allow", "Principal": map[string]string{"AWS": Alice}, "Action": actions,
	}})
	return *made[*iamapi.CreateRoleResponse](w, Alice, &iamapi.CreateRoleRequest{
		RoleName: new("guests"), Path: new(path), AssumeRolePolicyDocument: &text, Tags: blueIAM,
	}).Role.Arn
}
