package s3

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/service/internal/page"
)

// pageSize is how many entries a page has at most.
const pageSize = 1000

// listing is what every list of a bucket may ask for.
type listing struct {
	prefix, delimiter, encoding *string
	max                         *int32
}

// keys are the condition keys of a list.
func (l *listing) keys() keys {
	k := keys{}.set("s3:prefix", l.prefix).set("s3:delimiter", l.delimiter)
	if l.max != nil {
		k["s3:max-keys"] = []string{strconv.Itoa(int(*l.max))}
	}
	return k
}

// input is what the engine is asked, and how keys are written in the answer.
func (l *listing) input(maximum string) (object.ListInput, func(string) *string, error) {
	in := object.ListInput{Prefix: val(l.prefix), Delimiter: val(l.delimiter), Max: pageSize}
	if l.max != nil {
		if *l.max < 0 {
			return in, nil, invalid("Argument %s must be an integer between 0 and %d", maximum, 1<<31-1)
		}
		in.Max = min(int(*l.max), pageSize)
	}
	switch val(l.encoding) {
	case "":
		return in, func(s string) *string { return &s }, nil
	case "url":
		return in, func(s string) *string { return new(encoded(s)) }, nil
	}
	return in, nil, invalid("Invalid Encoding Method specified in Request")
}

// beginList authorises a list of keys, and returns what the engine is asked and how
// keys are written in the answer.
func (s *Service) beginList(ctx context.Context, action string, bucket, owner *string, q listing) (cloud.Bucket, object.ListInput, func(string) *string, error) {
	b, err := s.allowBucket(ctx, action, bucket, owner, q.keys())
	if err != nil {
		return b, object.ListInput{}, nil, err
	}
	in, write, err := q.input("max-keys")
	return b, in, write, err
}

// unescaped are the characters that keys keep, unlike values of forms.
var unescaped = strings.NewReplacer("+", "%20", "%2F", "/", "%2A", "*")

// encoded is a key as encoding-type=url writes it.
func encoded(s string) string { return unescaped.Replace(url.QueryEscape(s)) }

// maybe writes what the request said, nil if it did not.
func maybe(write func(string) *string, text *string) *string {
	if text == nil {
		return nil
	}
	return write(*text)
}

// ListObjectsV2 lists objects: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html.
func (s *Service) ListObjectsV2(ctx context.Context, in *api.ListObjectsV2Request) (*api.ListObjectsV2Output, error) {
	q := listing{in.Prefix, in.Delimiter, in.EncodingType, in.MaxKeys}
	b, list, write, err := s.beginList(ctx, "ListBucket", in.Bucket, in.ExpectedBucketOwner, q)
	if err != nil {
		return nil, err
	}
	scope := page.Scope{b.ID, "ListObjectsV2"}
	list.After = val(in.StartAfter)
	if val(in.ContinuationToken) != "" {
		var ok bool
		if list.After, ok = page.Open(s.PageKey, scope, *in.ContinuationToken); !ok {
			return nil, invalid("The continuation token provided is incorrect")
		}
	}
	l, err := s.Objects.List(ctx, b.ID, list)
	if err != nil {
		return nil, expressed(err)
	}
	out := &api.ListObjectsV2Output{
		Name: in.Bucket, Prefix: write(list.Prefix), Delimiter: maybe(write, opt(list.Delimiter)), EncodingType: in.EncodingType, StartAfter: maybe(write, in.StartAfter),
		ContinuationToken: in.ContinuationToken, MaxKeys: new(int32(list.Max)), KeyCount: new(int32(len(l.Objects) + len(l.Prefixes))),
		IsTruncated: &l.More, CommonPrefixes: prefixes(l.Prefixes, write),
	}
	out.Contents = s.contents(b, l.Objects, val(in.FetchOwner), write)
	if l.More {
		out.NextContinuationToken = new(page.Seal(s.PageKey, scope, l.Next))
	}
	return out, nil
}

// ListObjects lists objects the old way: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html.
func (s *Service) ListObjects(ctx context.Context, in *api.ListObjectsRequest) (*api.ListObjectsOutput, error) {
	q := listing{in.Prefix, in.Delimiter, in.EncodingType, in.MaxKeys}
	b, list, write, err := s.beginList(ctx, "ListBucket", in.Bucket, in.ExpectedBucketOwner, q)
	if err != nil {
		return nil, err
	}
	list.After = val(in.Marker)
	l, err := s.Objects.List(ctx, b.ID, list)
	if err != nil {
		return nil, expressed(err)
	}
	out := &api.ListObjectsOutput{
		Name: in.Bucket, Prefix: write(list.Prefix), Delimiter: maybe(write, opt(list.Delimiter)), EncodingType: in.EncodingType, Marker: write(list.After),
		MaxKeys: new(int32(list.Max)), IsTruncated: &l.More, CommonPrefixes: prefixes(l.Prefixes, write), Contents: s.contents(b, l.Objects, true, write),
	}
	if l.More && list.Delimiter != "" { // without one, the last key is the marker
		out.NextMarker = write(l.Next)
	}
	return out, nil
}

// contents are objects as lists tell them, with their owners if wanted.
func (s *Service) contents(b cloud.Bucket, infos []object.Info, owners bool, write func(string) *string) []api.Object {
	out := make([]api.Object, 0, len(infos))
	owner := s.owners(b)
	for k := range infos {
		i := &infos[k]
		algorithms, kind := listed(i)
		var whose *api.Owner
		if owners {
			whose = owner(i.Owner)
		}
		out = append(out, api.Object{
			Key: write(i.Key), Size: &i.Size, ETag: quoted(i.ETag), LastModified: &i.Modified, StorageClass: unlessEmpty(&i.Class), Owner: whose,
			ChecksumAlgorithm: algorithms, ChecksumType: kind,
		})
	}
	return out
}

// owners names the owners of a bucket's objects, each once.
func (s *Service) owners(b cloud.Bucket) func(owner string) *api.Owner {
	named := map[string]*api.Owner{}
	return func(owner string) *api.Owner {
		account := ownerOfObject(b, owner)
		if named[account] == nil {
			named[account] = s.ownerOf(account)
		}
		return named[account]
	}
}

// listed is what lists tell of a checksum.
func listed(i *object.Info) ([]string, *string) {
	if i.Checksum.Algorithm == "" {
		return nil, nil
	}
	return []string{string(i.Checksum.Algorithm)}, (*string)(&i.Checksum.Type)
}

// unlessEmpty is s, nil if that is empty.
func unlessEmpty(s *string) *string {
	if *s == "" {
		return nil
	}
	return s
}

func prefixes(list []string, write func(string) *string) []api.CommonPrefix {
	var out []api.CommonPrefix
	for _, p := range list {
		out = append(out, api.CommonPrefix{Prefix: write(p)})
	}
	return out
}

// ListObjectVersions lists all versions and delete markers:
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html.
func (s *Service) ListObjectVersions(ctx context.Context, in *api.ListObjectVersionsRequest) (*api.ListObjectVersionsOutput, error) {
	q := listing{in.Prefix, in.Delimiter, in.EncodingType, in.MaxKeys}
	b, list, write, err := s.beginList(ctx, "ListBucketVersions", in.Bucket, in.ExpectedBucketOwner, q)
	if err != nil {
		return nil, err
	}
	list.After = val(in.KeyMarker)
	switch {
	case val(in.VersionIdMarker) != "" && list.After == "":
		return nil, invalid("A version-id marker cannot be specified without a key marker.")
	case val(in.VersionIdMarker) != "" && !object.ValidVersion(*in.VersionIdMarker):
		return nil, invalid("Invalid version id specified")
	}
	l, err := s.Objects.Versions(ctx, b.ID, object.VersionsInput{ListInput: list, AfterVersion: val(in.VersionIdMarker)})
	if err != nil {
		return nil, expressed(err)
	}
	out := &api.ListObjectVersionsOutput{
		Name: in.Bucket, Prefix: write(list.Prefix), Delimiter: maybe(write, opt(list.Delimiter)), EncodingType: in.EncodingType, KeyMarker: write(list.After),
		VersionIdMarker: new(val(in.VersionIdMarker)), MaxKeys: new(int32(list.Max)), IsTruncated: &l.More, CommonPrefixes: prefixes(l.Prefixes, write),
	}
	s.versions(out, b, l.Versions, write)
	if l.More {
		out.NextKeyMarker, out.NextVersionIdMarker = write(l.Next), opt(l.NextVersion)
	}
	return out, nil
}

// versions adds versions and delete markers to a list.
func (s *Service) versions(out *api.ListObjectVersionsOutput, b cloud.Bucket, infos []object.Info, write func(string) *string) {
	owner := s.owners(b)
	for k := range infos {
		i := &infos[k]
		if i.Marker {
			out.DeleteMarkers = append(out.DeleteMarkers, api.DeleteMarkerEntry{
				Key: write(i.Key), VersionId: &i.Version, IsLatest: &i.Latest, LastModified: &i.Modified, Owner: owner(i.Owner),
			})
			continue
		}
		algorithms, kind := listed(i)
		out.Versions = append(out.Versions, api.ObjectVersion{
			Key: write(i.Key), VersionId: &i.Version, IsLatest: &i.Latest, LastModified: &i.Modified, Owner: owner(i.Owner), Size: &i.Size,
			ETag: quoted(i.ETag), StorageClass: opt(i.Class), ChecksumAlgorithm: algorithms, ChecksumType: kind,
		})
	}
}
