package sts

import (
	"context"
	"crypto/sha1" //nolint:gosec // as documented
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity/saml"
)

// maxSAML is the longest encoded response, in characters.
const maxSAML = 100000

// The attributes of an assertion that say what session to make:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_saml_assertions.html
const (
	samlAttribute  = "https://aws.amazon.com/SAML/Attributes/"
	roleAttribute  = samlAttribute + "Role"
	nameAttribute  = samlAttribute + "RoleSessionName"
	timeAttribute  = samlAttribute + "SessionDuration"
	tagAttribute   = samlAttribute + "PrincipalTag:"
	keysAttribute  = samlAttribute + "TransitiveTagKeys"
	whoAttribute   = samlAttribute + "SourceIdentity"
	formatOfNameID = "urn:oasis:names:tc:SAML:2.0:nameid-format:"
)

// AssumeRoleWithSAML gives credentials of a role to who shows an authentication
// response of a SAML provider that the role's account knows, the role trusts, and
// that asserts the role. It needs no signature:
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithSAML.html
func (s *Service) AssumeRoleWithSAML(ctx context.Context, in *sts.AssumeRoleWithSAMLRequest) (*sts.AssumeRoleWithSAMLResponse, error) {
	var f form
	f.assumption(in.RoleArn, in.DurationSeconds, in.MinimumSessionTokenSize)
	f.required("principalArn", in.PrincipalArn, 20, 2048, arnPattern)
	f.required("sAMLAssertion", in.SAMLAssertion, 4, maxSAML, nil)
	policies := f.policies(in.Policy, in.PolicyArns)
	if err := f.err(); err != nil {
		return nil, err
	}
	if err := checkRoleARN(*in.RoleArn); err != nil {
		return nil, err
	}
	account, _, _ := roleARN(*in.RoleArn)
	provider, ok := samlTable.Get(s.Judge.DB.View(), *in.PrincipalArn)
	if !ok || provider.Account != account {
		return nil, cloud.Errorf("InvalidIdentityToken", "Specified provider doesn't exist")
	}
	assertion, err := s.samlVerifier().Verify(*in.SAMLAssertion, provider)
	if err != nil {
		return nil, err
	}
	a := assumption{action: "sts:AssumeRoleWithSAML", role: *in.RoleArn, seconds: in.DurationSeconds, least: in.MinimumSessionTokenSize, restrictions: policies}
	if err := a.fromSAML(assertion, provider, s.Judge.Now()); err != nil {
		return nil, err
	}
	keys := samlKeys(assertion, provider)
	a.caller, a.keys = federated(ctx, provider.ARN, keys), map[string][]string{"aws:FederatedProvider": {provider.ARN}}
	a.session = cloud.Session{Provider: provider.ARN, Claims: keys}
	out, err := s.assume(ctx, a)
	if err != nil {
		return nil, err
	}
	return &sts.AssumeRoleWithSAMLResponse{
		AssumedRoleUser: out.user, Credentials: out.credentials, SourceIdentity: opt(out.source),
		Audience: &assertion.Recipient, Issuer: &assertion.Issuer, Subject: &assertion.Subject,
		SubjectType: opt(subjectType(assertion.Format)), NameQualifier: new(nameQualifier(assertion, provider)),
		PackedPolicySize: out.packed, SessionTokenSize: out.size, SessionTokenUtilization: out.utilization,
	}, nil
}

// samlVerifier knows by which names providers know the cloud: those of AWS, which
// providers' templates have, and its own.
func (s *Service) samlVerifier() *saml.Verifier {
	region := s.Judge.Place.Region
	recipients := []string{
		"https://signin.aws.amazon.com/saml", "https://" + region + ".signin.aws.amazon.com/saml",
		"https://signin." + region + "." + cloud.ServiceDomain + "/saml",
	}
	return &saml.Verifier{Now: s.Judge.Now, Recipients: recipients, Audiences: append([]string{"urn:amazon:webservices"}, recipients...)}
}

// fromSAML reads what session the assertion wants.
func (a *assumption) fromSAML(from saml.Assertion, p cloud.SAMLProvider, now time.Time) (err error) {
	if !slices.ContainsFunc(from.Attributes[roleAttribute], func(pair string) bool { return isPair(pair, a.role, p.ARN) }) {
		return denied("Not authorized to perform " + a.action)
	}
	if a.name, err = single(from, nameAttribute); err != nil {
		return err
	}
	switch {
	case a.name == "":
		return cloud.Errorf("InvalidIdentityToken", "RoleSessionName is required in AuthnResponse")
	case len(a.name) < 2 || len(a.name) > 64 || !namePattern.MatchString(a.name):
		return cloud.Errorf("InvalidIdentityToken", "RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}")
	}
	if a.source, err = single(from, whoAttribute); err == nil {
		err = checkSource(a.source)
	}
	if err != nil {
		return err
	}
	length, err := single(from, timeAttribute)
	if err != nil {
		return err
	}
	if length != "" && a.seconds == nil {
		n, err := strconv.ParseInt(length, 10, 32)
		if err != nil || n < shortestSession || n > longestRole {
			return cloud.Errorf("InvalidIdentityToken", "SessionDuration in AuthnResponse must be a number of %d to %d seconds", shortestSession, longestRole)
		}
		a.seconds = new(int32(n))
	}
	if !from.Ends.IsZero() {
		a.until = int32(min(int64(from.Ends.Sub(now).Seconds()), longestRole))
		if a.until < 1 {
			return cloud.Errorf("ExpiredTokenException", "The session at the identity provider has ended: sign in again")
		}
	}
	a.tags, err = samlTags(from)
	return err
}

// isPair reports whether a value of the role attribute names the role and the
// provider, in either order.
func isPair(value, role, provider string) bool {
	first, second, _ := strings.Cut(value, ",")
	first, second = strings.TrimSpace(first), strings.TrimSpace(second)
	return first == role && second == provider || first == provider && second == role
}

// single returns the one value of an attribute, empty if it is not there.
func single(from saml.Assertion, attribute string) (string, error) {
	switch values := from.Attributes[attribute]; len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	default:
		return "", cloud.Errorf("InvalidIdentityToken", "%s in AuthnResponse must have one value", strings.TrimPrefix(attribute, samlAttribute))
	}
}

func samlTags(from saml.Assertion) (tags, error) {
	values := map[string]string{}
	for name := range from.Attributes {
		if key, ok := strings.CutPrefix(name, tagAttribute); ok {
			value, err := single(from, name)
			if err != nil {
				return tags{}, err
			}
			values[key] = value
		}
	}
	return claimedTags(values, from.Attributes[keysAttribute])
}

// samlKeys are the condition keys of an assertion:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-saml
func samlKeys(a saml.Assertion, p cloud.SAMLProvider) map[string][]string {
	keys := map[string][]string{
		"saml:aud": {a.Recipient}, "saml:iss": {a.Issuer}, "saml:sub": {a.Subject},
		"saml:namequalifier": {nameQualifier(a, p)}, "saml:doc": {p.Account + "/" + p.Name},
	}
	if kind := subjectType(a.Format); kind != "" {
		keys["saml:sub_type"] = []string{kind}
	}
	return keys
}

func subjectType(format string) string { return strings.TrimPrefix(format, formatOfNameID) }

// nameQualifier makes subjects of different providers different.
func nameQualifier(a saml.Assertion, p cloud.SAMLProvider) string {
	sum := sha1.Sum([]byte(a.Issuer + p.Account + "/" + p.Name)) //nolint:gosec // as documented
	return base64.StdEncoding.EncodeToString(sum[:])
}
