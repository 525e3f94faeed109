package ec2

import (
	"encoding/base64"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/service/internal/page"
)

func TestPagesMakeTheWhole(t *testing.T) {
	s := &Service{PageKey: []byte("key")}
	c := cloud.Caller{Account: alice}
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfDistinct(rapid.StringN(1, 8, 20), rapid.ID[string]).Draw(t, "keys")
		slices.Sort(all)
		size := rapid.Int32Range(5, 20).Draw(t, "size")
		var got []string
		var token *string
		for {
			p, err := s.page(c, "DescribeThings", &size, token, 5, 20)
			if err != nil {
				t.Fatal(err)
			}
			items, next := cut(p, slices.Values(all), func(k string) string { return k })
			if len(items) > int(size) || next != nil && len(items) < int(size) {
				t.Fatalf("a page of %d has %d items, next %v", size, len(items), next)
			}
			got = append(got, items...)
			if token = next; token == nil {
				break
			}
		}
		if !slices.Equal(got, all) {
			t.Fatalf("pages have %q, the whole is %q", got, all)
		}
	})
}

func TestPageLimits(t *testing.T) {
	s := &Service{}
	for n, message := range map[int32]string{
		-1:   "Value ( -1 ) for parameter maxResults is invalid. Expecting a value greater than or equal to 5.",
		0:    "Value ( 0 ) for parameter maxResults is invalid. Expecting a value greater than or equal to 5.",
		4:    "Value ( 4 ) for parameter maxResults is invalid. Expecting a value greater than or equal to 5.",
		5:    "",
		1000: "",
		1001: "Value ( 1001 ) for parameter maxResults is invalid. Expecting a value smaller than or equal to 1000.",
	} {
		_, err := s.page(cloud.Caller{}, "DescribeThings", &n, nil, 5, 1000)
		if message == "" {
			want(t, fmt.Sprint(n), err, "")
		} else {
			want(t, fmt.Sprint(n), err, "InvalidParameterValue", message)
		}
	}
}

func TestPageTokens(t *testing.T) {
	s := &Service{PageKey: []byte("key")}
	c := cloud.Caller{Account: alice}
	token := page.Seal(s.PageKey, page.Scope{alice, "DescribeThings"}, "i-0123456789abcdef0")
	if p, err := s.page(c, "DescribeThings", nil, &token, 5, 1000); err != nil || p.after != "i-0123456789abcdef0" {
		t.Fatalf("got %+v, %v", p, err)
	}
	refused := func(what string, s *Service, c cloud.Caller, operation, token string) {
		t.Helper()
		_, err := s.page(c, operation, nil, &token, 5, 1000)
		want(t, what, err, "InvalidPaginationToken")
	}
	refused("another account's", s, cloud.Caller{Account: bob}, "DescribeThings", token)
	refused("another operation's", s, c, "DescribeOthers", token)
	refused("another cloud's", &Service{PageKey: []byte("other")}, c, "DescribeThings", token)
	refused("nonsense", s, c, "DescribeThings", "nonsense")
	refused("no base64", s, c, "DescribeThings", "???")
	refused("without key", s, c, "DescribeThings", page.Seal(s.PageKey, page.Scope{alice, "DescribeThings"}, ""))
	refused("padded", s, c, "DescribeThings", token+"=")
	raw, _ := base64.RawURLEncoding.DecodeString(token)
	for i := range raw {
		raw[i] ^= 1
		refused(fmt.Sprint("altered at ", i), s, c, "DescribeThings", base64.RawURLEncoding.EncodeToString(raw))
		raw[i] ^= 1
	}
	if _, err := s.page(c, "DescribeThings", nil, new(""), 5, 1000); err != nil {
		t.Errorf("an empty token is none, but %v", err)
	}
}

func FuzzPageToken(f *testing.F) {
	s := &Service{PageKey: []byte("key")}
	f.Add(page.Seal(s.PageKey, page.Scope{alice, "DescribeThings"}, "k"), "k")
	f.Fuzz(func(t *testing.T, token, key string) {
		p, err := s.page(cloud.Caller{Account: alice}, "DescribeThings", nil, &token, 5, 1000)
		if err == nil && token != "" && page.Seal(s.PageKey, page.Scope{alice, "DescribeThings"}, p.after) != token {
			t.Errorf("took the forged token %q", token)
		}
		if key == "" {
			return
		}
		token = page.Seal(s.PageKey, page.Scope{alice, "DescribeThings"}, key)
		if p, err := s.page(cloud.Caller{Account: alice}, "DescribeThings", nil, &token, 5, 1000); err != nil || p.after != key {
			t.Errorf("key %q came back as %q, %v", key, p.after, err)
		}
	})
}
