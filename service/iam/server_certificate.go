package iam

import (
	"context"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// certificatePrefix is that of the IDs of server certificates.
const certificatePrefix = "ASCA"

var serverCertificates = &kind[cloud.ServerCertificate]{
	word: "server-certificate", parameter: "serverCertificateName", longest: maxName, space: cloud.ServerCertificateNames,
	meta: func(v *cloud.ServerCertificate) *cloud.Meta { return &v.Meta }, quota: "ServerCertificatesPerAccount", most: 20,
	noSuch: "The Server Certificate with name %s cannot be found.", exists: "The Server Certificate with name %s already exists.",
}

// UploadServerCertificate keeps a certificate for TLS. Nobody can read its private
// key again.
func (s *Service) UploadServerCertificate(ctx context.Context, in *api.UploadServerCertificateRequest) (*api.UploadServerCertificateResponse, error) {
	account, name := cloud.CallerFrom(ctx).Account, val(in.ServerCertificateName)
	path, pathErr := pathOf(in.Path)
	if _, err := s.allowNew(ctx, "UploadServerCertificate", "TagServerCertificate", nil, in.Tags, serverCertificates.aboutName(s, account, path, name)); err != nil {
		return nil, err
	}
	if err := serverCertificates.check(name); err != nil {
		return nil, err
	}
	if pathErr != nil {
		return nil, pathErr
	}
	body, chain, key := val(in.CertificateBody), val(in.CertificateChain), val(in.PrivateKey)
	if err := checkLength("certificateBody", body, 1, maxCertificate); err != nil {
		return nil, err
	}
	if in.CertificateChain != nil {
		if err := checkLength("certificateChain", chain, 1, maxChain); err != nil {
			return nil, err
		}
	}
	if len(key) < 1 || len(key) > maxCertificate {
		return nil, constraint("privateKey", "***", "Member must have length between 1 and %d, inclusive", maxCertificate)
	}
	expires, err := checkCertificate(body, chain, key, s.Judge.Now())
	if err != nil {
		return nil, err
	}
	tags, err := addTags(nil, in.Tags, false)
	if err != nil {
		return nil, err
	}
	c := cloud.ServerCertificate{Meta: s.meta(certificatePrefix, account, tags), Name: name, Path: path, Body: body, Chain: chain, Expires: expires}
	c.Sealed = s.Judge.Keys.Secrets.Seal(c.ID, []byte(key))
	if err := s.db().Update(ctx, func(tx *store.Tx) error { return serverCertificates.create(tx, c) }); err != nil {
		return nil, err
	}
	return &api.UploadServerCertificateResponse{ServerCertificateMetadata: new(s.showCertificate(c)), Tags: tagList(tags)}, nil
}

func (s *Service) showCertificate(c cloud.ServerCertificate) api.ServerCertificateMetadata {
	return api.ServerCertificateMetadata{
		Arn: new(s.arn(c.Account, c.Resource())), Path: new(c.Path), ServerCertificateName: new(c.Name),
		ServerCertificateId: new(c.ID), UploadDate: new(c.Created), Expiration: new(c.Expires),
	}
}

// GetServerCertificate shows a certificate and its chain, but not its key.
func (s *Service) GetServerCertificate(ctx context.Context, in *api.GetServerCertificateRequest) (*api.GetServerCertificateResponse, error) {
	_, c, err := find(ctx, s, serverCertificates, in.ServerCertificateName, question{action: "GetServerCertificate"})
	if err != nil {
		return nil, err
	}
	return &api.GetServerCertificateResponse{ServerCertificate: &api.ServerCertificate{
		ServerCertificateMetadata: new(s.showCertificate(c)), CertificateBody: &c.Body, CertificateChain: opt(c.Chain), Tags: tagList(c.Tags),
	}}, nil
}

// ListServerCertificates lists certificates by name.
func (s *Service) ListServerCertificates(ctx context.Context, in *api.ListServerCertificatesRequest) (*api.ListServerCertificatesResponse, error) {
	c, err := s.allowList(ctx, "ListServerCertificates", serverCertificates.word, in.PathPrefix)
	if err != nil {
		return nil, err
	}
	if err := checkPathPrefix(in.PathPrefix); err != nil {
		return nil, err
	}
	p, err := s.page(c, "ListServerCertificates", val(in.PathPrefix), in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	page, more, marker := cut(p, list(s, serverCertificates, c.Account, in.PathPrefix), func(c cloud.ServerCertificate) string { return cloud.IAMName(c.Name) })
	out := &api.ListServerCertificatesResponse{ServerCertificateMetadataList: []api.ServerCertificateMetadata{}, IsTruncated: more, Marker: marker}
	for _, c := range page {
		out.ServerCertificateMetadataList = append(out.ServerCertificateMetadataList, s.showCertificate(c))
	}
	return out, nil
}

// UpdateServerCertificate gives a certificate another name or path.
func (s *Service) UpdateServerCertificate(ctx context.Context, in *api.UpdateServerCertificateRequest) (*api.UpdateServerCertificateOutput, error) {
	_, c, err := find(ctx, s, serverCertificates, in.ServerCertificateName, question{
		action: "UpdateServerCertificate", newPath: in.NewPath, newName: in.NewServerCertificateName,
	})
	if err != nil {
		return nil, err
	}
	if in.NewServerCertificateName != nil {
		if err := checkName("newServerCertificateName", *in.NewServerCertificateName, maxName); err != nil {
			return nil, err
		}
	}
	if in.NewPath != nil {
		if err := checkPath("newPath", *in.NewPath); err != nil {
			return nil, err
		}
	}
	return done[api.UpdateServerCertificateOutput](change(ctx, s, serverCertificates, c, func(tx *store.Tx, c *cloud.ServerCertificate) error {
		if in.NewPath != nil {
			c.Path = *in.NewPath
		}
		if in.NewServerCertificateName == nil {
			return nil
		}
		old := c.Name
		c.Name = *in.NewServerCertificateName
		return serverCertificates.rename(tx, c.Account, old, c.Name, c.ID)
	}))
}

// DeleteServerCertificate forgets a certificate and its key.
func (s *Service) DeleteServerCertificate(ctx context.Context, in *api.DeleteServerCertificateRequest) (*api.DeleteServerCertificateOutput, error) {
	_, c, err := find(ctx, s, serverCertificates, in.ServerCertificateName, question{action: "DeleteServerCertificate"})
	if err != nil {
		return nil, err
	}
	return done[api.DeleteServerCertificateOutput](remove(ctx, s, serverCertificates, c, func(*store.Tx, cloud.ServerCertificate) error { return nil }))
}

// TagServerCertificate adds tags to a certificate.
func (s *Service) TagServerCertificate(ctx context.Context, in *api.TagServerCertificateRequest) (*api.TagServerCertificateOutput, error) {
	return done[api.TagServerCertificateOutput](tag(ctx, s, serverCertificates, "TagServerCertificate", in.ServerCertificateName, in.Tags))
}

// UntagServerCertificate removes tags from a certificate.
func (s *Service) UntagServerCertificate(ctx context.Context, in *api.UntagServerCertificateRequest) (*api.UntagServerCertificateOutput, error) {
	return done[api.UntagServerCertificateOutput](untag(ctx, s, serverCertificates, "UntagServerCertificate", in.ServerCertificateName, in.TagKeys))
}

// ListServerCertificateTags lists the tags of a certificate.
func (s *Service) ListServerCertificateTags(ctx context.Context, in *api.ListServerCertificateTagsRequest) (*api.ListServerCertificateTagsResponse, error) {
	list, more, marker, err := listTags(ctx, s, serverCertificates, "ListServerCertificateTags", in.ServerCertificateName, in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return &api.ListServerCertificateTagsResponse{Tags: list, IsTruncated: more, Marker: marker}, nil
}
