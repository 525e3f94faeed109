package object

import (
	"cmp"
	"errors"
	"fmt"
	"syscall"

	"github.com/vauban-cloud/vauban/object/blob"
	"github.com/vauban-cloud/vauban/object/checksum"
)

// What operations refuse, for errors.Is. The names in brackets are S3's codes.
var (
	ErrNoBucket     = errors.New("there is no such bucket")                                      // NoSuchBucket
	ErrBucketExists = errors.New("the bucket exists")                                            // BucketAlreadyOwnedByYou
	ErrNotEmpty     = errors.New("the bucket holds objects")                                     // BucketNotEmpty
	ErrBucketState  = errors.New("the bucket's object lock and versioning forbid it")            // InvalidBucketState
	ErrNoKey        = errors.New("there is no such object")                                      // NoSuchKey
	ErrNoVersion    = errors.New("there is no such version")                                     // NoSuchVersion
	ErrMarker       = errors.New("it is a delete marker")                                        // NoSuchKey, or MethodNotAllowed if a version was named
	ErrNoUpload     = errors.New("there is no such upload: it was completed, or aborted")        // NoSuchUpload
	ErrInput        = errors.New("the request is not valid")                                     // InvalidArgument
	ErrKeyLength    = errors.New("keys have 1 to 1024 bytes")                                    // KeyTooLongError
	ErrPrecondition = errors.New("a precondition does not hold")                                 // PreconditionFailed
	ErrRange        = errors.New("the range begins behind the object's end")                     // InvalidRange
	ErrNoPart       = errors.New("the object has no such part")                                  // InvalidPartNumber
	ErrShort        = errors.New("the body is shorter than declared")                            // IncompleteBody
	ErrLong         = errors.New("the body is longer than declared")                             // InvalidRequest
	ErrDigest       = errors.New("the body is not what its checksum says")                       // BadDigest
	ErrSize         = errors.New("the object has another size than the completion says")         // InvalidRequest
	ErrPart         = errors.New("a part is missing, or is not the one that was uploaded")       // InvalidPart
	ErrPartOrder    = errors.New("parts are not in ascending order")                             // InvalidPartOrder
	ErrPartSmall    = errors.New("a part other than the last is smaller than the least size")    // EntityTooSmall
	ErrLocked       = errors.New("the version is under retention or legal hold")                 // AccessDenied
	ErrNoLock       = errors.New("the bucket has no object lock")                                // InvalidRequest
	ErrCustomerKey  = errors.New("the object is encrypted with a key that the caller gives")     // InvalidRequest
	ErrNotSealed    = errors.New("the object is not encrypted with a key that the caller gives") // InvalidRequest
	ErrWrongKey     = errors.New("the key is not the one that the object was encrypted with")    // AccessDenied
	ErrUnreadable   = errors.New("the bucket's key is gone, and with it what it had sealed")     // AccessDenied
	ErrFull         = errors.New("the object store is full: free space, or give it more disk")   // SlowDown, 503
	ErrCorrupt      = blob.ErrCorrupt                                                            // InternalError
	// ErrForeign says that an index and a folder do not belong together; Open returns it.
	ErrForeign = errors.New("the index of objects and their bytes do not belong together: give both as they were")
	// ErrFailed is fatal: the index could not be written, and what it holds in memory
	// may not be on the disk. Only a new start tells. Run returns it.
	ErrFailed = errors.New("the object index failed: the process must start anew")
)

// DigestError is an ErrDigest that says which checksum is another; None is the MD5.
type DigestError struct {
	Algorithm checksum.Algorithm
	Got, Want []byte
}

// Error names both values.
func (e *DigestError) Error() string {
	return fmt.Sprintf("%v: its %s is %x, not %x", ErrDigest, cmp.Or(string(e.Algorithm), "MD5"), e.Got, e.Want)
}

// Unwrap says that it is an ErrDigest.
func (e *DigestError) Unwrap() error { return ErrDigest }

// refuse says why, in words for the caller.
func refuse(kind error, format string, args ...any) error {
	return fmt.Errorf("%w: %s", kind, fmt.Sprintf(format, args...))
}

// diskError names a full disk.
func diskError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w (%w)", ErrFull, err)
	}
	return err
}
