package s3

import (
	"cmp"
	"context"
	"reflect"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/policy"
)

// TestMethodsAreOperations finds methods that no request could ever reach: those
// whose name, input or output is not that of an operation of the API.
func TestMethodsAreOperations(t *testing.T) {
	for method := range reflect.TypeFor[*Service]().Methods() {
		if op := api.API().Operation(method.Name); op == nil {
			t.Errorf("method %s is no operation", method.Name)
		} else if op.Bind(&Service{}) == nil {
			t.Errorf("method %s does not have the operation's input and output", method.Name)
		}
	}
}

// nobody lets nobody do anything, and notes what was asked.
type nobody struct{ asked []policy.Request }

func (n *nobody) Authorize(_ context.Context, q policy.Request) error {
	n.asked = append(n.asked, q)
	return denied()
}

// actions are those of operations whose permission has another name:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
var actions = map[string]string{
	"HeadBucket": "ListBucket", "ListBuckets": "ListAllMyBuckets",
	"DeleteBucketTagging": "PutBucketTagging", "GetBucketCors": "GetBucketCORS",
	"GetPublicAccessBlock": "GetBucketPublicAccessBlock", "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
	"DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
	"GetBucketEncryption":     "GetEncryptionConfiguration", "PutBucketEncryption": "PutEncryptionConfiguration",
	"DeleteBucketEncryption": "PutEncryptionConfiguration", "GetBucketReplication": "GetReplicationConfiguration",
	"GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
	"PutBucketCors":                    "PutBucketCORS", "DeleteBucketCors": "PutBucketCORS",
	"DeleteBucketReplication":         "PutReplicationConfiguration",
	"GetBucketAnalyticsConfiguration": "GetAnalyticsConfiguration", "GetBucketIntelligentTieringConfiguration": "GetIntelligentTieringConfiguration",
	"GetBucketInventoryConfiguration": "GetInventoryConfiguration", "GetBucketMetricsConfiguration": "GetMetricsConfiguration",
	"DeleteBucketAnalyticsConfiguration": "PutAnalyticsConfiguration", "ListBucketAnalyticsConfigurations": "GetAnalyticsConfiguration",
	"DeleteBucketIntelligentTieringConfiguration": "PutIntelligentTieringConfiguration", "ListBucketIntelligentTieringConfigurations": "GetIntelligentTieringConfiguration",
	"DeleteBucketInventoryConfiguration": "PutInventoryConfiguration", "ListBucketInventoryConfigurations": "GetInventoryConfiguration",
	"DeleteBucketMetricsConfiguration": "PutMetricsConfiguration", "ListBucketMetricsConfigurations": "GetMetricsConfiguration",
	"DeleteBucketOwnershipControls":      "PutBucketOwnershipControls",
	"GetBucketNotificationConfiguration": "GetBucketNotification", "PutBucketNotificationConfiguration": "PutBucketNotification",
	"GetBucketLifecycleConfiguration": "GetLifecycleConfiguration", "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
	"DeleteBucketLifecycle":      "PutLifecycleConfiguration",
	"PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
	"GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
}

// Every operation asks once, by the name of its permission, before it does or tells
// anything.
func TestEveryOperationAsks(t *testing.T) {
	r := newRig(t)
	r.bucket("one")
	judge := &nobody{}
	r.Authz = judge
	asked, before := 0, r.DB.View().Revision()
	for _, op := range api.API().Operations {
		handle := op.Bind(r.Service)
		if handle == nil {
			continue
		}
		in := op.NewInput()
		for name, value := range map[string]string{"Bucket": "one", "Key": "k", "CopySource": "one/k", "UploadId": "u"} {
			if f := reflect.ValueOf(in).Elem().FieldByName(name); f.IsValid() {
				f.Set(reflect.ValueOf(&value))
			}
		}
		action := cmp.Or(actions[op.Name], objectActions[op.Name])
		if action == "" {
			action = op.Name
		}
		judge.asked = nil
		_, err := handle(r.ctx, in)
		want(t, op.Name, err, "AccessDenied")
		if len(judge.asked) == 0 || judge.asked[0].Action != "s3:"+action {
			t.Errorf("%s asked for %v", op.Name, judge.asked)
		}
		_, err = handle(t.Context(), in)
		want(t, op.Name+" without a caller", err, "AccessDenied")
		asked++
	}
	if asked < 30 {
		t.Errorf("only %d operations were tried", asked)
	}
	if r.DB.View().Revision() != before {
		t.Error("something was changed")
	}
}
