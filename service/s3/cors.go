package s3

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
)

// maxCORSRules is how many rules for other origins a bucket may have.
const maxCORSRules = 100

// corsMethods are those that a rule may name.
var corsMethods = []string{"GET", "PUT", "HEAD", "POST", "DELETE"} //nolint:gochecknoglobals // never changed

// PutBucketCors says which scripts of other origins browsers let use a bucket.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketCors.html
func (s *Service) PutBucketCors(ctx context.Context, in *api.PutBucketCorsRequest) (*api.PutBucketCorsOutput, error) {
	b, err := s.allowBucket(ctx, "PutBucketCORS", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	if in.CORSConfiguration == nil || len(in.CORSConfiguration.CORSRules) == 0 {
		return nil, malformedXML()
	}
	if n := len(in.CORSConfiguration.CORSRules); n > maxCORSRules {
		return nil, invalidRequest("The number of CORS rules should not exceed allowed limit of %d rules.", maxCORSRules)
	}
	var rules []cloud.CORSRule
	for _, r := range in.CORSConfiguration.CORSRules {
		if err := checkCORS(&r); err != nil {
			return nil, err
		}
		rules = append(rules, cloud.CORSRule{
			ID: val(r.ID), Origins: r.AllowedOrigins, Methods: r.AllowedMethods, Headers: r.AllowedHeaders, Expose: r.ExposeHeaders, MaxAge: r.MaxAgeSeconds,
		})
	}
	if err := s.modify(ctx, b, func(b *cloud.Bucket) error { b.CORS = rules; return nil }); err != nil {
		return nil, err
	}
	return &api.PutBucketCorsOutput{}, nil
}

func checkCORS(r *api.CORSRule) error {
	if len(r.AllowedMethods) == 0 || len(r.AllowedOrigins) == 0 {
		return malformedXML()
	}
	if len(val(r.ID)) > 255 {
		return invalid("The ID of a CORS rule may have at most 255 characters.")
	}
	for _, m := range r.AllowedMethods {
		if !slices.Contains(corsMethods, m) {
			return invalidRequest("Found unsupported HTTP method in CORS config. Unsupported method is %s", m)
		}
	}
	for _, o := range r.AllowedOrigins {
		if strings.Count(o, "*") > 1 {
			return invalidRequest("AllowedOrigin %q can not have more than one wildcard.", o)
		}
	}
	for _, h := range r.AllowedHeaders {
		if strings.Count(h, "*") > 1 {
			return invalidRequest("AllowedHeader %q can not have more than one wildcard.", h)
		}
	}
	for _, h := range r.ExposeHeaders {
		if strings.Contains(h, "*") {
			return invalidRequest("ExposeHeader %q contains wildcard. We currently do not support wildcard for ExposeHeader.", h)
		}
	}
	return nil
}

// GetBucketCors tells the rules.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketCors.html
func (s *Service) GetBucketCors(ctx context.Context, in *api.GetBucketCorsRequest) (*api.GetBucketCorsOutput, error) {
	b, err := s.allowBucket(ctx, "GetBucketCORS", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	if len(b.CORS) == 0 {
		return nil, noConfiguration("NoSuchCORSConfiguration", "CORS configuration")
	}
	out := &api.GetBucketCorsOutput{}
	for _, r := range b.CORS {
		out.CORSRules = append(out.CORSRules, api.CORSRule{
			ID: opt(r.ID), AllowedOrigins: r.Origins, AllowedMethods: r.Methods, AllowedHeaders: r.Headers, ExposeHeaders: r.Expose, MaxAgeSeconds: r.MaxAge,
		})
	}
	return out, nil
}

// DeleteBucketCors removes the rules, if there are any.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketCors.html
func (s *Service) DeleteBucketCors(ctx context.Context, in *api.DeleteBucketCorsRequest) (*api.DeleteBucketCorsOutput, error) {
	b, err := s.allowBucket(ctx, "PutBucketCORS", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	if err := s.modify(ctx, b, func(b *cloud.Bucket) error { b.CORS = nil; return nil }); err != nil {
		return nil, err
	}
	return &api.DeleteBucketCorsOutput{}, nil
}

// Web is what S3 has beside its operations: see gateway.Web.
type Web struct{ s *Service }

// NewWeb returns the web of the service's buckets.
func NewWeb(s *Service) *Web { return &Web{s} }

// CrossOrigin returns the headers that let a script of an origin read the answer to a
// request of a method with such headers of its own. It fails if no rule of the bucket
// does: https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html
func (w *Web) CrossOrigin(bucket, origin, method string, headers []string) (http.Header, error) {
	b, err := find(w.s.DB.View(), &bucket)
	switch {
	case err != nil:
		return nil, forbiddenOrigin("CORSResponse: Bucket not found")
	case len(b.CORS) == 0:
		return nil, forbiddenOrigin("CORSResponse: CORS is not enabled for this bucket.")
	}
	for _, r := range b.CORS {
		i := slices.IndexFunc(r.Origins, func(pattern string) bool { return fits(pattern, origin) })
		if i < 0 || !slices.Contains(r.Methods, method) || !allFit(r.Headers, headers) {
			continue
		}
		return answerOrigin(&r, r.Origins[i], origin, headers), nil
	}
	return nil, forbiddenOrigin("CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, " +
		"request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.")
}

// answerOrigin are the headers for an origin that fits a rule's pattern.
func answerOrigin(r *cloud.CORSRule, pattern, origin string, headers []string) http.Header {
	h := http.Header{}
	if pattern == "*" {
		h.Set("Access-Control-Allow-Origin", "*")
	} else {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	h.Set("Access-Control-Allow-Methods", strings.Join(r.Methods, ", "))
	if len(headers) > 0 {
		h.Set("Access-Control-Allow-Headers", strings.ToLower(strings.Join(headers, ", ")))
	}
	if len(r.Expose) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(r.Expose, ", "))
	}
	if r.MaxAge != nil {
		h.Set("Access-Control-Max-Age", strconv.Itoa(int(*r.MaxAge)))
	}
	h.Set("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method")
	return h
}

// fits reports whether a pattern with one "*" at most fits a text.
func fits(pattern, text string) bool {
	before, behind, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == text
	}
	return len(text) >= len(before)+len(behind) && strings.HasPrefix(text, before) && strings.HasSuffix(text, behind)
}

// allFit reports whether each header, in whatever case, fits a pattern.
func allFit(patterns, headers []string) bool {
	for _, h := range headers {
		if !slices.ContainsFunc(patterns, func(p string) bool { return fits(strings.ToLower(p), strings.ToLower(h)) }) {
			return false
		}
	}
	return true
}

func forbiddenOrigin(message string) error {
	return failure(http.StatusForbidden, "AccessForbidden", "%s", message)
}
