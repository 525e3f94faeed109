package s3

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/object/checksum"
)

// The codes and words are those of
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.

// failure is an error with a status.
func failure(status int, code, format string, args ...any) error {
	return &cloud.Error{Code: code, Message: fmt.Sprintf(format, args...), Status: status}
}

func denied() error { return failure(http.StatusForbidden, "AccessDenied", "Access Denied") }

func noBucket() error {
	return failure(http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
}

func noKey() error {
	return failure(http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
}

func invalid(format string, args ...any) error {
	return failure(http.StatusBadRequest, "InvalidArgument", format, args...)
}

func invalidRequest(format string, args ...any) error {
	return failure(http.StatusBadRequest, "InvalidRequest", format, args...)
}

func malformedXML() error {
	return failure(http.StatusBadRequest, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
}

// notImplemented is the error for what S3 has and this cloud has not.
func notImplemented(what string) error {
	return failure(http.StatusNotImplemented, "NotImplemented", "A header or a configuration you provided implies functionality that is not implemented: %s.", what)
}

// noConfiguration is the error for a configuration that a bucket does not have.
func noConfiguration(code, what string) error {
	return failure(http.StatusNotFound, code, "The %s does not exist", what)
}

// refusals are the errors of package object, as S3 names them. Those that carry
// more than AWS would say keep their own words.
var refusals = []struct { //nolint:gochecknoglobals // never changed
	err     error
	status  int
	code    string
	message string // empty: the error's own
}{
	{object.ErrNoBucket, http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist"},
	{object.ErrNotEmpty, http.StatusConflict, "BucketNotEmpty", "The bucket you tried to delete is not empty"},
	{object.ErrBucketState, http.StatusConflict, "InvalidBucketState", ""},
	{object.ErrNoKey, http.StatusNotFound, "NoSuchKey", "The specified key does not exist."},
	{object.ErrNoVersion, http.StatusNotFound, "NoSuchVersion", "The specified version does not exist."},
	{object.ErrMarker, http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource."},
	{object.ErrNoUpload, http.StatusNotFound, "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."},
	{object.ErrKeyLength, http.StatusBadRequest, "KeyTooLongError", "Your key is too long"},
	{object.ErrPrecondition, http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"},
	{object.ErrRange, http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range is not satisfiable"},
	{object.ErrNoPart, http.StatusRequestedRangeNotSatisfiable, "InvalidPartNumber", "The requested partnumber is not satisfiable"},
	{object.ErrShort, http.StatusBadRequest, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header"},
	{object.ErrLong, http.StatusBadRequest, "InvalidRequest", ""},
	{object.ErrSize, http.StatusBadRequest, "InvalidRequest", ""},
	{object.ErrPartOrder, http.StatusBadRequest, "InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number."},
	{object.ErrPartSmall, http.StatusBadRequest, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size"},
	{object.ErrPart, http.StatusBadRequest, "InvalidPart", "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."},
	{object.ErrLocked, http.StatusForbidden, "AccessDenied", "Access Denied because object protected by object lock."},
	{object.ErrNoLock, http.StatusBadRequest, "InvalidRequest", "Bucket is missing Object Lock Configuration"},
	{object.ErrCustomerKey, http.StatusBadRequest, "InvalidRequest", "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object."},
	{object.ErrNotSealed, http.StatusBadRequest, "InvalidRequest", "The encryption parameters are not applicable to this object."},
	{object.ErrWrongKey, http.StatusForbidden, "AccessDenied", "Access Denied"},
	{object.ErrUnreadable, http.StatusForbidden, "AccessDenied", ""},
	{object.ErrFull, http.StatusServiceUnavailable, "SlowDown", "The object store is full: try again later, or ask the operator of this cloud for room."},
	{object.ErrInput, http.StatusBadRequest, "InvalidArgument", ""},
}

// unwritten is expressed for what makes an object, of which S3 words one error otherwise.
func unwritten(err error) error {
	if errors.Is(err, object.ErrNoLock) {
		return invalidRequest("Bucket is missing ObjectLockConfiguration")
	}
	return expressed(err)
}

// unfitting is expressed for a part, whose key is compared with that of the upload.
func unfitting(err error) error {
	switch {
	case errors.Is(err, object.ErrCustomerKey):
		return invalidRequest("The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.")
	case errors.Is(err, object.ErrNotSealed):
		return invalidRequest("The multipart upload initiate did not request encryption. Please resend the request without sending encryption parameters.")
	case errors.Is(err, object.ErrWrongKey):
		return invalidRequest("The provided encryption parameters did not match the ones used originally.")
	}
	return expressed(err)
}

// expressed puts an error of package object into S3's words; any other, nil among
// them, stays as it is.
func expressed(err error) error {
	if e, ok := errors.AsType[*object.DigestError](err); ok {
		if e.Algorithm == checksum.None {
			return &cloud.Error{
				Code: "BadDigest", Message: "The Content-MD5 you specified did not match what we received.", Status: http.StatusBadRequest,
				Detail: [][2]string{{"ExpectedDigest", base64.StdEncoding.EncodeToString(e.Want)}, {"CalculatedDigest", base64.StdEncoding.EncodeToString(e.Got)}},
			}
		}
		return failure(http.StatusBadRequest, "BadDigest", "The %s you specified did not match the calculated checksum.", e.Algorithm)
	}
	for _, r := range refusals {
		if errors.Is(err, r.err) {
			message := r.message
			if message == "" {
				message = err.Error()
			}
			return failure(r.status, r.code, "%s", message)
		}
	}
	return err
}
