package sts

import (
	"context"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity/oidc"
)

// maxWebToken is the longest token of a provider, in characters.
const maxWebToken = 20000

// AssumeRoleWithWebIdentity gives credentials of a role to who shows a token of an
// OpenID Connect provider that the role's account knows and the role trusts. It
// needs no signature:
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
func (s *Service) AssumeRoleWithWebIdentity(ctx context.Context, in *sts.AssumeRoleWithWebIdentityRequest) (*sts.AssumeRoleWithWebIdentityResponse, error) {
	var f form
	f.assumption(in.RoleArn, in.DurationSeconds, in.MinimumSessionTokenSize)
	f.required("roleSessionName", in.RoleSessionName, 2, 64, namePattern)
	f.required("webIdentityToken", in.WebIdentityToken, 4, maxWebToken, nil)
	f.text("providerId", in.ProviderId, 4, 2048, nil)
	policies := f.policies(in.Policy, in.PolicyArns)
	if err := f.err(); err != nil {
		return nil, err
	}
	if in.ProviderId != nil {
		return nil, cloud.Errorf("ValidationError", "ProviderId names a provider of OAuth 2.0 access tokens, and there is none: leave it out, and pass an OpenID Connect ID token")
	}
	if err := checkRoleARN(*in.RoleArn); err != nil {
		return nil, err
	}
	provider, id, err := s.webIdentity(ctx, *in.RoleArn, *in.WebIdentityToken)
	if err != nil {
		return nil, err
	}
	passed, err := claimedTags(id.Tags, id.Transitive)
	if err != nil {
		return nil, err
	}
	out, err := s.assume(ctx, assumption{
		action: "sts:AssumeRoleWithWebIdentity", caller: federated(ctx, provider.ARN, webKeys(provider, id)),
		role: *in.RoleArn, name: *in.RoleSessionName, seconds: in.DurationSeconds, least: in.MinimumSessionTokenSize,
		tags: passed, source: id.Source, keys: map[string][]string{"aws:FederatedProvider": {provider.ARN}}, restrictions: policies,
		session: cloud.Session{Provider: provider.ARN, Claims: webKeys(provider, id)},
	})
	if err != nil {
		return nil, err
	}
	return &sts.AssumeRoleWithWebIdentityResponse{
		AssumedRoleUser: out.user, Credentials: out.credentials, SourceIdentity: opt(out.source),
		Audience: &id.Client, Provider: &id.Issuer, SubjectFromWebIdentityToken: &id.Subject,
		PackedPolicySize: out.packed, SessionTokenSize: out.size, SessionTokenUtilization: out.utilization,
	}, nil
}

// webIdentity verifies a token with the provider of its issuer in the account of
// the role.
func (s *Service) webIdentity(ctx context.Context, role, token string) (provider cloud.OIDCProvider, id oidc.Identity, err error) {
	account, _, _ := roleARN(role)
	id, err = s.Web.Verify(ctx, token, func(issuer string) (p cloud.OIDCProvider, ok bool) {
		arn := s.Judge.Place.GlobalARN("iam", account, "oidc-provider/"+strings.TrimPrefix(issuer, "https://"))
		provider, ok = oidcTable.Get(s.Judge.DB.View(), arn)
		return provider, ok
	})
	if err == nil {
		err = checkSource(id.Source)
	}
	return provider, id, err
}

// webKeys are the condition keys of a token, under the name of its provider:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
func webKeys(p cloud.OIDCProvider, id oidc.Identity) map[string][]string {
	keys := map[string][]string{p.URL + ":aud": {id.Client}, p.URL + ":sub": {id.Subject}}
	if len(id.Audience) != 1 || id.Audience[0] != id.Client {
		keys[p.URL+":oaud"] = id.Audience
	}
	if len(id.Methods) > 0 {
		keys[p.URL+":amr"] = id.Methods
	}
	return keys
}

// federated is a caller without an account whom an identity provider vouches for.
func federated(ctx context.Context, provider string, keys map[string][]string) cloud.Caller {
	c := cloud.CallerFrom(ctx)
	return cloud.Caller{
		Session:   &cloud.Session{Provider: provider, Claims: keys},
		RequestID: c.RequestID, SourceIP: c.SourceIP, UserAgent: c.UserAgent, Referer: c.Referer, Secure: c.Secure, Region: c.Region,
	}
}

// checkSource checks a source identity that comes from an identity provider.
func checkSource(source string) error {
	if source != "" && (len(source) < 2 || len(source) > 64 || !namePattern.MatchString(source)) {
		return cloud.Errorf("InvalidIdentityToken", `Source Identity must match [a-zA-Z_0-9+=,.@-]{2,64} and not begin with "aws:"`)
	}
	return nil
}
