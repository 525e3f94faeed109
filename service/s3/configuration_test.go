package s3

import (
	"strings"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
)

func TestListBuckets(t *testing.T) {
	r := newRig(t)
	must(r.CreateBucket(r.bob, &api.CreateBucketRequest{Bucket: new("bobs")}))(t)
	for _, name := range []string{"web-b", "logs", "web-a", "web-c"} {
		r.bucket(name)
	}
	names := func(in api.ListBucketsRequest) (string, *string) {
		t.Helper()
		out := must(r.ListBuckets(r.ctx, &in))(t)
		var list []string
		for _, b := range out.Buckets {
			list = append(list, *b.Name)
			if *b.BucketRegion != r.Place.Region || !b.CreationDate.Equal(r.Now()) {
				t.Errorf("%s is in %s since %v", *b.Name, *b.BucketRegion, *b.CreationDate)
			}
		}
		return strings.Join(list, " "), out.ContinuationToken
	}
	for name, c := range map[string]struct {
		in   api.ListBucketsRequest
		want string
		more bool
	}{
		"all":          {api.ListBucketsRequest{}, "logs web-a web-b web-c", false},
		"prefix":       {api.ListBucketsRequest{Prefix: new("web-")}, "web-a web-b web-c", false},
		"no prefix":    {api.ListBucketsRequest{Prefix: new("none")}, "", false},
		"region":       {api.ListBucketsRequest{BucketRegion: &r.Place.Region}, "logs web-a web-b web-c", false},
		"other region": {api.ListBucketsRequest{BucketRegion: new("eu-west-1")}, "", false},
		"page":         {api.ListBucketsRequest{MaxBuckets: new(int32(2))}, "logs web-a", true},
		"whole page":   {api.ListBucketsRequest{MaxBuckets: new(int32(4))}, "logs web-a web-b web-c", false},
	} {
		if got, token := names(c.in); got != c.want || (token != nil) != c.more {
			t.Errorf("%s: %q, more: %v", name, got, token != nil)
		}
	}
	_, token := names(api.ListBucketsRequest{Prefix: new("web-"), MaxBuckets: new(int32(2))})
	if got, more := names(api.ListBucketsRequest{Prefix: new("web-"), ContinuationToken: token}); got != "web-c" || more != nil {
		t.Errorf("second page: %q", got)
	}
	want(t, "a token of another list", second(r.ListBuckets(r.ctx, &api.ListBucketsRequest{ContinuationToken: token})), "InvalidArgument")
	want(t, "another account's token", second(r.ListBuckets(r.bob, &api.ListBucketsRequest{Prefix: new("web-"), ContinuationToken: token})), "InvalidArgument")
	want(t, "no buckets", second(r.ListBuckets(r.ctx, &api.ListBucketsRequest{MaxBuckets: new(int32(0))})), "InvalidArgument")
	want(t, "too many", second(r.ListBuckets(r.ctx, &api.ListBucketsRequest{MaxBuckets: new(int32(10_001))})), "InvalidArgument")
}

func TestVersioning(t *testing.T) {
	r := newRig(t)
	r.bucket("one")
	must(r.CreateBucket(r.ctx, &api.CreateBucketRequest{Bucket: new("locked"), ObjectLockEnabledForBucket: new(true)}))(t)
	for _, c := range []struct {
		bucket string
		in     *api.VersioningConfiguration
		code   string
		status string // then
	}{
		{"one", nil, "IllegalVersioningConfigurationException", ""},
		{"one", &api.VersioningConfiguration{}, "IllegalVersioningConfigurationException", ""},
		{"one", &api.VersioningConfiguration{Status: new("On")}, "MalformedXML", ""},
		{"one", &api.VersioningConfiguration{Status: new("Enabled"), MFADelete: new("Enabled")}, "NotImplemented", ""},
		{"one", &api.VersioningConfiguration{Status: new("Enabled"), MFADelete: new("Disabled")}, "", "Enabled"},
		{"one", &api.VersioningConfiguration{Status: new("Suspended")}, "", "Suspended"},
		{"locked", &api.VersioningConfiguration{Status: new("Suspended")}, "InvalidBucketState", "Enabled"},
	} {
		_, err := r.PutBucketVersioning(r.ctx, &api.PutBucketVersioningRequest{Bucket: &c.bucket, VersioningConfiguration: c.in})
		want(t, c.bucket, err, c.code)
		if got := must(r.GetBucketVersioning(r.ctx, &api.GetBucketVersioningRequest{Bucket: &c.bucket}))(t); val(got.Status) != c.status {
			t.Errorf("%s: %+v: versioning is %q, want %q", c.bucket, c.in, val(got.Status), c.status)
		}
	}
	lock := must(r.GetObjectLockConfiguration(r.ctx, &api.GetObjectLockConfigurationRequest{Bucket: new("locked")}))(t)
	if *lock.ObjectLockConfiguration.ObjectLockEnabled != "Enabled" || lock.ObjectLockConfiguration.Rule != nil {
		t.Errorf("lock is %+v", lock.ObjectLockConfiguration)
	}
	_, err := r.GetObjectLockConfiguration(r.ctx, &api.GetObjectLockConfigurationRequest{Bucket: new("one")})
	want(t, "lock of a bucket without", err, "ObjectLockConfigurationNotFoundError")
}

func TestBucketTagging(t *testing.T) {
	r := newRig(t)
	r.bucket("one")
	many := make([]api.Tag, 51)
	for i := range many {
		many[i] = api.Tag{Key: new(strings.Repeat("k", i+1)), Value: new("")}
	}
	tag := func(key, value string) []api.Tag { return []api.Tag{{Key: &key, Value: &value}} }
	for name, c := range map[string]struct {
		tags []api.Tag
		code string
	}{
		"none":         {nil, ""},
		"one":          {tag("team", "blue + green"), ""},
		"fifty":        {many[:50], ""},
		"too many":     {many, "BadRequest"},
		"no key":       {tag("", "v"), "InvalidTag"},
		"long key":     {tag(strings.Repeat("k", 129), "v"), "InvalidTag"},
		"long value":   {tag("k", strings.Repeat("v", 257)), "InvalidTag"},
		"bad text":     {tag("k", "a;b"), "InvalidTag"},
		"system":       {tag("AWS:k", "v"), "InvalidTag"},
		"twice":        {append(tag("k", "v"), tag("k", "w")...), "InvalidTag"},
		"without text": {[]api.Tag{{Key: new("k")}}, "MalformedXML"},
	} {
		_, err := r.PutBucketTagging(r.ctx, &api.PutBucketTaggingRequest{Bucket: new("one"), Tagging: &api.Tagging{TagSet: c.tags}})
		want(t, name, err, c.code)
	}
	want(t, "no set", second(r.PutBucketTagging(r.ctx, &api.PutBucketTaggingRequest{Bucket: new("one")})), "MalformedXML")
	must(r.PutBucketTagging(r.ctx, &api.PutBucketTaggingRequest{Bucket: new("one"), Tagging: &api.Tagging{TagSet: tag("team", "blue")}}))(t)
	got := must(r.GetBucketTagging(r.ctx, &api.GetBucketTaggingRequest{Bucket: new("one")}))(t).TagSet
	if len(got) != 1 || *got[0].Key != "team" || *got[0].Value != "blue" {
		t.Errorf("tags are %v", got)
	}
	must(r.DeleteBucketTagging(r.ctx, &api.DeleteBucketTaggingRequest{Bucket: new("one")}))(t)
	want(t, "get none", second(r.GetBucketTagging(r.ctx, &api.GetBucketTaggingRequest{Bucket: new("one")})), "NoSuchTagSet")
}

func TestPublicAccessBlock(t *testing.T) {
	r := newRig(t)
	r.bucket("one")
	get := func() string {
		out, err := r.GetPublicAccessBlock(r.ctx, &api.GetPublicAccessBlockRequest{Bucket: new("one")})
		if err != nil {
			return code(err)
		}
		c, set := out.PublicAccessBlockConfiguration, ""
		for i, on := range []*bool{c.BlockPublicAcls, c.IgnorePublicAcls, c.BlockPublicPolicy, c.RestrictPublicBuckets} {
			if *on {
				set += string("AIPR"[i])
			}
		}
		return set
	}
	if got := get(); got != "AIPR" {
		t.Errorf("a new bucket has %s", got)
	}
	must(r.PutPublicAccessBlock(r.ctx, &api.PutPublicAccessBlockRequest{
		Bucket: new("one"), PublicAccessBlockConfiguration: &api.PublicAccessBlockConfiguration{IgnorePublicAcls: new(true), BlockPublicPolicy: new(true)},
	}))(t)
	if got := get(); got != "IP" {
		t.Errorf("then it has %s", got)
	}
	must(r.DeletePublicAccessBlock(r.ctx, &api.DeletePublicAccessBlockRequest{Bucket: new("one")}))(t)
	if got := get(); got != "NoSuchPublicAccessBlockConfiguration" {
		t.Errorf("then it has %s", got)
	}
	want(t, "put nothing", second(r.PutPublicAccessBlock(r.ctx, &api.PutPublicAccessBlockRequest{Bucket: new("one")})), "MalformedXML")
}

func TestOwnershipAndEncryption(t *testing.T) {
	r := newRig(t)
	r.bucket("one")
	own := func(rules ...string) error {
		c := &api.OwnershipControls{}
		for _, rule := range rules {
			c.Rules = append(c.Rules, api.OwnershipControlsRule{ObjectOwnership: &rule})
		}
		return second(r.PutBucketOwnershipControls(r.ctx, &api.PutBucketOwnershipControlsRequest{Bucket: new("one"), OwnershipControls: c}))
	}
	want(t, "enforced", own("BucketOwnerEnforced"), "")
	want(t, "preferred", own("BucketOwnerPreferred"), "")
	want(t, "writer", own("ObjectWriter"), "")
	want(t, "enforced again", own("BucketOwnerEnforced"), "")
	want(t, "unknown", own("Nobody"), "MalformedXML")
	want(t, "no rule", own(), "MalformedXML")
	want(t, "two rules", own("BucketOwnerEnforced", "BucketOwnerEnforced"), "MalformedXML")
	got := must(r.GetBucketOwnershipControls(r.ctx, &api.GetBucketOwnershipControlsRequest{Bucket: new("one")}))(t)
	if *got.OwnershipControls.Rules[0].ObjectOwnership != "BucketOwnerEnforced" {
		t.Errorf("ownership is %s", *got.OwnershipControls.Rules[0].ObjectOwnership)
	}

	encrypt := func(rule api.ServerSideEncryptionRule) error {
		c := &api.ServerSideEncryptionConfiguration{Rules: []api.ServerSideEncryptionRule{rule}}
		return second(r.PutBucketEncryption(r.ctx, &api.PutBucketEncryptionRequest{Bucket: new("one"), ServerSideEncryptionConfiguration: c}))
	}
	by := func(algorithm string, key *string) api.ServerSideEncryptionRule {
		return api.ServerSideEncryptionRule{ApplyServerSideEncryptionByDefault: &api.ServerSideEncryptionByDefault{SSEAlgorithm: &algorithm, KMSMasterKeyID: key}}
	}
	want(t, "AES256", encrypt(by("AES256", nil)), "")
	want(t, "AES256 with a key", encrypt(by("AES256", new("k"))), "InvalidArgument")
	want(t, "KMS", encrypt(by("aws:kms", nil)), "NotImplemented")
	want(t, "twice", encrypt(by("aws:kms:dsse", nil)), "NotImplemented")
	want(t, "unknown", encrypt(by("ROT13", nil)), "MalformedXML")
	want(t, "nothing", encrypt(api.ServerSideEncryptionRule{}), "MalformedXML")
	want(t, "bucket key", encrypt(api.ServerSideEncryptionRule{BucketKeyEnabled: new(true)}), "NotImplemented")
	must(r.DeleteBucketEncryption(r.ctx, &api.DeleteBucketEncryptionRequest{Bucket: new("one")}))(t)
	rules := must(r.GetBucketEncryption(r.ctx, &api.GetBucketEncryptionRequest{Bucket: new("one")}))(t).ServerSideEncryptionConfiguration.Rules
	if len(rules) != 1 || *rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm != "AES256" {
		t.Errorf("encryption is %+v", rules)
	}
}

func TestAbsentConfigurations(t *testing.T) {
	r := newRig(t)
	r.bucket("one")
	one := new("one")
	want(t, "cors", second(r.GetBucketCors(r.ctx, &api.GetBucketCorsRequest{Bucket: one})), "NoSuchCORSConfiguration")
	want(t, "website", second(r.GetBucketWebsite(r.ctx, &api.GetBucketWebsiteRequest{Bucket: one})), "NoSuchWebsiteConfiguration")
	want(t, "replication", second(r.GetBucketReplication(r.ctx, &api.GetBucketReplicationRequest{Bucket: one})), "ReplicationConfigurationNotFoundError")
	if got := must(r.GetBucketLogging(r.ctx, &api.GetBucketLoggingRequest{Bucket: one}))(t); got.LoggingEnabled != nil {
		t.Errorf("logging is %+v", got)
	}
	if got := must(r.GetBucketRequestPayment(r.ctx, &api.GetBucketRequestPaymentRequest{Bucket: one}))(t); *got.Payer != "BucketOwner" {
		t.Errorf("%s pays", *got.Payer)
	}
	if got := must(r.GetBucketAccelerateConfiguration(r.ctx, &api.GetBucketAccelerateConfigurationRequest{Bucket: one}))(t); got.Status != nil {
		t.Errorf("acceleration is %s", *got.Status)
	}
	for name, call := range map[string]func() error{
		"analytics": func() error {
			return second(r.GetBucketAnalyticsConfiguration(r.ctx, &api.GetBucketAnalyticsConfigurationRequest{Bucket: one, Id: one}))
		},
		"metrics": func() error {
			return second(r.GetBucketMetricsConfiguration(r.ctx, &api.GetBucketMetricsConfigurationRequest{Bucket: one, Id: one}))
		},
		"inventory": func() error {
			return second(r.GetBucketInventoryConfiguration(r.ctx, &api.GetBucketInventoryConfigurationRequest{Bucket: one, Id: one}))
		},
		"tiering": func() error {
			return second(r.GetBucketIntelligentTieringConfiguration(r.ctx, &api.GetBucketIntelligentTieringConfigurationRequest{Bucket: one, Id: one}))
		},
		"no analytics": func() error {
			return second(r.DeleteBucketAnalyticsConfiguration(r.ctx, &api.DeleteBucketAnalyticsConfigurationRequest{Bucket: one, Id: one}))
		},
		"no metrics": func() error {
			return second(r.DeleteBucketMetricsConfiguration(r.ctx, &api.DeleteBucketMetricsConfigurationRequest{Bucket: one, Id: one}))
		},
		"no inventory": func() error {
			return second(r.DeleteBucketInventoryConfiguration(r.ctx, &api.DeleteBucketInventoryConfigurationRequest{Bucket: one, Id: one}))
		},
		"no tiering": func() error {
			return second(r.DeleteBucketIntelligentTieringConfiguration(r.ctx, &api.DeleteBucketIntelligentTieringConfigurationRequest{Bucket: one, Id: one}))
		},
	} {
		want(t, name, call(), "NoSuchConfiguration")
	}
	if got := must(r.ListBucketInventoryConfigurations(r.ctx, &api.ListBucketInventoryConfigurationsRequest{Bucket: one}))(t); *got.IsTruncated || got.InventoryConfigurationList != nil {
		t.Errorf("inventories are %+v", got)
	}
	pays := func(payer string) error {
		return second(r.PutBucketRequestPayment(r.ctx, &api.PutBucketRequestPaymentRequest{Bucket: one, RequestPaymentConfiguration: &api.RequestPaymentConfiguration{Payer: &payer}}))
	}
	want(t, "the owner pays", pays("BucketOwner"), "")
	want(t, "the requester pays", pays("Requester"), "NotImplemented")
	want(t, "nobody pays", pays("Nobody"), "MalformedXML")
	got := must(r.GetBucketAcl(r.ctx, &api.GetBucketAclRequest{Bucket: one}))(t)
	if len(*got.Owner.ID) != 64 || len(got.Grants) != 1 || *got.Grants[0].Grantee.ID != *got.Owner.ID || *got.Grants[0].Permission != "FULL_CONTROL" {
		t.Errorf("ACL is %+v", got)
	}
	if *got.Owner.ID == *r.ownerOf(bob).ID {
		t.Error("two accounts are the same owner")
	}
}

// The key of a bucket goes with it.
func TestKeys(t *testing.T) {
	r := newRig(t)
	r.bucket("one")
	b, _ := find(r.DB.View(), new("one"))
	must(r.Keys.BucketKey(t.Context(), b.ID))(t)
	other := &Keys{DB: r.DB, Seal: r.cloud.Keys.Tokens}
	if _, err := other.BucketKey(t.Context(), b.ID); err == nil {
		t.Error("another key of the cloud opens it")
	}
	must(r.DeleteBucket(r.ctx, &api.DeleteBucketRequest{Bucket: new("one")}))(t)
	if _, err := r.Keys.BucketKey(t.Context(), b.ID); err == nil {
		t.Error("it was not dropped")
	}
}
