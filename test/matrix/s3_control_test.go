package matrix

import (
	api "github.com/vauban-cloud/vauban/awsapi/s3control"
)

// s3Control are the operations on the tags of buckets by ARN, and on what an account
// may not have public.
var s3Control = table{
	"s3-control:ListTagsForResource": func(w *world) row {
		w.bucket()
		arn := w.s3ARN(bucketName)
		return row{in: &api.ListTagsForResourceRequest{AccountId: new(Alice), ResourceArn: &arn}, needs: []need{also("s3:ListTagsForResource", arn)}, other: "AccessDenied"}
	},
	"s3-control:TagResource": func(w *world) row {
		w.bucket()
		arn := w.s3ARN(bucketName)
		return row{
			in:    &api.TagResourceRequest{AccountId: new(Alice), ResourceArn: &arn, Tags: []api.Tag{{Key: new("team"), Value: new("blue")}}},
			needs: []need{also("s3:TagResource", arn, "aws:RequestTag/team", "blue")}, other: "AccessDenied",
		}
	},
	"s3-control:UntagResource": func(w *world) row {
		w.bucket()
		arn := w.s3ARN(bucketName)
		return row{
			in:    &api.UntagResourceRequest{AccountId: new(Alice), ResourceArn: &arn, TagKeys: []string{"team"}},
			needs: []need{also("s3:UntagResource", arn, "aws:TagKeys", "team")}, other: "AccessDenied",
		}
	},
	"s3-control:GetPublicAccessBlock": func(w *world) row {
		w.storage()
		return row{
			in:    &api.GetPublicAccessBlockRequest{AccountId: new(Alice)},
			needs: []need{also("s3:GetAccountPublicAccessBlock", "*")}, other: "AccessDenied", ends: "NoSuchPublicAccessBlockConfiguration",
		}
	},
	"s3-control:PutPublicAccessBlock": func(w *world) row {
		w.storage()
		return row{
			in:    &api.PutPublicAccessBlockRequest{AccountId: new(Alice), PublicAccessBlockConfiguration: &api.PublicAccessBlockConfiguration{}},
			needs: []need{also("s3:PutAccountPublicAccessBlock", "*")}, other: "AccessDenied",
		}
	},
	"s3-control:DeletePublicAccessBlock": func(w *world) row {
		w.storage()
		return row{in: &api.DeletePublicAccessBlockRequest{AccountId: new(Alice)}, needs: []need{also("s3:PutAccountPublicAccessBlock", "*")}, other: "AccessDenied"}
	},
}
