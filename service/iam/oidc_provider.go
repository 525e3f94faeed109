package iam

import (
	"context"
	"encoding/hex"
	"errors"
	"net/url"
	"slices"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// The limits of OpenID Connect providers:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const (
	maxOIDCProviders = 100
	maxClientIDs     = 100
	maxThumbprints   = 5
	maxOIDCText      = 255 // URL and client IDs, in characters
)

var oidcProviders = &register[cloud.OIDCProvider]{
	word: "oidc-provider", parameter: "openIDConnectProviderArn", least: 20, most: 2048,
	noSuch:  "OpenIDConnect Provider not found for arn %s",
	account: func(p cloud.OIDCProvider) string { return p.Account },
	tags:    func(p *cloud.OIDCProvider) *map[string]string { return &p.Tags },
}

// CreateOpenIDConnectProvider trusts a provider. Without thumbprints its
// certificate must be one that a public authority vouches for.
func (s *Service) CreateOpenIDConnectProvider(ctx context.Context, in *api.CreateOpenIDConnectProviderRequest) (*api.CreateOpenIDConnectProviderResponse, error) {
	account := cloud.CallerFrom(ctx).Account
	name, badURL := providerURL(val(in.Url))
	arn := s.arn(account, oidcProviders.word+"/"+name)
	if badURL != nil {
		arn = ""
	}
	if _, err := s.allowNew(ctx, "CreateOpenIDConnectProvider", "TagOpenIDConnectProvider", nil, in.Tags, oidcProviders.aboutName(s, account, arn)); err != nil {
		return nil, err
	}
	if badURL != nil {
		return nil, badURL
	}
	if len(in.ClientIDList) > maxClientIDs {
		return nil, quota("ClientIdsPerOpenIdConnectProvider", maxClientIDs)
	}
	var clients []string
	for _, id := range in.ClientIDList {
		if err := checkLength("clientIDList.member", id, 1, maxOIDCText); err != nil {
			return nil, err
		}
		if !slices.Contains(clients, id) {
			clients = append(clients, id)
		}
	}
	thumbprints, err := checkThumbprints(in.ThumbprintList)
	if err != nil {
		return nil, err
	}
	tags, err := addTags(nil, in.Tags, false)
	if err != nil {
		return nil, err
	}
	p := cloud.OIDCProvider{
		ARN: arn, Account: account, URL: name, Clients: clients,
		Thumbprints: thumbprints, Created: s.Judge.Now().UTC(), Tags: tags,
	}
	err = s.db().Update(ctx, func(tx *store.Tx) error {
		if oidcProviders.table.Count(tx, cloud.AccountLabel(account)) >= maxOIDCProviders {
			return quota("OpenIdConnectProvidersPerAccount", maxOIDCProviders)
		}
		return oidcProviders.table.Create(tx, p)
	})
	if errors.Is(err, store.ErrExists) {
		err = cloud.Errorf("EntityAlreadyExists", "Provider with url https://%s already exists.", name)
	}
	if err != nil {
		return nil, err
	}
	return &api.CreateOpenIDConnectProviderResponse{OpenIDConnectProviderArn: &arn, Tags: tagList(tags)}, nil
}

// providerURL returns what stands for the URL of a provider in its ARN. It must
// be what tokens say in "iss" (OpenID Connect Core 1.0, 2): https, without query
// and fragment.
func providerURL(raw string) (string, error) {
	if err := checkLength("url", raw, 1, maxOIDCText); err != nil {
		return "", err
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(raw, "#") || !isGraphicText(raw) {
		return "", cloud.Errorf("ValidationError", "Invalid Open ID Connect Provider URL %s: it must begin with https:// and have no query, fragment or user.", raw)
	}
	if u.Port() != "" {
		return "", invalidInput("The provider URL must not contain a port number.")
	}
	_, name, _ := strings.Cut(raw, "://")
	return name, nil
}

// checkThumbprints refuses what are no SHA-1 sums in hexadecimal; it returns them
// in lower case.
func checkThumbprints(list []string) ([]string, error) {
	if len(list) > maxThumbprints {
		return nil, invalidInput("Thumbprint list must contain fewer than %d entries.", maxThumbprints+1)
	}
	var lower []string
	for _, t := range list {
		if _, err := hex.DecodeString(t); err != nil || len(t) != 40 {
			return nil, constraint("thumbprintList.member", t, "Member must be 40 hexadecimal digits")
		}
		lower = append(lower, strings.ToLower(t))
	}
	return lower, nil
}

// GetOpenIDConnectProvider shows a provider.
func (s *Service) GetOpenIDConnectProvider(ctx context.Context, in *api.GetOpenIDConnectProviderRequest) (*api.GetOpenIDConnectProviderResponse, error) {
	_, p, err := oidcProviders.lookUp(ctx, s, in.OpenIDConnectProviderArn, "GetOpenIDConnectProvider", nil)
	if err != nil {
		return nil, err
	}
	return &api.GetOpenIDConnectProviderResponse{
		Url: &p.URL, ClientIDList: p.Clients, ThumbprintList: p.Thumbprints, CreateDate: &p.Created, Tags: tagList(p.Tags),
	}, nil
}

// ListOpenIDConnectProviders lists the ARNs of all providers of the account.
func (s *Service) ListOpenIDConnectProviders(ctx context.Context, _ *api.ListOpenIDConnectProvidersRequest) (*api.ListOpenIDConnectProvidersResponse, error) {
	c, err := s.allow(ctx, "ListOpenIDConnectProviders", nil)
	if err != nil {
		return nil, err
	}
	out := &api.ListOpenIDConnectProvidersResponse{OpenIDConnectProviderList: []api.OpenIDConnectProviderListEntry{}}
	for _, p := range oidcProviders.all(s, c.Account) {
		out.OpenIDConnectProviderList = append(out.OpenIDConnectProviderList, api.OpenIDConnectProviderListEntry{Arn: new(p.ARN)})
	}
	return out, nil
}

// DeleteOpenIDConnectProvider trusts a provider no more. Roles may go on naming it.
func (s *Service) DeleteOpenIDConnectProvider(ctx context.Context, in *api.DeleteOpenIDConnectProviderRequest) (*api.DeleteOpenIDConnectProviderOutput, error) {
	_, p, err := oidcProviders.lookUp(ctx, s, in.OpenIDConnectProviderArn, "DeleteOpenIDConnectProvider", nil)
	if err != nil {
		return nil, err
	}
	return done[api.DeleteOpenIDConnectProviderOutput](oidcProviders.drop(ctx, s, p, func(cloud.OIDCProvider) error { return nil }))
}

// AddClientIDToOpenIDConnectProvider trusts tokens for one more client; one that
// is there already does no harm.
func (s *Service) AddClientIDToOpenIDConnectProvider(ctx context.Context, in *api.AddClientIDToOpenIDConnectProviderRequest) (*api.AddClientIDToOpenIDConnectProviderOutput, error) {
	_, p, err := oidcProviders.lookUp(ctx, s, in.OpenIDConnectProviderArn, "AddClientIDToOpenIDConnectProvider", nil)
	if err != nil {
		return nil, err
	}
	id := val(in.ClientID)
	if err := checkLength("clientID", id, 1, maxOIDCText); err != nil {
		return nil, err
	}
	return done[api.AddClientIDToOpenIDConnectProviderOutput](oidcProviders.alter(ctx, s, p, func(_ *store.Tx, p *cloud.OIDCProvider) error {
		if slices.Contains(p.Clients, id) {
			return nil
		}
		if len(p.Clients) >= maxClientIDs {
			return quota("ClientIdsPerOpenIdConnectProvider", maxClientIDs)
		}
		p.Clients = append(p.Clients, id)
		return nil
	}))
}

// RemoveClientIDFromOpenIDConnectProvider trusts tokens for a client no more; one
// that is not there does no harm.
func (s *Service) RemoveClientIDFromOpenIDConnectProvider(ctx context.Context, in *api.RemoveClientIDFromOpenIDConnectProviderRequest) (*api.RemoveClientIDFromOpenIDConnectProviderOutput, error) {
	_, p, err := oidcProviders.lookUp(ctx, s, in.OpenIDConnectProviderArn, "RemoveClientIDFromOpenIDConnectProvider", nil)
	if err != nil {
		return nil, err
	}
	if err := checkLength("clientID", val(in.ClientID), 1, maxOIDCText); err != nil {
		return nil, err
	}
	return done[api.RemoveClientIDFromOpenIDConnectProviderOutput](oidcProviders.alter(ctx, s, p, func(_ *store.Tx, p *cloud.OIDCProvider) error {
		p.Clients = slices.DeleteFunc(p.Clients, func(id string) bool { return id == *in.ClientID })
		return nil
	}))
}

// UpdateOpenIDConnectProviderThumbprint replaces all thumbprints.
func (s *Service) UpdateOpenIDConnectProviderThumbprint(ctx context.Context, in *api.UpdateOpenIDConnectProviderThumbprintRequest) (*api.UpdateOpenIDConnectProviderThumbprintOutput, error) {
	_, p, err := oidcProviders.lookUp(ctx, s, in.OpenIDConnectProviderArn, "UpdateOpenIDConnectProviderThumbprint", nil)
	if err != nil {
		return nil, err
	}
	thumbprints, err := checkThumbprints(in.ThumbprintList)
	if err != nil {
		return nil, err
	}
	return done[api.UpdateOpenIDConnectProviderThumbprintOutput](oidcProviders.alter(ctx, s, p, func(_ *store.Tx, p *cloud.OIDCProvider) error {
		p.Thumbprints = thumbprints
		return nil
	}))
}

// TagOpenIDConnectProvider adds tags to a provider.
func (s *Service) TagOpenIDConnectProvider(ctx context.Context, in *api.TagOpenIDConnectProviderRequest) (*api.TagOpenIDConnectProviderOutput, error) {
	return done[api.TagOpenIDConnectProviderOutput](oidcProviders.tag(ctx, s, "TagOpenIDConnectProvider", in.OpenIDConnectProviderArn, in.Tags))
}

// UntagOpenIDConnectProvider removes tags from a provider.
func (s *Service) UntagOpenIDConnectProvider(ctx context.Context, in *api.UntagOpenIDConnectProviderRequest) (*api.UntagOpenIDConnectProviderOutput, error) {
	return done[api.UntagOpenIDConnectProviderOutput](oidcProviders.untag(ctx, s, "UntagOpenIDConnectProvider", in.OpenIDConnectProviderArn, in.TagKeys))
}

// ListOpenIDConnectProviderTags lists the tags of a provider.
func (s *Service) ListOpenIDConnectProviderTags(ctx context.Context, in *api.ListOpenIDConnectProviderTagsRequest) (*api.ListOpenIDConnectProviderTagsResponse, error) {
	tags, more, marker, err := oidcProviders.listTags(ctx, s, "ListOpenIDConnectProviderTags", in.OpenIDConnectProviderArn, in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return &api.ListOpenIDConnectProviderTagsResponse{Tags: tags, IsTruncated: more, Marker: marker}, nil
}
