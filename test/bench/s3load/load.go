// Package s3load sends S3 requests to a server and counts the answers.
//
// It is made to cost little, since client and server share the processors of the
// machine that is measured: requests are signed before the clock starts, each
// client writes them to a connection of its own and looks at nothing of an answer
// but its status and its length. Every answer that is not a success ends the run with
// an error. It is no client for anything else: it knows no redirects, no retries, no TLS.
package s3load

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Server is where requests go, and who sends them.
type Server struct {
	Address     string // host:port
	Region      string
	Key, Secret string
}

// Request is one signed request, as it is sent. Its signature is good for 15 minutes.
type Request struct {
	head, body []byte
	bodyless   bool // the answer has none, whatever its length: HEAD
}

// Request signs a request; path and query as they are sent, the query in the order of its
// names. The body's hash is not signed: nobody should have to compute it.
func (s Server) Request(method, path, query string, body []byte) Request {
	const hash = "UNSIGNED-PAYLOAD"
	now := time.Now().UTC()
	date, day := now.Format("20060102T150405Z"), now.Format("20060102")
	canonical := strings.Join([]string{
		method, path, query, "host:" + s.Address, "x-amz-content-sha256:" + hash, "x-amz-date:" + date, "",
		"host;x-amz-content-sha256;x-amz-date", hash,
	}, "\n")
	sum := sha256.Sum256([]byte(canonical))
	scope := day + "/" + s.Region + "/s3/aws4_request"
	key := []byte("AWS4" + s.Secret)
	for _, part := range []string{day, s.Region, "s3", "aws4_request"} {
		key = mac(key, part)
	}
	signature := mac(key, "AWS4-HMAC-SHA256\n"+date+"\n"+scope+"\n"+hex.EncodeToString(sum[:]))
	target := path
	if query != "" {
		target += "?" + query
	}
	head := method + " " + target + " HTTP/1.1\r\nHost: " + s.Address + "\r\nX-Amz-Content-Sha256: " + hash + "\r\nX-Amz-Date: " + date +
		"\r\nAuthorization: AWS4-HMAC-SHA256 Credential=" + s.Key + "/" + scope +
		", SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=" + hex.EncodeToString(signature) + "\r\n"
	if method == "PUT" {
		head += "Content-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	return Request{head: []byte(head + "\r\n"), body: body, bodyless: method == "HEAD"}
}

// List asks for a page of a bucket's keys, from the token of the page before.
func (s Server) List(bucket, token string) Request {
	query := "list-type=2&max-keys=1000"
	if token != "" {
		query = "continuation-token=" + strings.ReplaceAll(url.QueryEscape(token), "+", "%20") + "&" + query
	}
	return s.Request("GET", "/"+bucket, query, nil)
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
