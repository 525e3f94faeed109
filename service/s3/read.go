package s3

import (
	"cmp"
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/object/checksum"
)

// read finds what a reading is about, with look, which returns errors as the engine's
// Get does. It decides by what look saw: the tags, the ETag and the bytes are of the
// same version.
func (s *Service) read(ctx context.Context, q *reading, look func(object.GetInput) (object.Info, int64, int64, error)) (*found, error) {
	b, err := find(s.DB.View(), q.bucket)
	if err != nil {
		return nil, err
	}
	get := object.GetInput{Bucket: b.ID, Key: *q.key, Version: val(q.version)}
	var wrong error // with the request
	if get.CustomerKey, wrong = q.customer.open(ctx); wrong == nil {
		wrong = q.span(&get)
	}
	if wrong == nil {
		wrong = cmp.Or(checkVersion(q.version), checkKey(*q.key), q.checkOverrides(ctx))
	}
	if wrong != nil {
		if err := s.allowIn(ctx, versioned("GetObject", q.version), b, q.owner, *q.key, keys(nil).set("s3:VersionId", q.version)); err != nil {
			return nil, err
		}
		return nil, wrong
	}
	f := &found{b: b, partial: q.byteRange != nil && get.Range != nil || q.part != nil}
	f.info, f.first, f.length, err = look(get)
	k := keys(nil).set("s3:VersionId", q.version).existingTags(f.info.Tags)
	if denied := s.allowSeen(ctx, versioned("GetObject", q.version), b, q.owner, *q.key, k, f.info.Attributes); denied != nil {
		if errors.Is(err, object.ErrNoKey) && s.mayList(ctx, b, q.owner, *q.key) {
			return nil, noKey() // as a list would tell
		}
		return nil, denied
	}
	if err != nil && f.info.ETag == "" {
		return nil, s.absent(ctx, b, *q.key, q.version, f.info, err)
	}
	if err := q.check(f.info); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, expressed(err)
	}
	if q.part != nil && f.info.Parts > 0 {
		f.parts = new(int32(f.info.Parts))
	}
	if strings.EqualFold(val(q.mode), "ENABLED") {
		f.sum, f.summed = s.sumOf(ctx, f, val(q.part))
	}
	return f, nil
}

// sumOf is the checksum of what was found, and of how many parts' checksums it is one:
// that of the object if all of it was asked for, or that of the part if the object's is
// made of those of its parts.
func (s *Service) sumOf(ctx context.Context, f *found, part int32) (checksum.Sum, int) {
	switch {
	case part > 0 && f.info.Parts > 0 && f.info.Checksum.Type == checksum.Composite:
		parts, _, err := s.Objects.ObjectParts(ctx, f.b.ID, f.info.Key, f.info.Version, int(part)-1, 1)
		if err == nil && len(parts) == 1 && parts[0].Number == int(part) && parts[0].Size == f.length {
			sum := parts[0].Checksum
			sum.Type = checksum.Composite
			return sum, 0
		}
	case !f.partial || f.length == f.info.Size:
		return f.info.Checksum, f.info.Parts
	}
	return checksum.Sum{}, 0
}

// absent is the error for what is not there, in whatever way.
func (s *Service) absent(ctx context.Context, b cloud.Bucket, key string, version *string, info object.Info, err error) error {
	switch {
	case errors.Is(err, object.ErrNoKey):
		return s.noKey(ctx, b, key)
	case !errors.Is(err, object.ErrMarker):
		return expressed(err)
	}
	marker := map[string]string{"x-amz-delete-marker": "true", "x-amz-version-id": info.Version}
	if version != nil {
		marker["Last-Modified"] = info.Modified.Format(http.TimeFormat)
		marker["Allow"] = http.MethodDelete
		return &cloud.Error{
			Code: "MethodNotAllowed", Message: "The specified method is not allowed against this resource.",
			Status: http.StatusMethodNotAllowed, Header: marker,
		}
	}
	err = s.noKey(ctx, b, key)
	if e, ok := errors.AsType[*cloud.Error](err); ok && e.Status == http.StatusNotFound {
		e.Header = marker
	}
	return err
}

// versioned is the action on a version that is named, or on the current one.
func versioned(action string, version *string) string {
	if version == nil {
		return action
	}
	verb, rest, _ := strings.Cut(action, "Object")
	return verb + "ObjectVersion" + rest
}

func checkVersion(version *string) error {
	switch {
	case version == nil:
		return nil
	case *version == "":
		return invalid("Version id cannot be the empty string")
	case !object.ValidVersion(*version):
		return invalid("Invalid version id specified")
	}
	return nil
}

// span says which bytes to read.
func (q *reading) span(get *object.GetInput) (err error) {
	if q.part != nil {
		if q.byteRange != nil {
			return invalidRequest("Cannot specify both Range header and partNumber query parameter.")
		}
		if *q.part < 1 || *q.part > object.MaxParts {
			return invalid("Part number must be an integer between 1 and %d, inclusive", object.MaxParts)
		}
		get.Part = int(*q.part)
		return nil
	}
	get.Range = parseRange(val(q.byteRange))
	return nil
}

// parseRange is the range of a Range header, nil for one that S3 does not look at:
// one of several ranges, or not well formed.
func parseRange(header string) *object.Range {
	text, ok := strings.CutPrefix(strings.TrimSpace(header), "bytes=")
	from, to, dash := strings.Cut(text, "-")
	if !ok || !dash {
		return nil
	}
	first, okFirst := number(from)
	last, okLast := number(to)
	switch {
	case from == "" && okLast && last == 0:
		return &object.Range{First: math.MaxInt64, Last: -1} // the last none
	case from == "" && okLast:
		return &object.Range{First: -last, Last: -1}
	case okFirst && to == "":
		return &object.Range{First: first, Last: -1}
	case okFirst && okLast && first <= last:
		return &object.Range{First: first, Last: last}
	}
	return nil
}

// number is a decimal of any length.
func number(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		n = math.MaxInt64 // behind any end
	}
	return n, true
}

// preconditions are those of RFC 9110, 13.1.
type preconditions struct {
	ifMatch, ifNoneMatch               *string
	ifModifiedSince, ifUnmodifiedSince *time.Time
}

// hold reports whether they let the object be told, and if not, whether that is
// because the caller has it already.
func (c preconditions) hold(i object.Info) (ok, has bool) {
	modified := i.Modified.Truncate(time.Second) // as headers tell it
	switch {
	case c.ifMatch != nil && !matches(*c.ifMatch, i.ETag),
		c.ifMatch == nil && c.ifUnmodifiedSince != nil && modified.After(*c.ifUnmodifiedSince):
		return false, false
	case c.ifNoneMatch != nil && matches(*c.ifNoneMatch, i.ETag),
		c.ifNoneMatch == nil && c.ifModifiedSince != nil && !modified.After(*c.ifModifiedSince):
		return false, true
	}
	return true, false
}

// check is the answer to a reading whose preconditions do not hold.
func (c preconditions) check(i object.Info) error {
	ok, has := c.hold(i)
	switch {
	case ok:
		return nil
	case has:
		return &cloud.Error{Code: "NotModified", Message: "Not Modified", Status: http.StatusNotModified, Header: map[string]string{
			"ETag": `"` + i.ETag + `"`, "Last-Modified": i.Modified.UTC().Format(http.TimeFormat),
		}}
	}
	return expressed(object.ErrPrecondition)
}

// matches reports whether a list of ETags has one.
func matches(list, etag string) bool {
	for one := range strings.SplitSeq(list, ",") {
		one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
		if one == "*" || strings.Trim(one, `"`) == etag {
			return true
		}
	}
	return false
}
