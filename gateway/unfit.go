package gateway

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/vauban-cloud/vauban/gateway/wire"
)

// unfit refuses requests of S3 for what their operations do not see: a key that is not
// UTF-8, and a header that says how an object is to be encrypted, where it is read
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, "Encryption").
func (q *request) unfit() error {
	const header = "x-amz-server-side-encryption"
	if !q.endpoint.objects() {
		return nil
	}
	if !utf8.ValidString(q.r.URL.Path) {
		return &wire.Error{Code: "InvalidURI", Message: "Couldn't parse the specified URI.", Status: http.StatusBadRequest}
	}
	value := q.r.Header.Get(header)
	if value == "" || q.op.Name != "GetObject" && q.op.Name != "HeadObject" {
		return nil
	}
	return &wire.Error{
		Code: "InvalidArgument", Message: header + " header is not supported for this operation.", Status: http.StatusBadRequest,
		Detail: [][2]string{{"ArgumentName", header}, {"ArgumentValue", strings.TrimSpace(value)}},
	}
}
