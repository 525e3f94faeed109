package accesslog

import (
	"cmp"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
)

// Access is a request for a bucket, or for an object in it, that was answered.
type Access struct {
	Time             time.Time // of arrival
	Caller           cloud.Caller
	RequestID        string
	Operation        string // "GetObject"; empty if unknown
	Key              string // of the object; empty for none
	Version          string
	Method           string
	URI, Proto       string // as the client sent them
	Status           int
	Code             string // of an error
	Sent             int64  // bytes
	Size             int64  // of the object; -1 if unknown
	Total, First     time.Duration
	Referer, Agent   string
	SourceIP, HostID string
	Auth, Host       string // "AuthHeader", "QueryString" or empty
	TLS, Cipher      string
}

// line is the access in AWS's format:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html
func (a *Access) line(owner, bucket, requester, region string) string {
	signature := ""
	if a.Auth != "" {
		signature = "SigV4"
	}
	size := ""
	if a.Size >= 0 && a.Key != "" {
		size = strconv.FormatInt(a.Size, 10)
	}
	sent := ""
	if a.Sent > 0 {
		sent = strconv.FormatInt(a.Sent, 10)
	}
	return strings.Join([]string{
		owner, bucket, a.Time.UTC().Format("[02/Jan/2006:15:04:05 +0000]"), dash(a.SourceIP), dash(requester), dash(a.RequestID), operation(a.Operation, a.Method),
		dash((&url.URL{Path: a.Key}).EscapedPath()), quoted(a.Method + " " + withoutSecrets(a.URI) + " " + a.Proto), strconv.Itoa(a.Status), dash(a.Code),
		dash(sent), dash(size), millis(a.Total), millis(a.First), quoted(cmp.Or(a.Referer, "-")), quoted(cmp.Or(a.Agent, "-")), dash(a.Version), dash(a.HostID),
		dash(signature), dash(a.Cipher), dash(a.Auth), dash(a.Host), dash(a.TLS), "-", "-", region,
	}, " ") + "\n"
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// dash is what stands for nothing; a field has no spaces.
func dash(text string) string {
	if text == "" {
		return "-"
	}
	return strings.ReplaceAll(text, " ", "%20")
}

// quoted is a field that may have spaces; quotes in it would end it.
func quoted(text string) string {
	return `"` + strings.NewReplacer(`"`, "%22", "\n", "%0A", "\r", "%0D").Replace(text) + `"`
}

var secrets = regexp.MustCompile(`(?i)(X-Amz-(?:Signature|Security-Token)=)[^&]*`)

// withoutSecrets is a URI that lets nobody do what it let its sender do.
func withoutSecrets(uri string) string { return secrets.ReplaceAllString(uri, "${1}-") }

// operation is the name that the format has for an operation of the API: METHOD and
// the kind of resource.
func operation(name, method string) string {
	if batch := others[name]; batch != "" {
		return batch
	}
	kind := kinds[name]
	if kind == "" {
		kind = "BUCKET"
		if strings.Contains(name, "Object") {
			kind = "OBJECT"
		}
	}
	return "REST." + method + "." + kind
}

// others are the operations whose names do not begin with their method.
var others = map[string]string{ //nolint:gochecknoglobals // never changed
	"CopyObject": "REST.COPY.OBJECT", "UploadPartCopy": "REST.COPY.PART", "DeleteObjects": "REST.POST.MULTI_OBJECT_DELETE",
}

var kinds = map[string]string{ //nolint:gochecknoglobals // never changed
	"CreateMultipartUpload": "UPLOADS", "ListMultipartUploads": "UPLOADS",
	"CompleteMultipartUpload": "UPLOAD", "AbortMultipartUpload": "UPLOAD", "ListParts": "UPLOAD",
	"UploadPart": "PART", "ListObjectVersions": "BUCKETVERSIONS", "ListObjects": "BUCKET", "ListObjectsV2": "BUCKET",
	"GetObjectAcl": "ACL", "PutObjectAcl": "ACL", "GetBucketAcl": "ACL", "PutBucketAcl": "ACL",
	"GetObjectTagging": "OBJECT_TAGGING", "PutObjectTagging": "OBJECT_TAGGING", "DeleteObjectTagging": "OBJECT_TAGGING",
	"GetObjectRetention": "OBJECT_LOCK_RETENTION", "PutObjectRetention": "OBJECT_LOCK_RETENTION",
	"GetObjectLegalHold": "OBJECT_LOCK_LEGALHOLD", "PutObjectLegalHold": "OBJECT_LOCK_LEGALHOLD", "GetObjectAttributes": "OBJECT_ATTRIBUTES",
	"GetBucketVersioning": "VERSIONING", "PutBucketVersioning": "VERSIONING", "GetBucketLogging": "LOGGING_STATUS", "PutBucketLogging": "LOGGING_STATUS",
	"GetBucketLocation": "LOCATION", "GetBucketPolicy": "BUCKETPOLICY", "PutBucketPolicy": "BUCKETPOLICY", "DeleteBucketPolicy": "BUCKETPOLICY",
	"GetBucketPolicyStatus": "POLICY_STATUS", "GetBucketTagging": "TAGGING", "PutBucketTagging": "TAGGING", "DeleteBucketTagging": "TAGGING",
	"GetBucketLifecycleConfiguration": "LIFECYCLE", "PutBucketLifecycleConfiguration": "LIFECYCLE", "DeleteBucketLifecycle": "LIFECYCLE",
	"GetBucketNotificationConfiguration": "NOTIFICATION", "PutBucketNotificationConfiguration": "NOTIFICATION",
	"GetBucketCors": "CORS", "PutBucketCors": "CORS", "DeleteBucketCors": "CORS",
	"GetBucketWebsite": "WEBSITE", "PutBucketWebsite": "WEBSITE", "DeleteBucketWebsite": "WEBSITE",
	"GetBucketEncryption": "ENCRYPTION", "PutBucketEncryption": "ENCRYPTION", "DeleteBucketEncryption": "ENCRYPTION",
	"GetPublicAccessBlock": "PUBLIC_ACCESS_BLOCK", "PutPublicAccessBlock": "PUBLIC_ACCESS_BLOCK", "DeletePublicAccessBlock": "PUBLIC_ACCESS_BLOCK",
	"GetObjectLockConfiguration": "OBJECT_LOCK_CONFIGURATION", "PutObjectLockConfiguration": "OBJECT_LOCK_CONFIGURATION",
	"GetBucketOwnershipControls": "OWNERSHIP_CONTROLS", "PutBucketOwnershipControls": "OWNERSHIP_CONTROLS",
	"GetBucketReplication": "REPLICATION", "GetBucketAccelerateConfiguration": "ACCELERATE", "GetBucketRequestPayment": "REQUEST_PAYMENT",
}
