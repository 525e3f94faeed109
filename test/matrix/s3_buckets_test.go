package matrix

import (
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/service/s3"
)

// s3Buckets are the operations on buckets. Another account is refused, since a
// bucket is no secret, but what one may do with it is its owner's to say.
var s3Buckets = table{
	"s3:ListBuckets": func(w *world) row {
		w.bucket()
		return row{in: &api.ListBucketsRequest{}, needs: []need{also("s3:ListAllMyBuckets", "*")}}
	},
	"s3:CreateBucket": func(w *world) row {
		arn := w.s3ARN(bucketName)
		return row{
			in: &api.CreateBucketRequest{
				Bucket: new(bucketName), ACL: new("private"), ObjectOwnership: new("BucketOwnerEnforced"), ObjectLockEnabledForBucket: new(true),
				CreateBucketConfiguration: &api.CreateBucketConfiguration{LocationConstraint: &w.Place.Region, Tags: []api.Tag{{Key: new("team"), Value: new("blue")}}},
			},
			needs: []need{
				on(arn, "s3:x-amz-acl", "private", "s3:LocationConstraint", w.Place.Region, "s3:x-amz-object-ownership", "BucketOwnerEnforced", "aws:RequestTag/team", "blue"),
				also("s3:TagResource", arn, "aws:RequestTag/team", "blue"), also("s3:PutBucketOwnershipControls", arn),
				also("s3:PutBucketVersioning", arn), also("s3:PutBucketObjectLockConfiguration", arn),
			},
			theirs: &api.CreateBucketRequest{Bucket: new("theirs")},
		}
	},
	"s3:HeadBucket": func(w *world) row { return w.onBucket(&api.HeadBucketRequest{Bucket: w.bucket()}, "ListBucket", "") },
	"s3:DeleteBucket": func(w *world) row {
		return w.onBucket(&api.DeleteBucketRequest{Bucket: w.bucket()}, "DeleteBucket", "")
	},
	"s3:GetBucketLocation": func(w *world) row {
		return w.onBucket(&api.GetBucketLocationRequest{Bucket: w.bucket()}, "GetBucketLocation", "")
	},
	"s3:GetBucketVersioning": func(w *world) row {
		return w.onBucket(&api.GetBucketVersioningRequest{Bucket: w.bucket()}, "GetBucketVersioning", "")
	},
	"s3:PutBucketVersioning": func(w *world) row {
		return w.onBucket(&api.PutBucketVersioningRequest{
			Bucket: w.bucket(), VersioningConfiguration: &api.VersioningConfiguration{Status: new("Enabled")},
		}, "PutBucketVersioning", "")
	},
	"s3:GetBucketPolicy": func(w *world) row {
		return w.onBucket(&api.GetBucketPolicyRequest{Bucket: w.bucket()}, "GetBucketPolicy", "NoSuchBucketPolicy")
	},
	"s3:GetBucketPolicyStatus": func(w *world) row {
		return w.onBucket(&api.GetBucketPolicyStatusRequest{Bucket: w.bucket()}, "GetBucketPolicyStatus", "NoSuchBucketPolicy")
	},
	"s3:PutBucketPolicy": func(w *world) row {
		document := `{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"` + w.s3ARN(bucketName) + `/*"}}`
		return w.onBucket(&api.PutBucketPolicyRequest{Bucket: w.bucket(), Policy: &document}, "PutBucketPolicy", "")
	},
	"s3:DeleteBucketPolicy": func(w *world) row {
		return w.onBucket(&api.DeleteBucketPolicyRequest{Bucket: w.bucket()}, "DeleteBucketPolicy", "")
	},
	"s3:GetBucketTagging": func(w *world) row {
		return w.onBucket(&api.GetBucketTaggingRequest{Bucket: w.bucket()}, "GetBucketTagging", "NoSuchTagSet")
	},
	"s3:PutBucketTagging": func(w *world) row {
		return w.onBucket(&api.PutBucketTaggingRequest{Bucket: w.bucket(), Tagging: &api.Tagging{}}, "PutBucketTagging", "")
	},
	"s3:DeleteBucketTagging": func(w *world) row {
		return w.onBucket(&api.DeleteBucketTaggingRequest{Bucket: w.bucket()}, "PutBucketTagging", "")
	},
	"s3:GetPublicAccessBlock": func(w *world) row {
		return w.onBucket(&api.GetPublicAccessBlockRequest{Bucket: w.bucket()}, "GetBucketPublicAccessBlock", "")
	},
	"s3:PutPublicAccessBlock": func(w *world) row {
		return w.onBucket(&api.PutPublicAccessBlockRequest{
			Bucket: w.bucket(), PublicAccessBlockConfiguration: &api.PublicAccessBlockConfiguration{},
		}, "PutBucketPublicAccessBlock", "")
	},
	"s3:DeletePublicAccessBlock": func(w *world) row {
		return w.onBucket(&api.DeletePublicAccessBlockRequest{Bucket: w.bucket()}, "PutBucketPublicAccessBlock", "")
	},
	"s3:GetBucketOwnershipControls": func(w *world) row {
		return w.onBucket(&api.GetBucketOwnershipControlsRequest{Bucket: w.bucket()}, "GetBucketOwnershipControls", "")
	},
	"s3:PutBucketOwnershipControls": func(w *world) row {
		return w.onBucket(&api.PutBucketOwnershipControlsRequest{
			Bucket: w.bucket(), OwnershipControls: &api.OwnershipControls{Rules: []api.OwnershipControlsRule{{ObjectOwnership: new("BucketOwnerEnforced")}}},
		}, "PutBucketOwnershipControls", "")
	},
	"s3:GetBucketEncryption": func(w *world) row {
		return w.onBucket(&api.GetBucketEncryptionRequest{Bucket: w.bucket()}, "GetEncryptionConfiguration", "")
	},
	"s3:PutBucketEncryption": func(w *world) row {
		rule := api.ServerSideEncryptionRule{ApplyServerSideEncryptionByDefault: &api.ServerSideEncryptionByDefault{SSEAlgorithm: new("AES256")}}
		return w.onBucket(&api.PutBucketEncryptionRequest{
			Bucket: w.bucket(), ServerSideEncryptionConfiguration: &api.ServerSideEncryptionConfiguration{Rules: []api.ServerSideEncryptionRule{rule}},
		}, "PutEncryptionConfiguration", "")
	},
	"s3:DeleteBucketEncryption": func(w *world) row {
		return w.onBucket(&api.DeleteBucketEncryptionRequest{Bucket: w.bucket()}, "PutEncryptionConfiguration", "")
	},
	"s3:GetBucketAcl": func(w *world) row {
		return w.onBucket(&api.GetBucketAclRequest{Bucket: w.bucket()}, "GetBucketAcl", "")
	},
	"s3:PutBucketAcl": func(w *world) row {
		bucket := w.bucket()
		own := &api.OwnershipControls{Rules: []api.OwnershipControlsRule{{ObjectOwnership: new("ObjectWriter")}}}
		made[*api.PutBucketOwnershipControlsOutput](w, Alice, &api.PutBucketOwnershipControlsRequest{Bucket: bucket, OwnershipControls: own})
		r := w.onBucket(&api.PutBucketAclRequest{Bucket: bucket, ACL: new("private")}, "", "")
		r.needs = []need{also("s3:PutBucketAcl", w.s3ARN(bucketName), "s3:x-amz-acl", "private")}
		return r
	},
	"s3:DeleteBucketOwnershipControls": func(w *world) row {
		return w.onBucket(&api.DeleteBucketOwnershipControlsRequest{Bucket: w.bucket()}, "PutBucketOwnershipControls", "")
	},
	"s3:PutBucketCors": func(w *world) row {
		rules := []api.CORSRule{{AllowedOrigins: []string{"*"}, AllowedMethods: []string{"GET"}}}
		return w.onBucket(&api.PutBucketCorsRequest{Bucket: w.bucket(), CORSConfiguration: &api.CORSConfiguration{CORSRules: rules}}, "PutBucketCORS", "")
	},
	"s3:DeleteBucketCors": func(w *world) row {
		return w.onBucket(&api.DeleteBucketCorsRequest{Bucket: w.bucket()}, "PutBucketCORS", "")
	},
	"s3:PutBucketWebsite": func(w *world) row {
		site := &api.WebsiteConfiguration{IndexDocument: &api.IndexDocument{Suffix: new("index.html")}}
		return w.onBucket(&api.PutBucketWebsiteRequest{Bucket: w.bucket(), WebsiteConfiguration: site}, "PutBucketWebsite", "")
	},
	"s3:DeleteBucketWebsite": func(w *world) row {
		return w.onBucket(&api.DeleteBucketWebsiteRequest{Bucket: w.bucket()}, "DeleteBucketWebsite", "")
	},
	"s3:PutBucketRequestPayment": func(w *world) row {
		return w.onBucket(&api.PutBucketRequestPaymentRequest{
			Bucket: w.bucket(), RequestPaymentConfiguration: &api.RequestPaymentConfiguration{Payer: new("BucketOwner")},
		}, "PutBucketRequestPayment", "")
	},
	"s3:DeleteBucketReplication": func(w *world) row {
		return w.onBucket(&api.DeleteBucketReplicationRequest{Bucket: w.bucket()}, "PutReplicationConfiguration", "")
	},
	"s3:GetBucketAbac": func(w *world) row {
		return w.onBucket(&api.GetBucketAbacRequest{Bucket: w.bucket()}, "GetBucketAbac", "")
	},
	"s3:GetBucketAnalyticsConfiguration": func(w *world) row {
		return w.onBucket(&api.GetBucketAnalyticsConfigurationRequest{Bucket: w.bucket(), Id: new("a")}, "GetAnalyticsConfiguration", "NoSuchConfiguration")
	},
	"s3:GetBucketIntelligentTieringConfiguration": func(w *world) row {
		return w.onBucket(&api.GetBucketIntelligentTieringConfigurationRequest{Bucket: w.bucket(), Id: new("a")}, "GetIntelligentTieringConfiguration", "NoSuchConfiguration")
	},
	"s3:GetBucketInventoryConfiguration": func(w *world) row {
		return w.onBucket(&api.GetBucketInventoryConfigurationRequest{Bucket: w.bucket(), Id: new("a")}, "GetInventoryConfiguration", "NoSuchConfiguration")
	},
	"s3:GetBucketMetricsConfiguration": func(w *world) row {
		return w.onBucket(&api.GetBucketMetricsConfigurationRequest{Bucket: w.bucket(), Id: new("a")}, "GetMetricsConfiguration", "NoSuchConfiguration")
	},
	"s3:DeleteBucketAnalyticsConfiguration": func(w *world) row {
		return w.onBucket(&api.DeleteBucketAnalyticsConfigurationRequest{Bucket: w.bucket(), Id: new("a")}, "PutAnalyticsConfiguration", "NoSuchConfiguration")
	},
	"s3:ListBucketAnalyticsConfigurations": func(w *world) row {
		return w.onBucket(&api.ListBucketAnalyticsConfigurationsRequest{Bucket: w.bucket()}, "GetAnalyticsConfiguration", "")
	},
	"s3:DeleteBucketIntelligentTieringConfiguration": func(w *world) row {
		return w.onBucket(&api.DeleteBucketIntelligentTieringConfigurationRequest{Bucket: w.bucket(), Id: new("a")}, "PutIntelligentTieringConfiguration", "NoSuchConfiguration")
	},
	"s3:ListBucketIntelligentTieringConfigurations": func(w *world) row {
		return w.onBucket(&api.ListBucketIntelligentTieringConfigurationsRequest{Bucket: w.bucket()}, "GetIntelligentTieringConfiguration", "")
	},
	"s3:DeleteBucketInventoryConfiguration": func(w *world) row {
		return w.onBucket(&api.DeleteBucketInventoryConfigurationRequest{Bucket: w.bucket(), Id: new("a")}, "PutInventoryConfiguration", "NoSuchConfiguration")
	},
	"s3:ListBucketInventoryConfigurations": func(w *world) row {
		return w.onBucket(&api.ListBucketInventoryConfigurationsRequest{Bucket: w.bucket()}, "GetInventoryConfiguration", "")
	},
	"s3:DeleteBucketMetricsConfiguration": func(w *world) row {
		return w.onBucket(&api.DeleteBucketMetricsConfigurationRequest{Bucket: w.bucket(), Id: new("a")}, "PutMetricsConfiguration", "NoSuchConfiguration")
	},
	"s3:ListBucketMetricsConfigurations": func(w *world) row {
		return w.onBucket(&api.ListBucketMetricsConfigurationsRequest{Bucket: w.bucket()}, "GetMetricsConfiguration", "")
	},
	"s3:GetBucketCors": func(w *world) row {
		return w.onBucket(&api.GetBucketCorsRequest{Bucket: w.bucket()}, "GetBucketCORS", "NoSuchCORSConfiguration")
	},
	"s3:GetBucketWebsite": func(w *world) row {
		return w.onBucket(&api.GetBucketWebsiteRequest{Bucket: w.bucket()}, "GetBucketWebsite", "NoSuchWebsiteConfiguration")
	},
	"s3:GetBucketReplication": func(w *world) row {
		return w.onBucket(&api.GetBucketReplicationRequest{Bucket: w.bucket()}, "GetReplicationConfiguration", "ReplicationConfigurationNotFoundError")
	},
	"s3:GetBucketLogging": func(w *world) row {
		return w.onBucket(&api.GetBucketLoggingRequest{Bucket: w.bucket()}, "GetBucketLogging", "")
	},
	"s3:GetBucketAccelerateConfiguration": func(w *world) row {
		return w.onBucket(&api.GetBucketAccelerateConfigurationRequest{Bucket: w.bucket()}, "GetAccelerateConfiguration", "")
	},
	"s3:GetBucketRequestPayment": func(w *world) row {
		return w.onBucket(&api.GetBucketRequestPaymentRequest{Bucket: w.bucket()}, "GetBucketRequestPayment", "")
	},
	"s3:GetBucketNotificationConfiguration": func(w *world) row {
		return w.onBucket(&api.GetBucketNotificationConfigurationRequest{Bucket: w.bucket()}, "GetBucketNotification", "")
	},
	"s3:GetObjectLockConfiguration": func(w *world) row {
		return w.onBucket(&api.GetObjectLockConfigurationRequest{Bucket: w.bucket()}, "GetBucketObjectLockConfiguration", "ObjectLockConfigurationNotFoundError")
	},
	"s3:PutObjectLockConfiguration": func(w *world) row {
		in := &api.PutObjectLockConfigurationRequest{Bucket: w.bucket(), ObjectLockConfiguration: &api.ObjectLockConfiguration{ObjectLockEnabled: new("Enabled")}}
		return w.onBucket(in, "PutBucketObjectLockConfiguration", "InvalidBucketState") // it has no versions
	},
	"s3:PutBucketLifecycleConfiguration": func(w *world) row {
		rule := api.LifecycleRule{Status: new("Enabled"), Prefix: new("logs/"), Expiration: &api.LifecycleExpiration{Days: new(int32(30))}}
		in := &api.PutBucketLifecycleConfigurationRequest{Bucket: w.bucket(), LifecycleConfiguration: &api.BucketLifecycleConfiguration{Rules: []api.LifecycleRule{rule}}}
		return w.onBucket(in, "PutLifecycleConfiguration", "")
	},
	"s3:GetBucketLifecycleConfiguration": func(w *world) row {
		return w.onBucket(&api.GetBucketLifecycleConfigurationRequest{Bucket: w.bucket()}, "GetLifecycleConfiguration", "NoSuchLifecycleConfiguration")
	},
	"s3:DeleteBucketLifecycle": func(w *world) row {
		return w.onBucket(&api.DeleteBucketLifecycleRequest{Bucket: w.bucket()}, "PutLifecycleConfiguration", "")
	},
	"s3:PutBucketNotificationConfiguration": func(w *world) row {
		in := &api.PutBucketNotificationConfigurationRequest{Bucket: w.bucket(), NotificationConfiguration: &api.NotificationConfiguration{}}
		return w.onBucket(in, "PutBucketNotification", "")
	},
	"s3:PutBucketLogging": func(w *world) row {
		in := &api.PutBucketLoggingRequest{Bucket: w.bucket(), BucketLoggingStatus: &api.BucketLoggingStatus{
			LoggingEnabled: &api.LoggingEnabled{TargetBucket: new(bucketName), TargetPrefix: new("accesses/")},
		}}
		return w.onBucket(in, "PutBucketLogging", "")
	},
}

const bucketName = "archive"

// bucket makes a bucket of Alice's, and returns its name.
func (w *world) bucket() *string {
	w.Helper()
	made[*api.CreateBucketOutput](w, Alice, &api.CreateBucketRequest{Bucket: new(bucketName)})
	return new(bucketName)
}

func (w *world) s3ARN(resource string) string { return w.Place.GlobalARN("s3", "", resource) }

// onBucket is the row of an operation on the bucket, which ends with a code.
func (w *world) onBucket(in any, action, ends string) row {
	return row{in: in, needs: []need{also("s3:"+action, w.s3ARN(bucketName))}, other: "AccessDenied", ends: ends}
}

// storage opens the S3 service, when a row first asks for it.
func (w *world) storage() {
	w.Helper()
	if w.impls["s3"] != nil {
		return
	}
	keys := &s3.Keys{DB: w.DB, Seal: w.Keys.Objects}
	objects, err := object.Open(object.Config{Dir: w.TempDir(), Keys: keys, Now: w.Now, MinFree: 1, Tend: time.Hour})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if err := objects.Close(); err != nil {
			w.Error(err)
		}
	})
	storage := &s3.Service{
		DB: w.DB, Objects: objects, Keys: keys, Authz: w.Judge, Place: w.Place, Now: w.Now, PageKey: []byte("a key of the world"),
	}
	w.impls["s3"], w.impls["s3-control"] = storage, s3.NewControl(storage)
}
