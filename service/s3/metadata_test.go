package s3

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
)

// TestMetadataHeaders has what AWS documents of header values that are not ASCII, and
// what RFC 2047 says of those that are encoded.
func TestMetadataHeaders(t *testing.T) {
	for sent, told := range map[string]string{
		"AMAZONS3":                          "AMAZONS3",
		"ÄMÄZÕÑ S3":                         "=?UTF-8?B?w4PChE3Dg8KEWsODwpXDg8KRIFMz?=", // AWS's own example
		"Hello World\xe9":                   "=?UTF-8?B?SGVsbG8gV29ybGTDqQ==?=",
		"=?UTF-8?B?Y2Fmw6k=?=":              "=?UTF-8?B?Y2Fmw6k=?=",
		"=?utf-8?q?caf=C3=A9_au_lait?=":     "=?UTF-8?B?Y2Fmw6kgYXUgbGFpdA==?=",
		"=?ISO-8859-1?Q?caf=E9?=":           "=?UTF-8?B?Y2Fmw6k=?=",
		"=?UTF-8?B?Y2Fm?= =?UTF-8?B?w6k=?=": "=?UTF-8?B?Y2Fmw6k=?=",
		"=?UTF-8?Q?plain?=":                 "plain",
		"=?UTF-8?B?DQpTZXQtQ29va2llOiB4?=":  "=?UTF-8?B?DQpTZXQtQ29va2llOiB4?=", // a line break stays inside
		"=?UTF-8?B?!?=":                     "=?UTF-8?B?!?=",
		"=?KOI8-R?B?8NLJ18XU?=":             "=?KOI8-R?B?8NLJ18XU?=",
		"a =? b":                            "a =? b",
		"\ttab":                             "\ttab",
		"":                                  "",
	} {
		got := metadataHeaders(metadataText(map[string]string{"a": sent}))
		if !maps.Equal(got, map[string]string{"a": told}) {
			t.Errorf("%q is told as %q, not %q", sent, got["a"], told)
		}
	}
	if metadataHeaders(metadataText(nil)) != nil {
		t.Error("no metadata becomes some")
	}
}

// TestMetadataOverHTTP sends the bytes, copies the object, and looks at the headers.
func TestMetadataOverHTTP(t *testing.T) {
	r := newRaw(t)
	now := time.Now()
	r.wants("put", r.do(r.request(now, http.MethodPut, "/box/k", strings.NewReader("x"), "X-Amz-Meta-A", "ÄMÄZÕÑ S3")), "200 ")
	must(r.CopyObject(r.ctx, &api.CopyObjectRequest{Bucket: new("box"), Key: new("copy"), CopySource: new("box/k")}))(t)
	for _, key := range []string{"k", "copy"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			a := must(http.DefaultClient.Do(r.request(now, method, "/box/"+key, nil)))(t)
			a.Body.Close()
			if got := a.Header.Get("X-Amz-Meta-A"); got != "=?UTF-8?B?w4PChE3Dg8KEWsODwpXDg8KRIFMz?=" {
				t.Errorf("%s of %s: %q", method, key, got)
			}
		}
	}
	// What was put counts, in UTF-8: 1 byte of name, and 2 for each that was sent.
	long := strings.Repeat("\xe9", 1024)
	r.wants("metadata of 2049 bytes", r.do(r.request(now, http.MethodPut, "/box/k", strings.NewReader("x"), "X-Amz-Meta-A", long)), "400 MetadataTooLarge")
	r.wants("metadata of 2047 bytes", r.do(r.request(now, http.MethodPut, "/box/k", strings.NewReader("x"), "X-Amz-Meta-A", long[1:])), "200 ")
}
