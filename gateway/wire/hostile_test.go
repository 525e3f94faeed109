package wire_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/cloudwatch"
	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/awsapi/kms"
	"github.com/vauban-cloud/vauban/awsapi/organizations"
	"github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/gateway/wire"
)

// TestHostile sends what a client never would: it is refused, at a price in
// memory that is in proportion to its bytes.
func TestHostile(t *testing.T) {
	target := func(api *wire.Service, operation string) *http.Request {
		r := post()
		r.Header.Set("X-Amz-Target", api.TargetPrefix+"."+operation)
		return r
	}
	cborRequest := post()
	cborRequest.URL.Path = "/service/" + cloudwatch.API().TargetPrefix + "/operation/PutMetricData"
	cborRequest.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
	gzipRequest := target(cloudwatch.API(), "PutMetricData")
	gzipRequest.Header.Set("Content-Encoding", "gzip")
	bucket := post()
	bucket.Method, bucket.URL.Path, bucket.URL.RawQuery = http.MethodPut, "/bucket", "versioning"

	var many strings.Builder
	many.WriteString("Action=DescribeInstances")
	for i := range 30_000 {
		fmt.Fprintf(&many, "&InstanceId.%d=i", i+1)
	}
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	for range 64 {
		z.Write(make([]byte, 1<<20))
	}
	z.Close()

	for name, test := range map[string]struct {
		api  *wire.Service
		r    *http.Request
		body string
		code string
	}{
		"huge index":           {ec2.API(), post(), "Action=DescribeInstances&Filter.9999999999.Name=x", "UnknownParameter"},
		"negative index":       {ec2.API(), post(), "Action=DescribeInstances&Filter.-1.Name=x", "UnknownParameter"},
		"too many parameters":  {ec2.API(), post(), many.String(), "MalformedQueryString"},
		"long path":            {ec2.API(), post(), "Action=DescribeInstances&" + strings.Repeat("Filter.1.", 100_000) + "Name=x", "UnknownParameter"},
		"a list as a scalar":   {ec2.API(), post(), "Action=DescribeInstances&MaxResults.1=5", "UnknownParameter"},
		"a scalar as a list":   {ec2.API(), post(), "Action=DescribeInstances&InstanceId=i-1", "InvalidParameterValue"},
		"empty components":     {ec2.API(), post(), "Action=DescribeInstances&Filter..=x", "UnknownParameter"},
		"deep JSON":            {kms.API(), target(kms.API(), "Encrypt"), strings.Repeat(`{"KeyId":`, 100_000), "SerializationException"},
		"deep JSON lists":      {kms.API(), target(kms.API(), "Encrypt"), `{"GrantTokens":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "}", "SerializationException"},
		"deep recursive shape": {organizations.API(), target(organizations.API(), "ListHandshakesForAccount"), `{"Filter":` + strings.Repeat("[", 5000), "SerializationException"},
		"deep CBOR":            {cloudwatch.API(), cborRequest, strings.Repeat("\x81", 100_000), "SerializationException"},
		"huge CBOR array":      {cloudwatch.API(), cborRequest, "\xa1aa\x9b\x00\x00\x00\xff\xff\xff\xff\xff", "SerializationException"},
		"huge CBOR string":     {cloudwatch.API(), cborRequest, "\xa1aa\x7b\x00\x00\x00\xff\xff\xff\xff\xff", "SerializationException"},
		"gzip bomb":            {cloudwatch.API(), gzipRequest, bomb.String(), "SerializationException"},
		"deep XML":             {s3.API(), bucket, "<VersioningConfiguration>" + strings.Repeat("<a>", 100_000), "MalformedXML"},
		"XML entities":         {s3.API(), bucket, `<!DOCTYPE a [<!ENTITY b "c">]><VersioningConfiguration><Status>&b;</Status></VersioningConfiguration>`, "MalformedXML"},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			op, p, err := test.api.Match(test.r, []byte(test.body))
			if err == nil {
				_, err = wire.Decode(p, op, test.r, []byte(test.body))
			}
			runtime.ReadMemStats(&after)
			var refusal *wire.Error
			if !errors.As(err, &refusal) || refusal.Code != test.code {
				t.Fatalf("got %v, want %s", err, test.code)
			}
			if len(refusal.Message) > 1000 {
				t.Errorf("the message has %d bytes", len(refusal.Message))
			}
			// Twice what may be uncompressed: once to match, once to decode.
			if spent := after.TotalAlloc - before.TotalAlloc; spent > 128<<20 || name != "gzip bomb" && spent > 1<<20+uint64(20*len(test.body)) {
				t.Errorf("%d bytes of request cost %d bytes of memory", len(test.body), spent)
			}
		})
	}
}
