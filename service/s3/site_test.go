package s3

import (
	"net/http"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3control"
	"github.com/aws/aws-sdk-go-v2/service/s3control/types"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
)

func TestSite(t *testing.T) {
	r := newRig(t)
	open := r.public("open")
	r.bucket("plain")
	moved := r.public("moved")
	closed := r.listed("closed", "BucketOwnerEnforced")
	for key, text := range map[string]string{"index.html": "home", "docs/index.html": "docs", "error.html": "sorry", "a b.txt": "a b", "docs/old.txt": "old"} {
		must(r.PutObject(r.ctx, &api.PutObjectRequest{Bucket: open, Key: &key, Body: strings.NewReader(text), ContentType: new("text/html")}))(t)
	}
	must(r.PutObject(r.ctx, &api.PutObjectRequest{Bucket: open, Key: new("elsewhere"), Body: strings.NewReader("x"), WebsiteRedirectLocation: new("/docs/")}))(t)
	site := func(bucket *string, c *api.WebsiteConfiguration) {
		t.Helper()
		must(r.PutBucketWebsite(r.ctx, &api.PutBucketWebsiteRequest{Bucket: bucket, WebsiteConfiguration: c}))(t)
	}
	index := &api.IndexDocument{Suffix: new("index.html")}
	site(open, &api.WebsiteConfiguration{IndexDocument: index, ErrorDocument: &api.ErrorDocument{Key: new("error.html")}, RoutingRules: []api.RoutingRule{
		{Condition: &api.Condition{KeyPrefixEquals: new("blog/")}, Redirect: &api.Redirect{ReplaceKeyPrefixWith: new("docs/"), HttpRedirectCode: new("302")}},
		{Condition: &api.Condition{KeyPrefixEquals: new("shop/"), HttpErrorCodeReturnedEquals: new("403")}, Redirect: &api.Redirect{HostName: new("shop.example.com"), Protocol: new("https"), ReplaceKeyWith: new("all")}},
	}})
	site(moved, &api.WebsiteConfiguration{RedirectAllRequestsTo: &api.RedirectAllRequestsTo{HostName: new("new.example.com"), Protocol: new("https")}})
	site(closed, &api.WebsiteConfiguration{IndexDocument: index, ErrorDocument: &api.ErrorDocument{Key: new("error.html")}})
	d := door{t, r.listen()}
	for name, c := range map[string]struct {
		method, host, path string
		header             map[string]string
		status             int
		want, location     string
	}{
		"home":           {"GET", "open.s3-website.localhost", "/", nil, 200, "home", ""},
		"by region":      {"GET", "open.s3-website-eu-paris-1.localhost:4566", "/", nil, 200, "home", ""},
		"by region, dot": {"GET", "open.s3-website.eu-paris-1.localhost", "/docs/", nil, 200, "docs", ""},
		"a key":          {"GET", "open.s3-website.localhost", "/a%20b.txt", nil, 200, "a b", ""},
		"range":          {"GET", "open.s3-website.localhost", "/a%20b.txt", map[string]string{"Range": "bytes=2-2"}, 206, "b", ""},
		"head":           {"HEAD", "open.s3-website.localhost", "/a%20b.txt", nil, 200, "", ""},
		"folder":         {"GET", "open.s3-website.localhost", "/docs", nil, 302, "", "/docs/"},
		"object's own":   {"GET", "open.s3-website.localhost", "/elsewhere", nil, 301, "", "/docs/"},
		"missing":        {"GET", "open.s3-website.localhost", "/none", nil, 403, "sorry", ""},
		"missing, head":  {"HEAD", "open.s3-website.localhost", "/none", nil, 403, "", ""},
		"rule":           {"GET", "open.s3-website.localhost", "/blog/old.txt", nil, 302, "", "http://open.s3-website.localhost/docs/old.txt"},
		"rule on error":  {"GET", "open.s3-website.localhost", "/shop/1", nil, 301, "", "https://shop.example.com/all"},
		"write":          {"PUT", "open.s3-website.localhost", "/x", nil, 405, "<li>Code: MethodNotAllowed</li>", ""},
		"all redirected": {"GET", "moved.s3-website.localhost", "/a%20b?x=1", nil, 301, "", "https://new.example.com/a%20b?x=1"},
		"closed":         {"GET", "closed.s3-website.localhost", "/k", nil, 403, "<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>", ""},
		"no website":     {"GET", "plain.s3-website.localhost", "/", nil, 404, "<li>Code: NoSuchWebsiteConfiguration</li>", ""},
		"no bucket":      {"GET", "none.s3-website.localhost", "/", nil, 404, "<li>Code: NoSuchBucket</li>", ""},
	} {
		response, body := d.ask(c.method, c.host, c.path, c.header, nil)
		if response.StatusCode != c.status || !strings.Contains(body, c.want) || response.Header.Get("Location") != c.location {
			t.Errorf("%s: status %d, %s, location %q; want %d, %s, %q", name, response.StatusCode, body, response.Header.Get("Location"), c.status, c.want, c.location)
		}
	}
	response, _ := d.ask("GET", "open.s3-website.localhost", "/", nil, nil)
	if response, _ := d.ask("GET", "open.s3-website.localhost", "/", map[string]string{"If-None-Match": response.Header.Get("ETag")}, nil); response.StatusCode != 304 {
		t.Errorf("what the browser has: status %d", response.StatusCode)
	}
	if response, body := d.ask("GET", "", "/open/elsewhere", nil, nil); response.StatusCode != 200 || body != "x" || response.Header.Get("x-amz-website-redirect-location") != "/docs/" {
		t.Errorf("beside the website: status %d, %s", response.StatusCode, body)
	}
}

func TestBucketWebsite(t *testing.T) {
	r := newRig(t)
	r.bucket("one")
	one := new("one")
	index := &api.IndexDocument{Suffix: new("index.html")}
	rule := func(c *api.Condition, to *api.Redirect) *api.WebsiteConfiguration {
		return &api.WebsiteConfiguration{IndexDocument: index, RoutingRules: []api.RoutingRule{{Condition: c, Redirect: to}}}
	}
	all := &api.RedirectAllRequestsTo{HostName: new("h")}
	for name, c := range map[string]struct {
		in   *api.WebsiteConfiguration
		code string
	}{
		"index":          {&api.WebsiteConfiguration{IndexDocument: index}, ""},
		"all":            {&api.WebsiteConfiguration{RedirectAllRequestsTo: all}, ""},
		"nothing":        {nil, "MalformedXML"},
		"empty":          {&api.WebsiteConfiguration{}, "InvalidArgument"},
		"both":           {&api.WebsiteConfiguration{IndexDocument: index, RedirectAllRequestsTo: all}, "InvalidArgument"},
		"slash":          {&api.WebsiteConfiguration{IndexDocument: &api.IndexDocument{Suffix: new("a/b")}}, "InvalidArgument"},
		"no error key":   {&api.WebsiteConfiguration{IndexDocument: index, ErrorDocument: &api.ErrorDocument{Key: new("")}}, "InvalidArgument"},
		"bad protocol":   {rule(nil, &api.Redirect{Protocol: new("ftp")}), "InvalidArgument"},
		"bad status":     {rule(&api.Condition{HttpErrorCodeReturnedEquals: new("200")}, &api.Redirect{HostName: new("h")}), "InvalidArgument"},
		"bad code":       {rule(nil, &api.Redirect{HttpRedirectCode: new("200")}), "InvalidArgument"},
		"no condition":   {rule(&api.Condition{}, &api.Redirect{HostName: new("h")}), "InvalidArgument"},
		"no redirect":    {rule(nil, nil), "MalformedXML"},
		"empty redirect": {rule(nil, &api.Redirect{}), "InvalidArgument"},
		"two keys":       {rule(nil, &api.Redirect{ReplaceKeyWith: new("a"), ReplaceKeyPrefixWith: new("b")}), "InvalidArgument"},
	} {
		want(t, name, second(r.PutBucketWebsite(r.ctx, &api.PutBucketWebsiteRequest{Bucket: one, WebsiteConfiguration: c.in})), c.code)
	}
	must(r.PutBucketWebsite(r.ctx, &api.PutBucketWebsiteRequest{Bucket: one, WebsiteConfiguration: rule(&api.Condition{KeyPrefixEquals: new("a")}, &api.Redirect{ReplaceKeyWith: new("b")})}))(t)
	got := must(r.GetBucketWebsite(r.ctx, &api.GetBucketWebsiteRequest{Bucket: one}))(t)
	if *got.IndexDocument.Suffix != "index.html" || got.ErrorDocument != nil || *got.RoutingRules[0].Condition.KeyPrefixEquals != "a" || *got.RoutingRules[0].Redirect.ReplaceKeyWith != "b" {
		t.Errorf("the website is %+v", got)
	}
	must(r.DeleteBucketWebsite(r.ctx, &api.DeleteBucketWebsiteRequest{Bucket: one}))(t)
	want(t, "get none", second(r.GetBucketWebsite(r.ctx, &api.GetBucketWebsiteRequest{Bucket: one})), "NoSuchWebsiteConfiguration")
}

func TestControl(t *testing.T) {
	r := newRig(t)
	one := r.public("one")
	r.put("one", "k")
	d := door{t, r.listen()}
	c := sdk.New(sdk.Options{
		Region: r.Place.Region, BaseEndpoint: new(strings.Replace(d.url, "127.0.0.1", "localhost", 1)), Retryer: aws.NopRetryer{},
		HTTPClient:  local{strings.TrimPrefix(d.url, "http://")},
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
	})
	ctx, account, arn := t.Context(), new(alice), new("arn:aws:s3:::one")
	must(c.TagResource(ctx, &sdk.TagResourceInput{AccountId: account, ResourceArn: arn, Tags: []types.Tag{{Key: new("team"), Value: new("blue")}, {Key: new("stage"), Value: new("test")}}}))(t)
	must(c.TagResource(ctx, &sdk.TagResourceInput{AccountId: account, ResourceArn: arn, Tags: []types.Tag{{Key: new("team"), Value: new("red")}}}))(t)
	must(c.UntagResource(ctx, &sdk.UntagResourceInput{AccountId: account, ResourceArn: arn, TagKeys: []string{"stage", "none"}}))(t)
	tags := must(c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{AccountId: account, ResourceArn: arn}))(t).Tags
	if len(tags) != 1 || *tags[0].Key != "team" || *tags[0].Value != "red" {
		t.Errorf("tags are %v", tags)
	}
	_, err := c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{AccountId: account, ResourceArn: new("arn:aws:s3:::none")})
	if apiCode(err) != "NoSuchBucket" {
		t.Errorf("tags of none: %v", err)
	}
	_, err = c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{AccountId: account, ResourceArn: new("arn:aws:s3:eu-paris-1:" + alice + ":accesspoint/a")})
	if apiCode(err) != "InvalidRequest" {
		t.Errorf("tags of an access point: %v", err)
	}
	_, err = c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{AccountId: new(bob), ResourceArn: arn})
	if apiCode(err) != "AccessDenied" {
		t.Errorf("tags by another account: %v", err)
	}
	_, err = c.ListAccessPoints(ctx, &sdk.ListAccessPointsInput{AccountId: account})
	if apiCode(err) != "NotImplemented" {
		t.Errorf("access points: %v", err)
	}

	_, err = c.GetPublicAccessBlock(ctx, &sdk.GetPublicAccessBlockInput{AccountId: account})
	if apiCode(err) != "NoSuchPublicAccessBlockConfiguration" {
		t.Errorf("no block: %v", err)
	}
	want(t, "public", r.readBy(t.Context(), one, "k"), "")
	must(c.PutPublicAccessBlock(ctx, &sdk.PutPublicAccessBlockInput{AccountId: account, PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
		RestrictPublicBuckets: new(true), BlockPublicPolicy: new(true),
	}}))(t)
	got := must(c.GetPublicAccessBlock(ctx, &sdk.GetPublicAccessBlockInput{AccountId: account}))(t).PublicAccessBlockConfiguration
	if !*got.RestrictPublicBuckets || !*got.BlockPublicPolicy || *got.BlockPublicAcls || *got.IgnorePublicAcls {
		t.Errorf("the block is %+v", got)
	}
	want(t, "restricted in the account", r.readBy(t.Context(), one, "k"), "AccessDenied")
	document := statementOf(toAll)
	want(t, "a public policy", second(r.PutBucketPolicy(r.ctx, &api.PutBucketPolicyRequest{Bucket: one, Policy: &document})), "AccessDenied")
	_, err = c.PutPublicAccessBlock(ctx, &sdk.PutPublicAccessBlockInput{AccountId: new(bob), PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{}})
	if apiCode(err) != "AccessDenied" {
		t.Errorf("another account's block: %v", err)
	}
	must(c.DeletePublicAccessBlock(ctx, &sdk.DeletePublicAccessBlockInput{AccountId: account}))(t)
	want(t, "public again", r.readBy(t.Context(), one, "k"), "")
}

// local is a client that finds every host at one address.
type local struct{ address string }

func (l local) Do(r *http.Request) (*http.Response, error) {
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	r.URL.Host = l.address
	return http.DefaultTransport.RoundTrip(r)
}
