package iam

import (
	"context"
	"errors"
	"strings"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/store"
)

// The limits of SAML providers:
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateSAMLProvider.html
const (
	maxSAMLProviders  = 100
	leastSAMLMetadata = 1000 // characters
	maxSAMLMetadata   = 10_000_000
	samlNamePattern   = `[\w._-]+`
)

// samlValid is how long a provider is valid whose metadata sets no end.
const samlValid = 100 * 365 * 24 * time.Hour

var samlProviders = &register[cloud.SAMLProvider]{
	word: "saml-provider", parameter: "samlProviderArn", least: 20, most: 2048,
	noSuch:  "Manifest not found for arn %s",
	account: func(p cloud.SAMLProvider) string { return p.Account },
	tags:    func(p *cloud.SAMLProvider) *map[string]string { return &p.Tags },
}

// CreateSAMLProvider trusts a provider that its metadata describes.
func (s *Service) CreateSAMLProvider(ctx context.Context, in *api.CreateSAMLProviderRequest) (*api.CreateSAMLProviderResponse, error) {
	account, name := cloud.CallerFrom(ctx).Account, val(in.Name)
	badName := checkSAMLName(name)
	arn := s.arn(account, samlProviders.word+"/"+name)
	if badName != nil {
		arn = ""
	}
	if _, err := s.allowNew(ctx, "CreateSAMLProvider", "TagSAMLProvider", nil, in.Tags, samlProviders.aboutName(s, account, arn)); err != nil {
		return nil, err
	}
	if badName != nil {
		return nil, badName
	}
	if err := refuseEncryption(in.AssertionEncryptionMode, in.AddPrivateKey, nil); err != nil {
		return nil, err
	}
	metadata := val(in.SAMLMetadataDocument)
	if _, err := checkSAMLMetadata(metadata); err != nil {
		return nil, err
	}
	tags, err := addTags(nil, in.Tags, false)
	if err != nil {
		return nil, err
	}
	p := cloud.SAMLProvider{ARN: arn, Account: account, Name: name, Metadata: metadata, Created: s.Judge.Now().UTC(), Tags: tags}
	err = s.db().Update(ctx, func(tx *store.Tx) error {
		if samlProviders.table.Count(tx, cloud.AccountLabel(account)) >= maxSAMLProviders {
			return quota("SAMLProvidersPerAccount", maxSAMLProviders)
		}
		if err := tx.Claim(cloud.SAMLProviderNames(account), cloud.IAMName(name), arn); err != nil {
			return err
		}
		return samlProviders.table.Create(tx, p)
	})
	if _, taken := errors.AsType[*store.ClaimedError](err); taken || errors.Is(err, store.ErrExists) {
		err = cloud.Errorf("EntityAlreadyExists", "SAMLProvider with name %s already exists.", name)
	}
	if err != nil {
		return nil, err
	}
	return &api.CreateSAMLProviderResponse{SAMLProviderArn: &arn, Tags: tagList(tags)}, nil
}

func checkSAMLName(name string) error {
	if err := checkLength("name", name, 1, maxName); err != nil {
		return err
	}
	if strings.ContainsFunc(name, func(r rune) bool { return !isWord(r) && r != '.' && r != '-' }) {
		return constraint("name", name, "%s", mustMatch(samlNamePattern))
	}
	return nil
}

// refuseEncryption refuses what assertions that are encrypted need: the cloud has
// no private keys for them.
func refuseEncryption(mode, add, remove *string) error {
	if mode != nil || add != nil || remove != nil {
		return invalidInput("Encrypted SAML assertions are not supported: leave out AssertionEncryptionMode, AddPrivateKey and RemovePrivateKey.")
	}
	return nil
}

func checkSAMLMetadata(document string) (m identity.SAMLMetadata, err error) {
	if err := checkLength("sAMLMetadataDocument", document, leastSAMLMetadata, maxSAMLMetadata); err != nil {
		return m, err
	}
	if m, err = identity.ParseSAMLMetadata(document); err != nil {
		return m, invalidInput("Could not parse metadata: %v", err)
	}
	return m, nil
}

// GetSAMLProvider shows a provider.
func (s *Service) GetSAMLProvider(ctx context.Context, in *api.GetSAMLProviderRequest) (*api.GetSAMLProviderResponse, error) {
	_, p, err := samlProviders.lookUp(ctx, s, in.SAMLProviderArn, "GetSAMLProvider", nil)
	if err != nil {
		return nil, err
	}
	return &api.GetSAMLProviderResponse{
		SAMLMetadataDocument: &p.Metadata, CreateDate: &p.Created, ValidUntil: new(samlValidUntil(p)), Tags: tagList(p.Tags),
	}, nil
}

func samlValidUntil(p cloud.SAMLProvider) time.Time {
	if m, err := identity.ParseSAMLMetadata(p.Metadata); err == nil && !m.ValidUntil.IsZero() {
		return m.ValidUntil.UTC()
	}
	return p.Created.Add(samlValid)
}

// ListSAMLProviders lists all providers of the account.
func (s *Service) ListSAMLProviders(ctx context.Context, _ *api.ListSAMLProvidersRequest) (*api.ListSAMLProvidersResponse, error) {
	c, err := s.allow(ctx, "ListSAMLProviders", nil)
	if err != nil {
		return nil, err
	}
	out := &api.ListSAMLProvidersResponse{SAMLProviderList: []api.SAMLProviderListEntry{}}
	for _, p := range samlProviders.all(s, c.Account) {
		out.SAMLProviderList = append(out.SAMLProviderList, api.SAMLProviderListEntry{Arn: new(p.ARN), CreateDate: new(p.Created), ValidUntil: new(samlValidUntil(p))})
	}
	return out, nil
}

// UpdateSAMLProvider replaces the metadata of a provider.
func (s *Service) UpdateSAMLProvider(ctx context.Context, in *api.UpdateSAMLProviderRequest) (*api.UpdateSAMLProviderResponse, error) {
	_, p, err := samlProviders.lookUp(ctx, s, in.SAMLProviderArn, "UpdateSAMLProvider", nil)
	if err != nil {
		return nil, err
	}
	if err := refuseEncryption(in.AssertionEncryptionMode, in.AddPrivateKey, in.RemovePrivateKey); err != nil {
		return nil, err
	}
	if _, err := checkSAMLMetadata(val(in.SAMLMetadataDocument)); err != nil {
		return nil, err
	}
	err = samlProviders.alter(ctx, s, p, func(_ *store.Tx, p *cloud.SAMLProvider) error {
		p.Metadata = *in.SAMLMetadataDocument
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.UpdateSAMLProviderResponse{SAMLProviderArn: &p.ARN}, nil
}

// DeleteSAMLProvider trusts a provider no more. Roles may go on naming it.
func (s *Service) DeleteSAMLProvider(ctx context.Context, in *api.DeleteSAMLProviderRequest) (*api.DeleteSAMLProviderOutput, error) {
	_, p, err := samlProviders.lookUp(ctx, s, in.SAMLProviderArn, "DeleteSAMLProvider", nil)
	if err != nil {
		return nil, err
	}
	return done[api.DeleteSAMLProviderOutput](samlProviders.drop(ctx, s, p, func(cloud.SAMLProvider) error { return nil }))
}

// TagSAMLProvider adds tags to a provider.
func (s *Service) TagSAMLProvider(ctx context.Context, in *api.TagSAMLProviderRequest) (*api.TagSAMLProviderOutput, error) {
	return done[api.TagSAMLProviderOutput](samlProviders.tag(ctx, s, "TagSAMLProvider", in.SAMLProviderArn, in.Tags))
}

// UntagSAMLProvider removes tags from a provider.
func (s *Service) UntagSAMLProvider(ctx context.Context, in *api.UntagSAMLProviderRequest) (*api.UntagSAMLProviderOutput, error) {
	return done[api.UntagSAMLProviderOutput](samlProviders.untag(ctx, s, "UntagSAMLProvider", in.SAMLProviderArn, in.TagKeys))
}

// ListSAMLProviderTags lists the tags of a provider.
func (s *Service) ListSAMLProviderTags(ctx context.Context, in *api.ListSAMLProviderTagsRequest) (*api.ListSAMLProviderTagsResponse, error) {
	tags, more, marker, err := samlProviders.listTags(ctx, s, "ListSAMLProviderTags", in.SAMLProviderArn, in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return &api.ListSAMLProviderTagsResponse{Tags: tags, IsTruncated: more, Marker: marker}, nil
}
