package s3

import (
	"net/netip"
	"strings"
)

func badName() error {
	return failure(400, "InvalidBucketName", "The specified bucket is not valid.")
}

// The ends of names that AWS keeps for itself.
var (
	reservedPrefixes = []string{"xn--", "sthree-", "amzn-s3-demo-"}                            //nolint:gochecknoglobals // never changed
	reservedSuffixes = []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3", "-an"} //nolint:gochecknoglobals // never changed
)

// validName reports whether a bucket may have a name:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
func validName(name string) bool {
	if len(name) < 3 || len(name) > 63 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
		return false
	}
	for label := range strings.SplitSeq(name, ".") { // each a name of its own in DNS
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	for _, p := range reservedPrefixes {
		if strings.HasPrefix(name, p) {
			return false
		}
	}
	for _, p := range reservedSuffixes {
		if strings.HasSuffix(name, p) {
			return false
		}
	}
	_, err := netip.ParseAddr(name)
	return err != nil
}
