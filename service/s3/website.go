package s3

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
)

// maxSiteRules is how many rules that redirect a website may have.
const maxSiteRules = 50

// PutBucketWebsite has a bucket served as a website, at BUCKET.s3-website before the
// cloud's domain.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketWebsite.html
func (s *Service) PutBucketWebsite(ctx context.Context, in *api.PutBucketWebsiteRequest) (*api.PutBucketWebsiteOutput, error) {
	b, err := s.allowBucket(ctx, "PutBucketWebsite", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	if in.WebsiteConfiguration == nil {
		return nil, malformedXML()
	}
	site, err := websiteOf(in.WebsiteConfiguration)
	if err != nil {
		return nil, err
	}
	if err := s.modify(ctx, b, func(b *cloud.Bucket) error { b.Website = site; return nil }); err != nil {
		return nil, err
	}
	return &api.PutBucketWebsiteOutput{}, nil
}

// websiteOf reads and checks a configuration.
func websiteOf(c *api.WebsiteConfiguration) (*cloud.Website, error) {
	if all := c.RedirectAllRequestsTo; all != nil {
		switch {
		case c.IndexDocument != nil || c.ErrorDocument != nil || len(c.RoutingRules) > 0:
			return nil, invalid("RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.")
		case val(all.HostName) == "":
			return nil, invalid("The host name of RedirectAllRequestsTo must not be empty.")
		}
		to := &cloud.SiteRedirect{Host: *all.HostName, Protocol: val(all.Protocol)}
		return &cloud.Website{Redirect: to}, checkProtocol(to.Protocol)
	}
	if c.IndexDocument == nil {
		return nil, invalid("A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty")
	}
	site := &cloud.Website{Index: val(c.IndexDocument.Suffix)}
	if site.Index == "" || strings.Contains(site.Index, "/") {
		return nil, invalid("The IndexDocument Suffix is not well formed")
	}
	if c.ErrorDocument != nil {
		if site.Error = val(c.ErrorDocument.Key); site.Error == "" {
			return nil, invalid("The ErrorDocument Key is not well formed")
		}
	}
	if len(c.RoutingRules) > maxSiteRules {
		return nil, invalidRequest("The number of routing rules exceeds the limit of %d.", maxSiteRules)
	}
	for _, r := range c.RoutingRules {
		rule, err := siteRule(&r)
		if err != nil {
			return nil, err
		}
		site.Rules = append(site.Rules, rule)
	}
	return site, nil
}

// siteRule reads and checks a rule.
func siteRule(r *api.RoutingRule) (cloud.SiteRule, error) {
	var rule cloud.SiteRule
	if c := r.Condition; c != nil {
		rule.Prefix, rule.Status = c.KeyPrefixEquals, val(c.HttpErrorCodeReturnedEquals)
		if rule.Prefix == nil && rule.Status == "" {
			return rule, invalid("Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present.")
		}
		if rule.Status != "" && !errorStatus(rule.Status, 400, 599) {
			return rule, invalid("The provided HTTP error code (%s) is not valid. Valid codes are 4XX or 5XX.", rule.Status)
		}
	}
	to := r.Redirect
	if to == nil {
		return rule, malformedXML()
	}
	rule.Redirect = cloud.SiteRedirect{
		Host: val(to.HostName), Protocol: val(to.Protocol), Code: val(to.HttpRedirectCode), Prefix: to.ReplaceKeyPrefixWith, Key: to.ReplaceKeyWith,
	}
	switch {
	case rule.Redirect == cloud.SiteRedirect{}:
		return rule, invalid("Redirect must not be empty: give it at least one of HostName, Protocol, HttpRedirectCode, ReplaceKeyPrefixWith and ReplaceKeyWith.")
	case to.ReplaceKeyPrefixWith != nil && to.ReplaceKeyWith != nil:
		return rule, invalid("You can only define ReplaceKeyPrefix or ReplaceKey but not both.")
	case rule.Redirect.Code != "" && !errorStatus(rule.Redirect.Code, 301, 399):
		return rule, invalid("The provided HTTP redirect code (%s) is not valid. Valid codes are 3XX except 300.", rule.Redirect.Code)
	}
	return rule, checkProtocol(rule.Redirect.Protocol)
}

func errorStatus(text string, first, last int) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n >= first && n <= last
}

func checkProtocol(protocol string) error {
	if !slices.Contains([]string{"", "http", "https"}, protocol) {
		return invalid("Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically.")
	}
	return nil
}

// GetBucketWebsite tells how a bucket is served as a website.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketWebsite.html
func (s *Service) GetBucketWebsite(ctx context.Context, in *api.GetBucketWebsiteRequest) (*api.GetBucketWebsiteOutput, error) {
	b, err := s.allowBucket(ctx, "GetBucketWebsite", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	site := b.Website
	if site == nil {
		return nil, failure(http.StatusNotFound, "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")
	}
	out := &api.GetBucketWebsiteOutput{}
	if to := site.Redirect; to != nil {
		out.RedirectAllRequestsTo = &api.RedirectAllRequestsTo{HostName: &to.Host, Protocol: opt(to.Protocol)}
		return out, nil
	}
	out.IndexDocument = &api.IndexDocument{Suffix: &site.Index}
	if site.Error != "" {
		out.ErrorDocument = &api.ErrorDocument{Key: &site.Error}
	}
	for _, r := range site.Rules {
		rule := api.RoutingRule{Redirect: &api.Redirect{
			HostName: opt(r.Redirect.Host), Protocol: opt(r.Redirect.Protocol), HttpRedirectCode: opt(r.Redirect.Code),
			ReplaceKeyPrefixWith: r.Redirect.Prefix, ReplaceKeyWith: r.Redirect.Key,
		}}
		if r.Prefix != nil || r.Status != "" {
			rule.Condition = &api.Condition{KeyPrefixEquals: r.Prefix, HttpErrorCodeReturnedEquals: opt(r.Status)}
		}
		out.RoutingRules = append(out.RoutingRules, rule)
	}
	return out, nil
}

// DeleteBucketWebsite ends the website of a bucket, if it has one.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketWebsite.html
func (s *Service) DeleteBucketWebsite(ctx context.Context, in *api.DeleteBucketWebsiteRequest) (*api.DeleteBucketWebsiteOutput, error) {
	b, err := s.allowBucket(ctx, "DeleteBucketWebsite", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	if err := s.modify(ctx, b, func(b *cloud.Bucket) error { b.Website = nil; return nil }); err != nil {
		return nil, err
	}
	return &api.DeleteBucketWebsiteOutput{}, nil
}
