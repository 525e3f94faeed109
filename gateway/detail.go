package gateway

import "strings"

// named are the parts of an S3 request's address that errors of that code repeat:
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#RESTErrorResponses
func (q *request) named(code string) [][2]string {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(q.r.URL.Path, "/"), "/")
	switch code {
	case "NoSuchBucket", "BucketAlreadyExists", "BucketAlreadyOwnedByYou", "BucketNotEmpty", "InvalidBucketName", "NoSuchBucketPolicy", "NoSuchTagSet":
		return [][2]string{{"BucketName", bucket}}
	case "NoSuchKey":
		return [][2]string{{"Key", key}}
	case "NoSuchVersion":
		return [][2]string{{"Key", key}, {"VersionId", q.r.URL.Query().Get("versionId")}}
	case "NoSuchUpload":
		return [][2]string{{"UploadId", q.r.URL.Query().Get("uploadId")}}
	}
	return nil
}
