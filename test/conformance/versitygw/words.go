package main

import (
	"bytes"
	"io"
	"net/http"
	"reflect"
	"regexp"
	"unsafe"

	"github.com/versity/versitygw/tests/integration"
)

// reworded puts the messages of errors, where AWS or Vauban has other words than
// versitygw, into versitygw's: all else of a test counts then. Nothing else is changed.
type reworded struct{ http.RoundTripper }

// words are expressions for messages, and versitygw's messages.
var words = []struct {
	theirs *regexp.Regexp
	ours   string
}{
	{message(`(The specified bucket does not exist|The bucket you tried to delete is not empty|Access Denied|The TagSet does not exist|The bucket policy does not exist|` +
		`At least one of the pre-conditions you specified did not hold|The requested partnumber is not satisfiable|` +
		`Part number must be an integer between 1 and 10000, inclusive|The specified object does not have a ObjectLock configuration|` +
		`Object Lock configuration does not exist for this bucket|AWS authentication requires a valid Date or x-amz-date header|` +
		`x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied|Argument max-buckets must be an integer between 1 and 10000)`), "$1."},
	{message(`(The XML you provided was not well-formed or did not validate against our published schema).*`), "$1."},
	{message(`The specified upload does not exist(.*)`), "The specified multipart upload does not exist$1"},
	{message(`(One or more of the specified parts could not be found\.) (.*)`), "$1  $2"},
	{message(`A header( or a configuration)? you provided implies functionality that is not implemented: .*`), "A header you provided implies functionality that is not implemented."},
	{message(`The Content-MD5 you specified was invalid\.`), "The Content-Md5 you specified is not valid."},
	{message(`(.*)the region '(.*)' is wrong; expecting '(.*)'`), `$1the region "$2" is wrong; expecting "$3"`},
	{message(`The request must contain x-amz-object-attributes`), "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty"},
	{message(`The specified location-constraint is not valid: .*`), "The specified location-constraint is not valid"},
	{message(`Invalid object ownership: (.*)`), "Invalid x-amz-object-ownership header: $1"},
	{message(`Cannot specify both Range header and partNumber query parameter\.`), "Cannot specify both Range header and partNumber query parameter"},
	{message(`Error parsing the X-Amz-Credential parameter; (Invalid credential date .*)`), "$1"},
}

func message(text string) *regexp.Regexp {
	return regexp.MustCompile("<Message>" + text + "</Message>")
}

// RoundTrip changes the documents of errors.
func (t reworded) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.RoundTripper.RoundTrip(r)
	if err != nil || response.StatusCode < http.StatusMultipleChoices || r.Method == http.MethodHead {
		return response, err
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		return nil, err
	}
	for _, w := range words {
		body = w.theirs.ReplaceAll(body, []byte("<Message>"+w.ours+"</Message>"))
	}
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return response, nil
}

// client is the HTTP client of a configuration, which it keeps to itself.
func client(conf *integration.S3Conf) *http.Client {
	p := reflect.ValueOf(conf).Elem().FieldByName("httpClient")
	return (*http.Client)(unsafe.Pointer(p.Pointer()))
}
