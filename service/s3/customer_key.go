package s3

import (
	"context"
	"crypto/md5" //nolint:gosec // it is what the header has
	"encoding/base64"
	"net/netip"

	"github.com/vauban-cloud/vauban/cloud"
)

// aes256 is the only algorithm, of the bucket's key and of the caller's.
const aes256 = "AES256"

// open returns the caller's key, nil if it gives none:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html.
func (c customer) open(ctx context.Context) ([]byte, error) {
	if c.algorithm == nil && c.key == nil && c.md5 == nil {
		return nil, nil
	}
	switch {
	case !private(cloud.CallerFrom(ctx)):
		return nil, invalidRequest("Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.")
	case c.algorithm == nil:
		return nil, invalid("Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.")
	case *c.algorithm != aes256:
		return nil, cloud.Errorf("InvalidEncryptionAlgorithmError", "The encryption request that you specified is not valid. The valid value is AES256.")
	case c.key == nil:
		return nil, invalid("Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.")
	case c.md5 == nil:
		return nil, invalid("Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key.")
	}
	key, err := base64.StdEncoding.DecodeString(*c.key)
	if err != nil || len(key) != 32 {
		return nil, invalid("The secret key was invalid for the specified algorithm.")
	}
	sum := md5.Sum(key) //nolint:gosec // as above
	if base64.StdEncoding.EncodeToString(sum[:]) != *c.md5 {
		return nil, invalid("The calculated MD5 hash of the key did not match the hash that was provided.")
	}
	return key, nil
}

// private reports whether nobody on the way could read a request: it came encrypted, or
// from this machine, such as from a proxy on it that ends TLS.
func private(caller cloud.Caller) bool {
	ip, err := netip.ParseAddr(caller.SourceIP)
	return caller.Secure || err == nil && ip.Unmap().IsLoopback() && caller.VPC == ""
}

// sealed are the members of an answer that tell how an object is encrypted.
func (c customer) sealed() (sse, algorithm, md5 *string) {
	if c.key == nil {
		return new(aes256), nil, nil
	}
	return nil, c.algorithm, c.md5
}
