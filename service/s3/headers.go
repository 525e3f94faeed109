package s3

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/bucket"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
)

// The names under which the engine keeps what comes back as headers.
const (
	cacheControl       = "Cache-Control"
	contentDisposition = "Content-Disposition"
	contentEncoding    = "Content-Encoding"
	contentLanguage    = "Content-Language"
	contentType        = "Content-Type"
	expires            = "Expires"
	redirect           = "x-amz-website-redirect-location"
)

// defaultType is what an object is whose writer did not say.
const defaultType = "binary/octet-stream"

// The storage classes: all objects are kept alike, so of the others only that one can be
// had which promises no more, and asks for nothing in return.
const (
	standard = api.StorageClassSTANDARD
	reduced  = api.StorageClassREDUCEDREDUNDANCY
)

// shownClass is how answers tell a storage class, which is not for the usual one.
func shownClass(class string) *string {
	if class == standard {
		return nil
	}
	return opt(class)
}

// maxMetadata is how many bytes the names and values of the caller's metadata may have.
const maxMetadata = 2 << 10

// headers are what requests that make an object say of it.
type headers struct {
	cacheControl, contentDisposition, contentEncoding, contentLanguage, contentType, redirect *string

	expires  *time.Time
	metadata map[string]string
	tagging  *string

	acl            *string
	grants         []*string
	class          *string
	sse, kms       *string
	customer       customer
	mode, hold     *string
	until          *time.Time
	eventHold      *string
	eventHoldYears *int32
	eventHoldDays  *int32
}

// customer is the key of SSE-C, as headers give it.
type customer struct{ algorithm, key, md5 *string }

// attributes are what the engine keeps of the headers.
func (h *headers) attributes(now time.Time) (object.Attributes, error) {
	a := object.Attributes{User: metadataText(h.metadata), System: h.system()}
	size := 0
	for name, value := range a.User {
		size += len(name) + len(value)
	}
	if size > maxMetadata {
		e := cloud.Errorf("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")
		e.Detail = [][2]string{{"Size", itoa(size)}, {"MaxSizeAllowed", itoa(maxMetadata)}}
		return a, e
	}
	if err := h.refuse(); err != nil {
		return a, err
	}
	var err error
	if a.Tags, err = headerTags(h.tagging); err != nil {
		return a, err
	}
	if a.Retention, err = retention(h.mode, h.until, now); err != nil {
		return a, err
	}
	a.Hold, err = legalHold(h.hold)
	return a, err
}

// system are the headers that come back as they are.
func (h *headers) system() map[string]string {
	s := map[string]string{}
	for _, header := range [...]struct{ name, value string }{
		{cacheControl, val(h.cacheControl)},
		{contentDisposition, val(h.contentDisposition)},
		{contentEncoding, withoutChunks(val(h.contentEncoding))},
		{contentLanguage, val(h.contentLanguage)},
		{contentType, val(h.contentType)},
		{redirect, val(h.redirect)},
	} {
		if header.value != "" {
			s[header.name] = header.value
		}
	}
	if h.expires != nil {
		s[expires] = h.expires.UTC().Format(http.TimeFormat)
	}
	return s
}

// withoutChunks removes what is the encoding of the transfer, not of the object.
func withoutChunks(encoding string) string {
	if !strings.Contains(encoding, "aws-chunked") {
		return encoding
	}
	var kept []string
	for part := range strings.SplitSeq(encoding, ",") {
		if part = strings.TrimSpace(part); part != "" && part != "aws-chunked" {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, ", ")
}

// refuse refuses what would have no effect.
func (h *headers) refuse() error {
	switch {
	case h.redirect != nil && !redirects(*h.redirect):
		return cloud.Errorf("InvalidRedirectLocation", "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.")
	case h.class != nil && *h.class != standard && *h.class != reduced:
		return cloud.Errorf("InvalidStorageClass", "The storage class you specified is not valid: use %s.", standard)
	case (h.sse != nil || h.kms != nil) && h.customer.algorithm != nil:
		return invalid("Server Side Encryption with Customer provided key is incompatible with the encryption method specified")
	case h.kms != nil && !byKMS(h.sse):
		return invalid("Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms")
	case byKMS(h.sse):
		return notImplemented("encryption with KMS; use AES256.")
	case h.sse != nil && *h.sse != "AES256":
		return invalid("The encryption method specified is not supported: use AES256.")
	case h.eventHold != nil || h.eventHoldDays != nil || h.eventHoldYears != nil:
		return notImplemented("event holds; use retention or a legal hold.")
	}
	return nil
}

// byKMS reports whether a method of encryption is with keys of KMS.
func byKMS(method *string) bool {
	return val(method) == api.ServerSideEncryptionAwsKms || val(method) == api.ServerSideEncryptionAwsKmsDsse
}

// redirects reports whether a text says where a website may lead to.
func redirects(location string) bool {
	return strings.HasPrefix(location, "/") || strings.HasPrefix(location, "http://") || strings.HasPrefix(location, "https://")
}

// retention is what an object lock's headers, or the document, say.
func retention(mode *string, until *time.Time, now time.Time) (object.Retention, error) {
	var r object.Retention
	switch {
	case mode == nil && until == nil:
		return r, nil
	case mode == nil || until == nil:
		return r, invalid("x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied")
	case !until.After(now):
		return r, invalid("The retain until date must be in the future!")
	}
	known, ok := bucket.Modes[*mode]
	if !ok {
		return r, invalid("Unknown wormMode directive.")
	}
	return object.Retention{Mode: known, Until: until.UTC().Truncate(time.Millisecond)}, nil
}

// The modes of object lock, and the states of a legal hold.
const (
	governance = "GOVERNANCE"
	compliance = "COMPLIANCE"
	holdOn     = "ON"
	holdOff    = "OFF"
)

func modeText(m object.Mode) string {
	return [...]string{object.NotRetained: "", object.Governance: governance, object.Compliance: compliance}[m]
}

func legalHold(status *string) (bool, error) {
	switch val(status) {
	case holdOn:
		return true, nil
	case "", holdOff:
		return false, nil
	}
	return false, invalid("Legal Hold must be either of 'ON' or 'OFF'")
}

// keys are the condition keys of a request that makes an object.
func (h *headers) keys() keys {
	k := grantees{canned: h.acl, grants: h.grants}.keys().set("s3:x-amz-storage-class", h.class).
		set("s3:x-amz-server-side-encryption", h.sse).
		set("s3:x-amz-server-side-encryption-customer-algorithm", h.customer.algorithm).
		set("s3:x-amz-website-redirect-location", h.redirect).
		set("s3:object-lock-mode", h.mode).set("s3:object-lock-legal-hold", h.hold)
	if h.until != nil {
		k["s3:object-lock-retain-until-date"] = []string{h.until.UTC().Format(time.RFC3339)}
	}
	if tags, err := headerTags(h.tagging); err == nil {
		k.requestTags(tags)
	}
	return k
}

// alsoNeeds are the permissions beside the one to put.
func (h *headers) alsoNeeds() []string {
	var actions []string
	need := func(asked bool, action string) {
		if asked {
			actions = append(actions, action)
		}
	}
	need(h.tagging != nil, "PutObjectTagging")
	need(h.acl != nil || grantees{grants: h.grants}.byHeader(), "PutObjectAcl")
	need(h.mode != nil || h.until != nil, "PutObjectRetention")
	need(h.hold != nil, "PutObjectLegalHold")
	return actions
}

func itoa(n int) string { return strconv.Itoa(n) }
