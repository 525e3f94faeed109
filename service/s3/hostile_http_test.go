package s3

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
)

// raw is a client that sends what no SDK would.
type raw struct {
	*rig
	*testing.T
	base string
}

func newRaw(t *testing.T) raw {
	r := newRig(t)
	r.bucket("box")
	return raw{r, t, *r.client().Options().BaseEndpoint}
}

// request is one that alice signed at a time, with the body left unsigned. path is as
// it goes over the wire; query stands behind a "?".
func (r raw) request(at time.Time, method, path string, body io.Reader, header ...string) *http.Request {
	r.T.Helper()
	q := must(http.NewRequestWithContext(r.T.Context(), method, r.base+path, body))(r.T)
	q.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	for k := 0; k < len(header); k += 2 {
		q.Header.Set(header[k], header[k+1])
	}
	sent := q.URL.EscapedPath()
	q.URL.RawPath = oneForm(sent)
	key := aws.Credentials{AccessKeyID: "AKIDALICE", SecretAccessKey: "secret"}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	if err := signer.SignHTTP(r.T.Context(), key, q, q.Header.Get("X-Amz-Content-Sha256"), "s3", r.Place.Region, at); err != nil {
		r.T.Fatal(err)
	}
	q.URL.RawPath = sent
	return q
}

// oneForm is the encoding of a path that is signed, however it goes over the wire.
func oneForm(path string) string {
	parts := strings.Split(path, "/")
	for k, part := range parts {
		if text, err := url.PathUnescape(part); err == nil {
			parts[k] = strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
		}
	}
	return strings.Join(parts, "/")
}

// do sends a request, and returns the status and, of an error, the code; or the body.
func (r raw) do(q *http.Request) string {
	r.T.Helper()
	a := must(http.DefaultClient.Do(q))(r.T)
	defer a.Body.Close()
	return said(a.StatusCode, string(must(io.ReadAll(a.Body))(r.T)))
}

func said(status int, body string) string {
	if status < 300 {
		return fmt.Sprint(status, " ", body)
	}
	_, code, _ := strings.Cut(body, "<Code>")
	code, _, _ = strings.Cut(code, "</Code>")
	return fmt.Sprint(status, " ", code)
}

func (r raw) wants(what, got, wanted string) {
	r.T.Helper()
	if got != wanted {
		r.T.Errorf("%s: %q, not %q", what, got, wanted)
	}
}

// TestEveryByte puts keys with each byte, encoded, and reads them; those that are not
// UTF-8 are refused. Then it lists and deletes them.
func TestEveryByte(t *testing.T) {
	r := newRaw(t)
	now := time.Now()
	var keys []string
	for b := range 256 {
		path := fmt.Sprintf("/box/k%%%02X", b)
		got := r.do(r.request(now, http.MethodPut, path, strings.NewReader(path)))
		if b >= 0x80 {
			r.wants(path, got, "400 InvalidURI")
			r.wants("get "+path, r.do(r.request(now, http.MethodGet, path, nil)), "400 InvalidURI")
			r.wants("delete "+path, r.do(r.request(now, http.MethodDelete, path, nil)), "400 InvalidURI")
			r.wants("the tags of "+path, r.do(r.request(now, http.MethodGet, path+"?tagging=", nil)), "400 InvalidURI")
			continue
		}
		r.wants(path, got, "200 ")
		keys = append(keys, "k"+string(rune(b)))
		r.wants("get "+path, r.do(r.request(now, http.MethodGet, path, nil)), "200 "+path)
	}
	for path, wanted := range map[string]string{
		"/box/a%2Fb": "a/b", "/box/plus+plus": "plus+plus", "/box/plus%2Bplus": "plus+plus", "/box/sp%20ace": "sp ace", "/box//": "/", "/box///a//": "//a//",
		"/box/..": "..", "/box/../x": "../x", "/box/%2e%2e/y": "../y", "/box/./z": "./z", "/box/%25zz": "%zz", "/box/" + strings.Repeat("a/", 511) + "bc": strings.Repeat("a/", 511) + "bc",
	} {
		r.wants(path, r.do(r.request(now, http.MethodPut, path, strings.NewReader(wanted))), "200 ")
		r.wants("the object of "+path, r.get("box", wanted, ""), wanted)
		if !slices.Contains(keys, wanted) {
			keys = append(keys, wanted)
		}
	}
	r.wants("a key of 1025 bytes", r.do(r.request(now, http.MethodPut, "/box/"+strings.Repeat("%C3%A9", 512)+"x", nil)), "400 KeyTooLongError")
	r.wants("reading a key of 1025 bytes", r.do(r.request(now, http.MethodGet, "/box/"+strings.Repeat("%C3%A9", 512)+"x", nil)), "400 KeyTooLongError")
	list := r.do(r.request(now, http.MethodGet, "/box?encoding-type=url&list-type=2", nil))
	slices.Sort(keys)
	for _, key := range keys {
		if !strings.Contains(list, "<Key>"+encoded(key)+"</Key>") {
			t.Errorf("%q is not listed", key)
		}
		r.wants("delete "+key, r.do(r.request(now, http.MethodDelete, "/box/"+url.PathEscape(key), nil)), "204 ")
	}
	if list := r.do(r.request(now, http.MethodGet, "/box", nil)); strings.Contains(list, "<Key>") {
		t.Errorf("what was deleted is listed: %s", list)
	}
}

// TestHostileRequests sends what is wrong in one way each, and wants S3's code for it.
func TestHostileRequests(t *testing.T) {
	r := newRaw(t)
	r.write("box", "k", "0123456789")
	now := time.Now()
	bomb := `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><Delete><Object><Key>&b;</Key></Object></Delete>`
	deep := strings.Repeat("<Delete>", 10000) + strings.Repeat("</Delete>", 10000)
	many := "<Delete>" + strings.Repeat("<Object><Key>k</Key></Object>", 1001) + "</Delete>"
	for what, test := range map[string]struct {
		q      *http.Request
		wanted string
	}{
		"an hour ago":                 {r.request(now.Add(-time.Hour), "GET", "/box/k", nil), "403 RequestTimeTooSkewed"},
		"in an hour":                  {r.request(now.Add(time.Hour), "GET", "/box/k", nil), "403 RequestTimeTooSkewed"},
		"14 minutes ago":              {r.request(now.Add(-14*time.Minute), "GET", "/box/k", nil), "200 0123456789"},
		"a bomb of entities":          {r.request(now, "POST", "/box?delete=", strings.NewReader(bomb)), "400 MalformedXML"},
		"elements without an end":     {r.request(now, "POST", "/box?delete=", strings.NewReader("<Delete><Object>")), "400 MalformedXML"},
		"elements in elements":        {r.request(now, "POST", "/box?delete=", strings.NewReader(deep)), "400 MalformedXML"},
		"1001 objects":                {r.request(now, "POST", "/box?delete=", strings.NewReader(many)), "400 MalformedXML"},
		"no XML":                      {r.request(now, "POST", "/box?delete=", strings.NewReader("{}")), "400 MalformedXML"},
		"a document of 20 MiB":        {r.request(now, "POST", "/box?delete=", io.LimitReader(zeros{}, 20<<20), "Content-Type", "text/xml"), "400 EntityTooLarge"},
		"headers of 9 KiB":            {r.request(now, "GET", "/box/k", nil, "X-Amz-Meta-A", strings.Repeat("a", 9<<10)), "400 RequestHeaderSectionTooLarge"},
		"metadata of 3 KiB":           {r.request(now, "PUT", "/box/m", strings.NewReader("x"), "X-Amz-Meta-A", strings.Repeat("a", 3<<10)), "400 MetadataTooLarge"},
		"part 0":                      {r.request(now, "PUT", "/box/m?partNumber=0&uploadId=x", strings.NewReader("x")), "400 InvalidArgument"},
		"part 10001":                  {r.request(now, "PUT", "/box/m?partNumber=10001&uploadId=x", strings.NewReader("x")), "400 InvalidArgument"},
		"a part without a number":     {r.request(now, "PUT", "/box/m?partNumber=one&uploadId=x", strings.NewReader("x")), "400 InvalidArgument"},
		"a range beyond all":          {r.request(now, "GET", "/box/k", nil, "Range", "bytes=10-"), "416 InvalidRange"},
		"a range of huge numbers":     {r.request(now, "GET", "/box/k", nil, "Range", "bytes=0-99999999999999999999999999"), "206 0123456789"},
		"a range behind huge numbers": {r.request(now, "GET", "/box/k", nil, "Range", "bytes=99999999999999999999999999-"), "416 InvalidRange"},
		"the last of huge numbers":    {r.request(now, "GET", "/box/k", nil, "Range", "bytes=-99999999999999999999999999"), "206 0123456789"},
		"a range backwards":           {r.request(now, "GET", "/box/k", nil, "Range", "bytes=5-2"), "200 0123456789"},
		"the last none":               {r.request(now, "GET", "/box/k", nil, "Range", "bytes=-0"), "416 InvalidRange"},
		"two ranges":                  {r.request(now, "GET", "/box/k", nil, "Range", "bytes=0-1,4-5"), "200 0123456789"},
		"an encryption to read with":  {r.request(now, "GET", "/box/k", nil, "X-Amz-Server-Side-Encryption", "AES256"), "400 InvalidArgument"},
		"an encryption to look with":  {r.request(now, "HEAD", "/box/k", nil, "X-Amz-Server-Side-Encryption", "aws:kms"), "400 "},
		"a negative page":             {r.request(now, "GET", "/box?max-keys=-1", nil), "400 InvalidArgument"},
		"a page of no number":         {r.request(now, "GET", "/box?max-keys=many", nil), "400 InvalidArgument"},
		"a page of a huge number":     {r.request(now, "GET", "/box?max-keys=99999999999", nil), "400 InvalidArgument"},
		"a wrong MD5":                 {r.request(now, "PUT", "/box/m", strings.NewReader("x"), "Content-Md5", "AAAAAAAAAAAAAAAAAAAAAA=="), "400 BadDigest"},
		"an MD5 of no base64":         {r.request(now, "PUT", "/box/m", strings.NewReader("x"), "Content-Md5", "what?"), "400 InvalidDigest"},
		"two checksums":               {r.request(now, "PUT", "/box/m", strings.NewReader("x"), "X-Amz-Checksum-Crc32", "AAAAAA==", "X-Amz-Checksum-Crc32c", "AAAAAA=="), "400 InvalidRequest"},
		"a wrong checksum":            {r.request(now, "PUT", "/box/m", strings.NewReader("x"), "X-Amz-Checksum-Crc32", "AAAAAA=="), "400 BadDigest"},
		"another body than signed":    {r.request(now, "PUT", "/box/m", strings.NewReader("x"), "X-Amz-Content-Sha256", strings.Repeat("0", 64)), "400 XAmzContentSHA256Mismatch"},
		"a copy of nonsense":          {r.request(now, "PUT", "/box/m", nil, "X-Amz-Copy-Source", "%ZZ"), "400 InvalidArgument"},
		"a method that is none":       {r.request(now, "BREW", "/box/k", nil), "405 MethodNotAllowed"},
	} {
		r.wants(what, r.do(test.q), test.wanted)
	}
	if list := r.do(r.request(now, http.MethodGet, "/box", nil)); strings.Count(list, "<Key>") != 1 {
		t.Errorf("something was put: %s", list)
	}
}

// zeros is endless.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestOtherLengths sends bodies that are shorter and longer than declared: nothing is
// put of the first, and what is too much of the second is no request.
func TestOtherLengths(t *testing.T) {
	r := newRaw(t)
	send := func(declared int, body string, end bool) string {
		q := r.request(time.Now(), http.MethodPut, "/box/k", bytes.NewReader(make([]byte, declared)))
		var wire bytes.Buffer
		if err := q.Write(&wire); err != nil {
			t.Fatal(err)
		}
		head, _, _ := bytes.Cut(wire.Bytes(), []byte("\r\n\r\n"))
		conn := must((&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.base, "http://")))(t)
		defer conn.Close()
		if _, err := fmt.Fprintf(conn, "%s\r\n\r\n%s", head, body); err != nil {
			t.Fatal(err)
		}
		if end {
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(conn)
		var all []string
		for {
			a, err := http.ReadResponse(in, nil)
			if err != nil {
				return strings.Join(all, ", ")
			}
			body, _ := io.ReadAll(a.Body) // what was cut off tells enough
			a.Body.Close()
			all = append(all, strings.TrimSpace(said(a.StatusCode, string(body))))
		}
	}
	r.wants("a shorter body", send(10, "xxxxx", true), "400 IncompleteBody")
	if list := r.do(r.request(time.Now(), http.MethodGet, "/box", nil)); strings.Contains(list, "<Key>") {
		t.Errorf("something was put: %s", list)
	}
	r.wants("a longer body", send(5, "xxxxxxxxxx\r\n\r\n", false), "200, 400")
	r.wants("what was declared", r.get("box", "k", ""), "xxxxx")
}

// TestDeepPrefixes lists a thousand folders in each other, one level at a time.
func TestDeepPrefixes(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	c := r.client()
	const depth = 510
	r.put("box", strings.Repeat("a/", depth)+"end")
	r.put("box", strings.Repeat("/", 1024))
	for _, prefix := range []string{"", strings.Repeat("a/", 255), strings.Repeat("a/", depth-1)} {
		out := must(c.ListObjectsV2(t.Context(), &sdk.ListObjectsV2Input{Bucket: new("box"), Prefix: &prefix, Delimiter: new("/")}))(t)
		if n := len(out.CommonPrefixes); len(out.Contents) != 0 || n == 0 || *out.CommonPrefixes[n-1].Prefix != prefix+"a/" {
			t.Errorf("below %d levels: %d objects, prefixes %v", len(prefix)/2, len(out.Contents), out.CommonPrefixes)
		}
	}
	slashes := strings.Repeat("/", 1023)
	out := must(c.ListObjectsV2(t.Context(), &sdk.ListObjectsV2Input{Bucket: new("box"), Prefix: &slashes, Delimiter: new("/")}))(t)
	if len(out.CommonPrefixes) != 1 || *out.CommonPrefixes[0].Prefix != slashes+"/" {
		t.Errorf("below slashes: %v", out.CommonPrefixes)
	}
}

// TestFlatMemory streams a large body up and down at once with others: the process
// holds none of them whole.
func TestFlatMemory(t *testing.T) {
	r := newRaw(t)
	const size = 64 << 20
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	q := r.request(time.Now(), http.MethodPut, "/box/large", nil)
	q.Body, q.ContentLength = io.NopCloser(io.LimitReader(zeros{}, size)), size
	r.wants("put", r.do(q), "200 ")
	a := must(http.DefaultClient.Do(r.request(time.Now(), http.MethodGet, "/box/large", nil)))(t)
	defer a.Body.Close()
	if n, err := io.Copy(io.Discard, a.Body); n != size || err != nil {
		t.Errorf("got %d bytes: %v", n, err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.Sys) - int64(before.Sys); grown > 32<<20 {
		t.Errorf("the process has grown by %d MiB", grown>>20)
	}
}
