package matrix

import (
	"strings"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
)

// s3Objects are the operations on objects. Those that read one ask with the tags
// that it carries.
var s3Objects = table{
	"s3:PutObject": func(w *world) row {
		until := w.Now().Add(time.Hour).UTC().Truncate(time.Second)
		return w.onObject(&api.PutObjectRequest{
			Bucket: w.lockedBucket(), Key: new(objectKey), Body: strings.NewReader("hello"), Tagging: new("team=blue"), ACL: new("private"),
			StorageClass: new("STANDARD"), ServerSideEncryption: new("AES256"), IfNoneMatch: new("*"), WebsiteRedirectLocation: new("/other"),
			ObjectLockMode: new("GOVERNANCE"), ObjectLockRetainUntilDate: &until, ObjectLockLegalHoldStatus: new("ON"),
		},
			also("s3:PutObject", w.objectARN(), "s3:RequestObjectTag/team", "blue", "s3:RequestObjectTagKeys", "team", "s3:x-amz-acl", "private",
				"s3:x-amz-storage-class", "STANDARD", "s3:x-amz-server-side-encryption", "AES256", "s3:if-none-match", "*",
				"s3:x-amz-website-redirect-location", "/other",
				"s3:object-lock-mode", "GOVERNANCE", "s3:object-lock-legal-hold", "ON", "s3:object-lock-retain-until-date", until.Format(time.RFC3339)),
			also("s3:PutObjectTagging", w.objectARN(), "s3:RequestObjectTag/team", "blue"), also("s3:PutObjectAcl", w.objectARN(), "s3:x-amz-acl", "private"),
			also("s3:PutObjectRetention", w.objectARN(), "s3:object-lock-mode", "GOVERNANCE"), also("s3:PutObjectLegalHold", w.objectARN(), "s3:object-lock-legal-hold", "ON"))
	},
	"s3:GetObject": func(w *world) row {
		return w.onObject(&api.GetObjectRequest{Bucket: w.object(), Key: new(objectKey)}, also("s3:GetObject", w.objectARN(), existingTag, "blue"))
	},
	"s3:HeadObject": func(w *world) row {
		return w.onObject(&api.HeadObjectRequest{Bucket: w.object(), Key: new(objectKey)}, also("s3:GetObject", w.objectARN(), existingTag, "blue"))
	},
	"s3:DeleteObject": func(w *world) row {
		return w.onObject(&api.DeleteObjectRequest{Bucket: w.object(), Key: new(objectKey), BypassGovernanceRetention: new(true), VersionId: new("null")},
			also("s3:DeleteObjectVersion", w.objectARN(), "s3:VersionId", "null"), also("s3:BypassGovernanceRetention", w.objectARN()))
	},
	// The refusal of one of many objects is told beside the success of others, in
	// service/s3; here are none, which is refused for another reason at the end.
	"s3:DeleteObjects": func(w *world) row {
		r := w.onObject(&api.DeleteObjectsRequest{Bucket: w.object(), Delete: &api.Delete{}}, also("s3:DeleteObject", w.s3ARN(bucketName+"/*")))
		r.ends = "MalformedXML"
		return r
	},
	"s3:CopyObject": func(w *world) row {
		return w.onObject(&api.CopyObjectRequest{Bucket: w.object(), Key: new("copy"), CopySource: new(bucketName + "/" + objectKey), MetadataDirective: new("COPY")},
			also("s3:PutObject", w.s3ARN(bucketName+"/copy"), "s3:x-amz-copy-source", bucketName+"/"+objectKey, "s3:x-amz-metadata-directive", "COPY"),
			also("s3:GetObject", w.objectARN(), existingTag, "blue"), also("s3:GetObjectTagging", w.objectARN()), also("s3:PutObjectTagging", w.s3ARN(bucketName+"/copy")))
	},
	"s3:ListObjects": func(w *world) row {
		return w.onObject(&api.ListObjectsRequest{Bucket: w.object(), Prefix: new("a/"), Delimiter: new("/"), MaxKeys: new(int32(7))}, w.listed("s3:ListBucket"))
	},
	"s3:ListObjectsV2": func(w *world) row {
		return w.onObject(&api.ListObjectsV2Request{Bucket: w.object(), Prefix: new("a/"), Delimiter: new("/"), MaxKeys: new(int32(7))}, w.listed("s3:ListBucket"))
	},
	"s3:ListObjectVersions": func(w *world) row {
		return w.onObject(&api.ListObjectVersionsRequest{Bucket: w.object(), Prefix: new("a/"), Delimiter: new("/"), MaxKeys: new(int32(7))}, w.listed("s3:ListBucketVersions"))
	},
	"s3:GetObjectTagging": func(w *world) row {
		return w.onObject(&api.GetObjectTaggingRequest{Bucket: w.object(), Key: new(objectKey)}, also("s3:GetObjectTagging", w.objectARN(), existingTag, "blue"))
	},
	"s3:PutObjectTagging": func(w *world) row {
		tags := &api.Tagging{TagSet: []api.Tag{{Key: new("stage"), Value: new("test")}}}
		return w.onObject(&api.PutObjectTaggingRequest{Bucket: w.object(), Key: new(objectKey), Tagging: tags},
			also("s3:PutObjectTagging", w.objectARN(), existingTag, "blue", "s3:RequestObjectTag/stage", "test", "s3:RequestObjectTagKeys", "stage"))
	},
	"s3:RestoreObject": func(w *world) row {
		r := w.onObject(&api.RestoreObjectRequest{Bucket: w.object(), Key: new(objectKey)}, also("s3:RestoreObject", w.objectARN(), existingTag, "blue"))
		r.ends = "InvalidObjectState"
		return r
	},
	"s3:DeleteObjectTagging": func(w *world) row {
		return w.onObject(&api.DeleteObjectTaggingRequest{Bucket: w.object(), Key: new(objectKey)}, also("s3:DeleteObjectTagging", w.objectARN(), existingTag, "blue"))
	},
	"s3:GetObjectAttributes": func(w *world) row {
		return w.onObject(&api.GetObjectAttributesRequest{Bucket: w.object(), Key: new(objectKey), ObjectAttributes: []string{"ETag"}},
			also("s3:GetObjectAttributes", w.objectARN(), existingTag, "blue"), also("s3:GetObject", w.objectARN(), existingTag, "blue"))
	},
	"s3:GetObjectAcl": func(w *world) row {
		return w.onObject(&api.GetObjectAclRequest{Bucket: w.object(), Key: new(objectKey)}, also("s3:GetObjectAcl", w.objectARN(), existingTag, "blue"))
	},

	"s3:PutObjectAcl": func(w *world) row {
		bucket := w.object()
		own := &api.OwnershipControls{Rules: []api.OwnershipControlsRule{{ObjectOwnership: new("ObjectWriter")}}}
		made[*api.PutBucketOwnershipControlsOutput](w, Alice, &api.PutBucketOwnershipControlsRequest{Bucket: bucket, OwnershipControls: own})
		return w.onObject(&api.PutObjectAclRequest{Bucket: bucket, Key: new(objectKey), ACL: new("private")},
			also("s3:PutObjectAcl", w.objectARN(), existingTag, "blue", "s3:x-amz-acl", "private"))
	},
	"s3:PutObjectRetention": func(w *world) row {
		until := w.Now().Add(time.Hour).UTC().Truncate(time.Second)
		return w.onObject(&api.PutObjectRetentionRequest{
			Bucket: w.lockedObject(), Key: new(objectKey), BypassGovernanceRetention: new(true),
			Retention: &api.ObjectLockRetention{Mode: new("GOVERNANCE"), RetainUntilDate: &until},
		}, also("s3:PutObjectRetention", w.objectARN(), "s3:object-lock-mode", "GOVERNANCE", "s3:object-lock-retain-until-date", until.Format(time.RFC3339)),
			also("s3:BypassGovernanceRetention", w.objectARN()))
	},
	"s3:GetObjectRetention": func(w *world) row {
		r := w.onObject(&api.GetObjectRetentionRequest{Bucket: w.lockedObject(), Key: new(objectKey)}, also("s3:GetObjectRetention", w.objectARN()))
		r.ends = "NoSuchObjectLockConfiguration"
		return r
	},
	"s3:PutObjectLegalHold": func(w *world) row {
		return w.onObject(&api.PutObjectLegalHoldRequest{Bucket: w.lockedObject(), Key: new(objectKey), LegalHold: &api.ObjectLockLegalHold{Status: new("ON")}},
			also("s3:PutObjectLegalHold", w.objectARN(), "s3:object-lock-legal-hold", "ON"))
	},
	"s3:GetObjectLegalHold": func(w *world) row {
		return w.onObject(&api.GetObjectLegalHoldRequest{Bucket: w.lockedObject(), Key: new(objectKey)}, also("s3:GetObjectLegalHold", w.objectARN()))
	},

	"s3:CreateMultipartUpload": func(w *world) row {
		return w.onObject(&api.CreateMultipartUploadRequest{Bucket: w.bucket(), Key: new(objectKey), Tagging: new("team=blue"), ACL: new("private")},
			also("s3:PutObject", w.objectARN(), "s3:RequestObjectTag/team", "blue", "s3:x-amz-acl", "private"),
			also("s3:PutObjectTagging", w.objectARN()), also("s3:PutObjectAcl", w.objectARN()))
	},
	"s3:UploadPart": func(w *world) row {
		bucket, id := w.upload()
		return w.onObject(&api.UploadPartRequest{Bucket: bucket, Key: new(objectKey), UploadId: id, PartNumber: new(int32(1)), Body: strings.NewReader("hello")}, also("s3:PutObject", w.objectARN()))
	},
	"s3:UploadPartCopy": func(w *world) row {
		bucket, id := w.upload()
		made[*api.PutObjectOutput](w, Alice, &api.PutObjectRequest{Bucket: bucket, Key: new("source"), Body: strings.NewReader("hello"), Tagging: new("team=blue")})
		return w.onObject(&api.UploadPartCopyRequest{Bucket: bucket, Key: new(objectKey), UploadId: id, PartNumber: new(int32(1)), CopySource: new(bucketName + "/source")},
			also("s3:PutObject", w.objectARN(), "s3:x-amz-copy-source", bucketName+"/source"), also("s3:GetObject", w.s3ARN(bucketName+"/source"), existingTag, "blue"))
	},
	"s3:CompleteMultipartUpload": func(w *world) row {
		bucket, id := w.upload()
		part := made[*api.UploadPartOutput](w, Alice, &api.UploadPartRequest{Bucket: bucket, Key: new(objectKey), UploadId: id, PartNumber: new(int32(1)), Body: strings.NewReader("hello")})
		return w.onObject(&api.CompleteMultipartUploadRequest{
			Bucket: bucket, Key: new(objectKey), UploadId: id, IfNoneMatch: new("*"),
			MultipartUpload: &api.CompletedMultipartUpload{Parts: []api.CompletedPart{{PartNumber: new(int32(1)), ETag: part.ETag}}},
		}, also("s3:PutObject", w.objectARN(), "s3:if-none-match", "*"))
	},
	"s3:AbortMultipartUpload": func(w *world) row {
		bucket, id := w.upload()
		return w.onObject(&api.AbortMultipartUploadRequest{Bucket: bucket, Key: new(objectKey), UploadId: id}, also("s3:AbortMultipartUpload", w.objectARN()))
	},
	"s3:ListParts": func(w *world) row {
		bucket, id := w.upload()
		return w.onObject(&api.ListPartsRequest{Bucket: bucket, Key: new(objectKey), UploadId: id}, also("s3:ListMultipartUploadParts", w.objectARN()))
	},
	"s3:ListMultipartUploads": func(w *world) row {
		bucket, _ := w.upload()
		return w.onObject(&api.ListMultipartUploadsRequest{Bucket: bucket}, also("s3:ListBucketMultipartUploads", w.s3ARN(bucketName)))
	},
}

const (
	objectKey   = "a/report.txt"
	existingTag = "s3:ExistingObjectTag/team"
)

func (w *world) objectARN() string { return w.s3ARN(bucketName + "/" + objectKey) }

// object makes a bucket of Alice's with an object that carries a tag, and returns the
// bucket's name.
func (w *world) object() *string {
	w.Helper()
	return w.objectIn(w.bucket())
}

func (w *world) objectIn(bucket *string) *string {
	w.Helper()
	made[*api.PutObjectOutput](w, Alice, &api.PutObjectRequest{Bucket: bucket, Key: new(objectKey), Body: strings.NewReader("hello"), Tagging: new("team=blue")})
	return bucket
}

// lockedBucket is bucket with object lock.
func (w *world) lockedBucket() *string {
	w.Helper()
	made[*api.CreateBucketOutput](w, Alice, &api.CreateBucketRequest{Bucket: new(bucketName), ObjectLockEnabledForBucket: new(true)})
	return new(bucketName)
}

// lockedObject is object in a bucket with object lock.
func (w *world) lockedObject() *string {
	w.Helper()
	return w.objectIn(w.lockedBucket())
}

// upload makes a bucket, and begins an upload.
func (w *world) upload() (bucket, id *string) {
	w.Helper()
	bucket = w.bucket()
	return bucket, made[*api.CreateMultipartUploadOutput](w, Alice, &api.CreateMultipartUploadRequest{Bucket: bucket, Key: new(objectKey)}).UploadId
}

// listed is the need of a list of the bucket.
func (w *world) listed(action string) need {
	return also(action, w.s3ARN(bucketName), "s3:prefix", "a/", "s3:delimiter", "/", "s3:max-keys", "7")
}

// onObject is the row of an operation on an object.
func (w *world) onObject(in any, needs ...need) row {
	return row{in: in, needs: needs, other: "AccessDenied"}
}
