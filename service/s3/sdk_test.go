package s3

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/awsapi/s3control"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/gateway"
)

// proof lets one access key act as the root of alice's account.
type proof struct{ caller cloud.Caller }

func (p proof) Lookup(_ context.Context, key, _ string) (gateway.Credential, error) {
	if key != "AKIDEXAMPLE" {
		return gateway.Credential{}, gateway.ErrUnknownKey
	}
	return gateway.Credential{Secret: "secret", Caller: p.caller}, nil
}

// serve starts the real gateway and returns a client of it. The rig's clock becomes
// the real one, since the SDK signs by that.
func (r *rig) serve() *sdk.Client {
	r.Helper()
	return sdk.New(sdk.Options{
		Region: r.Place.Region, BaseEndpoint: new(r.listen()), UsePathStyle: true, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
	})
}

// listen starts the real gateway, and returns its URL.
func (r *rig) listen() string {
	r.Helper()
	server := httptest.NewServer(r.gateway())
	r.Cleanup(server.Close)
	return server.URL
}

// gateway is the real one, before the rig's service.
func (r *rig) gateway() *gateway.Gateway {
	r.Helper()
	r.cloud.Seconds.Store(time.Now().Unix())
	g, err := gateway.New(gateway.Config{
		Region: r.Place.Region, Credentials: proof{cloud.CallerFrom(r.ctx)}, Log: slog.New(slog.DiscardHandler), Now: r.Now,
		Endpoints: []gateway.Endpoint{
			{API: api.API(), Impl: r.Service, Open: true, Web: NewWeb(r.Service)},
			{API: s3control.API(), Impl: NewControl(r.Service)},
		},
	})
	if err != nil {
		r.Fatal(err)
	}
	return g
}

// apiCode is the code that the SDK understood.
func apiCode(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

func TestBucketsThroughTheSDK(t *testing.T) {
	r := newRig(t)
	c, ctx, one := r.serve(), t.Context(), new("one")
	must(c.CreateBucket(ctx, &sdk.CreateBucketInput{
		Bucket: one, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(r.Place.Region)},
	}))(t)
	_, err := c.CreateBucket(ctx, &sdk.CreateBucketInput{Bucket: one})
	if _, ok := errors.AsType[*types.BucketAlreadyOwnedByYou](err); !ok {
		t.Errorf("create again: %v", err)
	}
	if got := must(c.GetBucketLocation(ctx, &sdk.GetBucketLocationInput{Bucket: one}))(t); string(got.LocationConstraint) != r.Place.Region {
		t.Errorf("location is %q", got.LocationConstraint)
	}
	if got := must(c.HeadBucket(ctx, &sdk.HeadBucketInput{Bucket: one}))(t); *got.BucketRegion != r.Place.Region {
		t.Errorf("region is %q", *got.BucketRegion)
	}
	_, err = c.HeadBucket(ctx, &sdk.HeadBucketInput{Bucket: new("none")})
	if _, ok := errors.AsType[*types.NotFound](err); !ok {
		t.Errorf("head none: %v", err)
	}
	if got := must(c.ListBuckets(ctx, &sdk.ListBucketsInput{}))(t); len(got.Buckets) != 1 || *got.Buckets[0].Name != "one" {
		t.Errorf("buckets are %v", got.Buckets)
	}
	must(c.PutBucketVersioning(ctx, &sdk.PutBucketVersioningInput{
		Bucket: one, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	}))(t)
	if got := must(c.GetBucketVersioning(ctx, &sdk.GetBucketVersioningInput{Bucket: one}))(t); got.Status != types.BucketVersioningStatusEnabled {
		t.Errorf("versioning is %q", got.Status)
	}
	must(c.PutBucketTagging(ctx, &sdk.PutBucketTaggingInput{Bucket: one, Tagging: &types.Tagging{TagSet: []types.Tag{{Key: new("k"), Value: new("v")}}}}))(t)
	if got := must(c.GetBucketTagging(ctx, &sdk.GetBucketTaggingInput{Bucket: one}))(t); len(got.TagSet) != 1 || *got.TagSet[0].Value != "v" {
		t.Errorf("tags are %v", got.TagSet)
	}
	document := statementOf(toBob)
	must(c.PutBucketPolicy(ctx, &sdk.PutBucketPolicyInput{Bucket: one, Policy: &document}))(t)
	if got := must(c.GetBucketPolicy(ctx, &sdk.GetBucketPolicyInput{Bucket: one}))(t); *got.Policy != document {
		t.Errorf("policy is %s", *got.Policy)
	}
	if got := must(c.GetBucketPolicyStatus(ctx, &sdk.GetBucketPolicyStatusInput{Bucket: one}))(t); *got.PolicyStatus.IsPublic {
		t.Error("the policy is public")
	}
	if got := must(c.GetPublicAccessBlock(ctx, &sdk.GetPublicAccessBlockInput{Bucket: one}))(t); !*got.PublicAccessBlockConfiguration.BlockPublicPolicy {
		t.Error("public policies are not blocked")
	}
	if got := must(c.GetBucketAcl(ctx, &sdk.GetBucketAclInput{Bucket: one}))(t); len(got.Grants) != 1 || got.Grants[0].Grantee.Type != types.TypeCanonicalUser {
		t.Errorf("ACL is %v", got.Grants)
	}
	if got := must(c.GetBucketOwnershipControls(ctx, &sdk.GetBucketOwnershipControlsInput{Bucket: one}))(t); got.OwnershipControls.Rules[0].ObjectOwnership != types.ObjectOwnershipBucketOwnerEnforced {
		t.Errorf("ownership is %v", got.OwnershipControls)
	}
	must(c.GetBucketNotificationConfiguration(ctx, &sdk.GetBucketNotificationConfigurationInput{Bucket: one}))(t)
	must(c.GetBucketEncryption(ctx, &sdk.GetBucketEncryptionInput{Bucket: one}))(t)
	if _, err := c.GetBucketCors(ctx, &sdk.GetBucketCorsInput{Bucket: one}); apiCode(err) != "NoSuchCORSConfiguration" {
		t.Errorf("CORS: %v", err)
	}
	if list := must(c.ListBucketInventoryConfigurations(ctx, &sdk.ListBucketInventoryConfigurationsInput{Bucket: one}))(t); len(list.InventoryConfigurationList) != 0 {
		t.Errorf("inventories: %v", list)
	}
	if _, err := c.GetObjectTorrent(ctx, &sdk.GetObjectTorrentInput{Bucket: one, Key: new("k")}); apiCode(err) != "NotImplemented" {
		t.Errorf("torrent: %v", err)
	}
	must(c.DeleteBucketPolicy(ctx, &sdk.DeleteBucketPolicyInput{Bucket: one}))(t)
	must(c.DeleteBucket(ctx, &sdk.DeleteBucketInput{Bucket: one}))(t)
	if _, err := c.GetBucketTagging(ctx, &sdk.GetBucketTaggingInput{Bucket: one}); apiCode(err) != "NoSuchBucket" {
		t.Errorf("tags of a bucket that is gone: %v", err)
	}
}

// sdkLifecycle puts a rule with all kinds of members.
func sdkLifecycle(ctx context.Context, c *sdk.Client) error {
	return second(c.PutBucketLifecycleConfiguration(ctx, &sdk.PutBucketLifecycleConfigurationInput{
		Bucket: new("one"), LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{{
			ID: new("r"), Status: types.ExpirationStatusEnabled,
			Filter:                      &types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{Prefix: new("p/"), Tags: []types.Tag{{Key: new("k"), Value: new("v")}}}},
			Expiration:                  &types.LifecycleExpiration{Date: new(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))},
			NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{NoncurrentDays: new(int32(1)), NewerNoncurrentVersions: new(int32(3))},
		}}},
	}))
}
