package main

import (
	"bytes"
	"io"
	"net/http"
	"reflect"
	"strings"
	"unsafe"

	"github.com/versity/versitygw/tests/integration"
)

// reworded puts the messages of errors, where AWS has other words than versitygw,
// into versitygw's: all else of a test counts then. Nothing else is changed.
type reworded struct{ http.RoundTripper }

// words are AWS's messages and versitygw's.
var words = strings.NewReplacer(
	"<Message>The specified bucket does not exist</Message>", "<Message>The specified bucket does not exist.</Message>",
	"<Message>The bucket you tried to delete is not empty</Message>", "<Message>The bucket you tried to delete is not empty.</Message>",
	"<Message>Access Denied</Message>", "<Message>Access Denied.</Message>",
	"<Message>The TagSet does not exist</Message>", "<Message>The TagSet does not exist.</Message>",
)

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
	body = []byte(words.Replace(string(body)))
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return response, nil
}

// client is the HTTP client of a configuration, which it keeps to itself.
func client(conf *integration.S3Conf) *http.Client {
	p := reflect.ValueOf(conf).Elem().FieldByName("httpClient")
	return (*http.Client)(unsafe.Pointer(p.Pointer()))
}
