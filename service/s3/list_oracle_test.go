package s3

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/vauban-cloud/vauban/object"
)

// entries are what a list tells, in order, worked out from all names by the rules of
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html alone: each
// name with the prefix that is behind after, or in its place, once, what it has up to
// the delimiter.
func entries(names []string, prefix, delimiter, after string) (list []string) {
	for _, name := range names {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok || name <= after {
			continue
		}
		if head, _, found := strings.Cut(rest, delimiter); delimiter != "" && found {
			name = prefix + head + delimiter
			if name == after {
				continue // a page ended with that group
			}
		}
		if len(list) == 0 || list[len(list)-1] != name {
			list = append(list, name)
		}
	}
	return list
}

// randomKeys are keys of few letters, so that many share prefixes; sorted, each once.
func randomKeys(rng *rand.Rand, n int) []string {
	letters := []string{"a", "b", "/", "/", "+", " ", "%", "&", "<", "é", "\x01", "😀", "~", "//", "A"}
	keys := map[string]bool{}
	for len(keys) < n {
		var key strings.Builder
		for range rng.IntN(6) + 1 {
			key.WriteString(letters[rng.IntN(len(letters))])
		}
		keys[key.String()] = true
	}
	var sorted []string
	for key := range keys {
		sorted = append(sorted, key)
	}
	slices.Sort(sorted)
	return sorted
}

// pages puts the entries of pages together: keys and prefixes of one page come in two
// lists, each in order.
type pages struct {
	*testing.T
	all  []string
	most int
}

func (l *pages) page(keys, prefixes []string) {
	l.Helper()
	if n := len(keys) + len(prefixes); n > l.most {
		l.Errorf("a page has %d entries, more than %d", n, l.most)
	}
	if !slices.IsSorted(keys) || !slices.IsSorted(prefixes) {
		l.Errorf("a page is not sorted: %q, %q", keys, prefixes)
	}
	page := append(slices.Clone(keys), prefixes...)
	slices.Sort(page)
	l.all = append(l.all, page...)
}

// plain takes the encoding from a name.
func plain(t *testing.T, encoding types.EncodingType, name *string) string {
	t.Helper()
	if encoding == "" || name == nil {
		return val(name)
	}
	if strings.Trim(*name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~*/%+") != "" {
		t.Errorf("%q is not encoded", *name)
	}
	return must(url.QueryUnescape(*name))(t)
}

func prefixNames(t *testing.T, encoding types.EncodingType, list []types.CommonPrefix) (names []string) {
	for _, p := range list {
		names = append(names, plain(t, encoding, p.Prefix))
	}
	return names
}

func objectNames(t *testing.T, encoding types.EncodingType, list []types.Object) (names []string) {
	for _, o := range list {
		names = append(names, plain(t, encoding, o.Key))
	}
	return names
}

// question is one way to ask for a list.
type question struct {
	prefix, delimiter, after string
	encoding                 types.EncodingType
	most                     int32
}

// ask makes up a question about keys.
func ask(rng *rand.Rand, keys []string) question {
	some := func() string {
		key := keys[rng.IntN(len(keys))]
		return strings.ToValidUTF8(key[:rng.IntN(len(key)+1)], "")
	}
	q := question{delimiter: []string{"", "/", "/", "//", "a", "é"}[rng.IntN(6)], most: []int32{1, 2, 3, 7, 100, 1000}[rng.IntN(6)]}
	if rng.IntN(2) == 0 {
		q.prefix = some()
	}
	if rng.IntN(3) == 0 {
		q.after = some()
	}
	if rng.IntN(2) == 0 || strings.ContainsAny(strings.Join(keys, ""), "\x01") { // which XML 1.0 cannot say
		q.encoding = types.EncodingTypeUrl
	}
	return q
}

// TestListsAreExact compares lists of every kind, page by page through the SDK, with
// what an oracle makes of the keys.
func TestListsAreExact(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	r.versions("box", object.Enabled)
	c, rng := r.client(), rand.New(rand.NewPCG(5, 7))
	keys := randomKeys(rng, 80)
	var live, versions []string
	for n, key := range keys {
		for range n%3 + 1 {
			r.put("box", key)
			versions = append(versions, key)
		}
		if n%10 == 9 {
			r.remove("box", key)
			versions = append(versions, key)
			continue
		}
		live = append(live, key)
	}
	for n := range 60 {
		q := ask(rng, keys)
		t.Run(fmt.Sprintf("%d %+q", n, q), func(t *testing.T) {
			wanted := entries(live, q.prefix, q.delimiter, q.after)
			same(t, "ListObjectsV2", listV2(t, c, q), wanted)
			same(t, "ListObjects", listV1(t, c, q), wanted)
			same(t, "ListObjectVersions", listVersions(t, c, q), entriesOfVersions(versions, q))
		})
	}
}

func same(t *testing.T, what string, got, wanted []string) {
	t.Helper()
	if !slices.Equal(got, wanted) {
		t.Errorf("%s tells %q, not %q", what, got, wanted)
	}
}

// entriesOfVersions are the entries of names that come several times: each version is
// an entry, each group is one.
func entriesOfVersions(versions []string, q question) (list []string) {
	for _, entry := range entries(versions, q.prefix, q.delimiter, q.after) {
		list = append(list, entry)
		if rest := strings.TrimPrefix(entry, q.prefix); q.delimiter != "" && strings.Contains(rest, q.delimiter) {
			continue // a group
		}
		again := 0
		for _, v := range versions {
			if v == entry {
				again++
			}
		}
		for range again - 1 {
			list = append(list, entry)
		}
	}
	return list
}

func listV2(t *testing.T, c *sdk.Client, q question) []string {
	t.Helper()
	in := &sdk.ListObjectsV2Input{Bucket: new("box"), Prefix: &q.prefix, Delimiter: &q.delimiter, EncodingType: q.encoding, MaxKeys: &q.most}
	if q.after != "" {
		in.StartAfter = &q.after
	}
	l := pages{T: t, most: int(q.most)}
	for {
		out := must(c.ListObjectsV2(t.Context(), in))(t)
		l.page(objectNames(t, q.encoding, out.Contents), prefixNames(t, q.encoding, out.CommonPrefixes))
		if int(*out.KeyCount) != len(out.Contents)+len(out.CommonPrefixes) {
			t.Errorf("KeyCount is %d", *out.KeyCount)
		}
		if !*out.IsTruncated {
			return l.all
		}
		in.ContinuationToken = out.NextContinuationToken
	}
}

func listV1(t *testing.T, c *sdk.Client, q question) []string {
	t.Helper()
	in := &sdk.ListObjectsInput{Bucket: new("box"), Prefix: &q.prefix, Delimiter: &q.delimiter, EncodingType: q.encoding, MaxKeys: &q.most, Marker: &q.after}
	l := pages{T: t, most: int(q.most)}
	for {
		out := must(c.ListObjects(t.Context(), in))(t)
		l.page(objectNames(t, q.encoding, out.Contents), prefixNames(t, q.encoding, out.CommonPrefixes))
		switch {
		case !*out.IsTruncated:
			return l.all
		case q.delimiter != "":
			in.Marker = new(plain(t, q.encoding, out.NextMarker))
		default:
			in.Marker = new(plain(t, q.encoding, out.Contents[len(out.Contents)-1].Key))
		}
	}
}

func listVersions(t *testing.T, c *sdk.Client, q question) []string {
	t.Helper()
	in := &sdk.ListObjectVersionsInput{Bucket: new("box"), Prefix: &q.prefix, Delimiter: &q.delimiter, EncodingType: q.encoding, MaxKeys: &q.most, KeyMarker: &q.after}
	l := pages{T: t, most: int(q.most)}
	seen := map[string]bool{}
	for {
		out := must(c.ListObjectVersions(t.Context(), in))(t)
		var keys []string
		note := func(key, version *string) {
			keys = append(keys, plain(t, q.encoding, key))
			if seen[*key+" "+*version] {
				t.Errorf("%q is listed twice", *key)
			}
			seen[*key+" "+*version] = true
		}
		for _, v := range out.Versions {
			note(v.Key, v.VersionId)
		}
		for _, m := range out.DeleteMarkers {
			note(m.Key, m.VersionId)
		}
		slices.Sort(keys) // the SDK takes versions and markers apart
		l.page(keys, prefixNames(t, q.encoding, out.CommonPrefixes))
		if !*out.IsTruncated {
			return l.all
		}
		in.KeyMarker, in.VersionIdMarker = new(plain(t, q.encoding, out.NextKeyMarker)), out.NextVersionIdMarker
	}
}
