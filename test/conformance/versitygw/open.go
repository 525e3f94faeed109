package main

import (
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/tests/integration"
)

// open takes the block of public access from every bucket that a test has made: the
// tests put public policies, as one could on AWS before the block came with the bucket.
type open struct {
	http.RoundTripper
	conf *integration.S3Conf
}

// RoundTrip does so once the bucket is made.
func (t open) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.RoundTripper.RoundTrip(r)
	bucket := strings.Trim(r.URL.Path, "/")
	if err != nil || response.StatusCode != http.StatusOK || r.Method != http.MethodPut || r.URL.RawQuery != "" || strings.Contains(bucket, "/") {
		return response, err
	}
	_, err = t.conf.GetClient().DeletePublicAccessBlock(r.Context(), &s3.DeletePublicAccessBlockInput{Bucket: &bucket})
	return response, err
}
