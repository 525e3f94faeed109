package wire_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/gateway/wire"
)

// TestPartialContent holds that an answer with a range says so in its status.
func TestPartialContent(t *testing.T) {
	for _, test := range []struct {
		contentRange *string
		status       int
	}{{nil, 200}, {new("bytes 0-1/9"), 206}} {
		w := httptest.NewRecorder()
		out := &s3.GetObjectOutput{Body: strings.NewReader("ab"), ContentLength: new(int64(2)), ContentRange: test.contentRange}
		if err := wire.Encode(w, s3.API(), wire.RESTXML, s3.API().Operation("GetObject"), out, "id"); err != nil {
			t.Fatal(err)
		}
		if w.Code != test.status || w.Body.String() != "ab" {
			t.Errorf("%d %q, not %d", w.Code, w.Body, test.status)
		}
	}
}

// TestErrorHeaders holds that errors carry their headers, and that one that says
// "not modified" has no body.
func TestErrorHeaders(t *testing.T) {
	for _, test := range []struct {
		status int
		body   bool
	}{{304, false}, {404, true}} {
		w := httptest.NewRecorder()
		e := &wire.Error{Code: "Some", Message: "some", Status: test.status, Header: map[string]string{"ETag": `"e"`}}
		wire.EncodeError(w, s3.API(), wire.RESTXML, s3.API().Operation("GetObject"), e, "id")
		if w.Code != test.status || w.Header().Get("ETag") != `"e"` || (w.Body.Len() > 0) != test.body || (w.Header().Get("Content-Type") != "") != test.body {
			t.Errorf("%d, %v, %q", w.Code, w.Header(), w.Body)
		}
	}
}

// TestMetadataCase holds that names which clients read out of headers stay as they are.
func TestMetadataCase(t *testing.T) {
	w := httptest.NewRecorder()
	name := "mtime"
	out := &s3.HeadObjectOutput{Metadata: map[string]string{name: "1"}}
	if err := wire.Encode(w, s3.API(), wire.RESTXML, s3.API().Operation("HeadObject"), out, "id"); err != nil {
		t.Fatal(err)
	}
	if got := w.Header()["x-amz-meta-"+name]; len(got) != 1 || got[0] != "1" {
		t.Errorf("headers are %v", w.Header())
	}
}
