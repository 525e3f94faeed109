package s3

import (
	api "github.com/vauban-cloud/vauban/awsapi/s3"
)

// checkOwnership refuses what a bucket's objects cannot be: of anybody but its owner.
func checkOwnership(ownership string) error {
	switch ownership {
	case api.ObjectOwnershipBucketOwnerEnforced:
		return nil
	case api.ObjectOwnershipBucketOwnerPreferred, api.ObjectOwnershipObjectWriter:
		return notImplemented("object ownership other than BucketOwnerEnforced")
	}
	return invalid("Invalid x-amz-object-ownership header: %s", ownership)
}
