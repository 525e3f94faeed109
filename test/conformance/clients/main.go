// Command clients moves an object up and down with the transfer manager of AWS's SDK
// for Go, once with each checksum that it knows. It is a module of its own, as is
// s5cmd, which its go.mod pins, so that what clients need stays out of the product.
//
// It guarantees that what came down is what went up, in parts, and was checked.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	tmtypes "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/logging"
)

// algorithms are the checksums that the SDK computes.
var algorithms = []types.ChecksumAlgorithm{
	types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmCrc32c, types.ChecksumAlgorithmCrc64nvme, types.ChecksumAlgorithmSha1, types.ChecksumAlgorithmSha256,
}

func main() {
	if err := run(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, bucket string) error {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{}))
	if err != nil {
		return err
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	manager := transfermanager.New(client, func(o *transfermanager.Options) { o.PartSizeBytes, o.Concurrency = 5<<20, 3 })
	for _, algorithm := range algorithms {
		for _, size := range []int{0, 1000, 17<<20 + 1} {
			if err := trip(ctx, client, manager, bucket, algorithm, size); err != nil {
				return fmt.Errorf("%s of %d bytes: %w", algorithm, size, err)
			}
		}
	}
	return nil
}

// trip moves an object of so many bytes up and down.
func trip(ctx context.Context, client *s3.Client, manager *transfermanager.Client, bucket string, algorithm types.ChecksumAlgorithm, size int) error {
	content, key := make([]byte, size), fmt.Sprintf("%s/%d", algorithm, size)
	rand.Read(content)
	up := &transfermanager.UploadObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(content), ChecksumAlgorithm: tmtypes.ChecksumAlgorithm(algorithm)}
	if _, err := manager.UploadObject(ctx, up); err != nil {
		return fmt.Errorf("put: %w", err)
	}
	about, err := client.GetObjectAttributes(ctx, &s3.GetObjectAttributesInput{
		Bucket: &bucket, Key: &key, ObjectAttributes: []types.ObjectAttributes{types.ObjectAttributesChecksum, types.ObjectAttributesObjectParts, types.ObjectAttributesObjectSize},
	})
	if err != nil {
		return err
	}
	if about.Checksum == nil || *about.ObjectSize != int64(size) || (about.ObjectParts != nil) != (size > 16<<20) {
		return fmt.Errorf("its attributes are %+v", about)
	}
	down, err := manager.GetObject(ctx, &transfermanager.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return fmt.Errorf("get: %w", err)
	}
	got, err := io.ReadAll(down.Body)
	if err != nil || !bytes.Equal(got, content) {
		return fmt.Errorf("got %d bytes: %w", len(got), err)
	}
	buffer := make([]byte, size)
	_, err = manager.DownloadObject(ctx, &transfermanager.DownloadObjectInput{Bucket: &bucket, Key: &key, WriterAt: writerAt(buffer)})
	if err != nil || !bytes.Equal(buffer, content) {
		return fmt.Errorf("download: other bytes: %w", err)
	}
	return nil
}

// writerAt is memory of a fixed size.
type writerAt []byte

// WriteAt copies p into it.
func (w writerAt) WriteAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) > int64(len(w)) {
		return 0, io.ErrShortWrite
	}
	return copy(w[at:], p), nil
}
