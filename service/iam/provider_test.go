package iam

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
)

const oidcARN = "arn:aws:iam::" + alice + ":oidc-provider/idp.example.org/realm"

func TestOpenIDConnectProviderLife(t *testing.T) {
	r := newRig(t)
	thumbprint := strings.Repeat("A1", 20)
	made := must(r.CreateOpenIDConnectProvider(r.ctx, &api.CreateOpenIDConnectProviderRequest{
		Url: new("https://idp.example.org/realm"), ClientIDList: []string{"sts.amazonaws.com", "other", "other"}, ThumbprintList: []string{thumbprint}, Tags: tags("team", "web"),
	}))(t)
	if *made.OpenIDConnectProviderArn != oidcARN || *made.Tags[0].Value != "web" {
		t.Errorf("made %+v", made)
	}
	want(t, "again", second(r.CreateOpenIDConnectProvider(r.ctx, &api.CreateOpenIDConnectProviderRequest{Url: new("https://idp.example.org/realm")})), "EntityAlreadyExists", "Provider with url https://idp.example.org/realm already exists.")
	arn := made.OpenIDConnectProviderArn
	got := must(r.GetOpenIDConnectProvider(r.ctx, &api.GetOpenIDConnectProviderRequest{OpenIDConnectProviderArn: arn}))(t)
	if *got.Url != "idp.example.org/realm" || !slices.Equal(got.ClientIDList, []string{"sts.amazonaws.com", "other"}) || !slices.Equal(got.ThumbprintList, []string{strings.ToLower(thumbprint)}) {
		t.Errorf("got %+v", got)
	}
	for range 2 { // both are idempotent
		must(r.AddClientIDToOpenIDConnectProvider(r.ctx, &api.AddClientIDToOpenIDConnectProviderRequest{OpenIDConnectProviderArn: arn, ClientID: new("third")}))(t)
		must(r.RemoveClientIDFromOpenIDConnectProvider(r.ctx, &api.RemoveClientIDFromOpenIDConnectProviderRequest{OpenIDConnectProviderArn: arn, ClientID: new("other")}))(t)
	}
	must(r.UpdateOpenIDConnectProviderThumbprint(r.ctx, &api.UpdateOpenIDConnectProviderThumbprintRequest{OpenIDConnectProviderArn: arn, ThumbprintList: []string{}}))(t)
	must(r.TagOpenIDConnectProvider(r.ctx, &api.TagOpenIDConnectProviderRequest{OpenIDConnectProviderArn: arn, Tags: tags("stage", "prod")}))(t)
	must(r.UntagOpenIDConnectProvider(r.ctx, &api.UntagOpenIDConnectProviderRequest{OpenIDConnectProviderArn: arn, TagKeys: []string{"team"}}))(t)
	got = must(r.GetOpenIDConnectProvider(r.ctx, &api.GetOpenIDConnectProviderRequest{OpenIDConnectProviderArn: arn}))(t)
	listed := must(r.ListOpenIDConnectProviderTags(r.ctx, &api.ListOpenIDConnectProviderTagsRequest{OpenIDConnectProviderArn: arn}))(t)
	if !slices.Equal(got.ClientIDList, []string{"sts.amazonaws.com", "third"}) || len(got.ThumbprintList) != 0 || len(listed.Tags) != 1 || *listed.Tags[0].Key != "stage" {
		t.Errorf("got %+v, tags %+v", got, listed.Tags)
	}
	if all := must(r.ListOpenIDConnectProviders(r.ctx, nil))(t); len(all.OpenIDConnectProviderList) != 1 {
		t.Errorf("listed %+v", all)
	}
	if all := must(r.ListOpenIDConnectProviders(r.bob, nil))(t); len(all.OpenIDConnectProviderList) != 0 {
		t.Errorf("another account lists %+v", all)
	}
	want(t, "another account's", second(r.DeleteOpenIDConnectProvider(r.bob, &api.DeleteOpenIDConnectProviderRequest{OpenIDConnectProviderArn: arn})), "NoSuchEntity", "OpenIDConnect Provider not found for arn "+oidcARN)
	must(r.DeleteOpenIDConnectProvider(r.ctx, &api.DeleteOpenIDConnectProviderRequest{OpenIDConnectProviderArn: arn}))(t)
	want(t, "deleted", second(r.DeleteOpenIDConnectProvider(r.ctx, &api.DeleteOpenIDConnectProviderRequest{OpenIDConnectProviderArn: arn})), "NoSuchEntity")
}

func TestOpenIDConnectProviderRules(t *testing.T) {
	r := newRig(t)
	for url, wanted := range map[string]string{
		"": "ValidationError", "http://idp.example.org": "ValidationError", "idp.example.org": "ValidationError", "https://": "ValidationError",
		"https://idp.example.org?x=y": "ValidationError", "https://idp.example.org?": "ValidationError", "https://idp.example.org#x": "ValidationError",
		"https://idp.example.org#": "ValidationError", "https://me@idp.example.org": "ValidationError", "https://idp.example.org/a b": "ValidationError",
		"https://idp.example.org:8443": "InvalidInput", "https://" + strings.Repeat("x", 248): "ValidationError", "https://idp.example.org": "",
	} {
		want(t, url, second(r.CreateOpenIDConnectProvider(r.ctx, &api.CreateOpenIDConnectProviderRequest{Url: &url})), wanted)
	}
	many := func(n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprint(i))
		}
		return list
	}
	good := strings.Repeat("a", 40)
	for what, c := range map[string]struct {
		in   api.CreateOpenIDConnectProviderRequest
		want string
	}{
		"101 clients":         {api.CreateOpenIDConnectProviderRequest{ClientIDList: many(101)}, "LimitExceeded"},
		"an empty client":     {api.CreateOpenIDConnectProviderRequest{ClientIDList: []string{""}}, "ValidationError"},
		"a long client":       {api.CreateOpenIDConnectProviderRequest{ClientIDList: []string{strings.Repeat("x", 256)}}, "ValidationError"},
		"six thumbprints":     {api.CreateOpenIDConnectProviderRequest{ThumbprintList: []string{good, good, good, good, good, good}}, "InvalidInput"},
		"a short thumbprint":  {api.CreateOpenIDConnectProviderRequest{ThumbprintList: []string{good[1:]}}, "ValidationError"},
		"no hexadecimal":      {api.CreateOpenIDConnectProviderRequest{ThumbprintList: []string{"g" + good[1:]}}, "ValidationError"},
		"many tags":           {api.CreateOpenIDConnectProviderRequest{Tags: manyTags(51)}, "ValidationError"},
		"all that is allowed": {api.CreateOpenIDConnectProviderRequest{ClientIDList: many(100), ThumbprintList: []string{good, good, good, good, good}, Tags: manyTags(50)}, ""},
	} {
		c.in.Url = new("https://other.example.org")
		want(t, what, second(r.CreateOpenIDConnectProvider(r.ctx, &c.in)), c.want)
	}
	want(t, "the 101st client", second(r.AddClientIDToOpenIDConnectProvider(r.ctx, &api.AddClientIDToOpenIDConnectProviderRequest{
		OpenIDConnectProviderArn: new("arn:aws:iam::" + alice + ":oidc-provider/other.example.org"), ClientID: new("more"),
	})), "LimitExceeded")
}

// samlMetadata describes an identity provider.
func samlMetadata(t testing.TB) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(1e9, 0), NotAfter: time.Unix(4e9, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example.org">
<!-- ` + strings.Repeat("x", leastSAMLMetadata) + ` -->
<IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
<KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>` + base64.StdEncoding.EncodeToString(der) + `</X509Certificate></X509Data></KeyInfo></KeyDescriptor>
<SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example.org/sso"/>
</IDPSSODescriptor></EntityDescriptor>`
}

func TestSAMLProviderLife(t *testing.T) {
	r := newRig(t)
	metadata := samlMetadata(t)
	made := must(r.CreateSAMLProvider(r.ctx, &api.CreateSAMLProviderRequest{Name: new("corp"), SAMLMetadataDocument: &metadata, Tags: tags("team", "web")}))(t)
	arn := made.SAMLProviderArn
	if *arn != "arn:aws:iam::"+alice+":saml-provider/corp" {
		t.Errorf("made %+v", made)
	}
	want(t, "in other letters", second(r.CreateSAMLProvider(r.ctx, &api.CreateSAMLProviderRequest{Name: new("Corp"), SAMLMetadataDocument: &metadata})), "EntityAlreadyExists")
	got := must(r.GetSAMLProvider(r.ctx, &api.GetSAMLProviderRequest{SAMLProviderArn: arn}))(t)
	if *got.SAMLMetadataDocument != metadata || !got.CreateDate.Equal(r.Judge.Now()) || got.ValidUntil.Year() != r.Judge.Now().Year()+99 && got.ValidUntil.Year() != r.Judge.Now().Year()+100 {
		t.Errorf("created %v, valid until %v", got.CreateDate, got.ValidUntil)
	}
	next := strings.Replace(samlMetadata(t), "entityID", `validUntil="2031-01-01T00:00:00Z" entityID`, 1)
	must(r.UpdateSAMLProvider(r.ctx, &api.UpdateSAMLProviderRequest{SAMLProviderArn: arn, SAMLMetadataDocument: &next}))(t)
	must(r.TagSAMLProvider(r.ctx, &api.TagSAMLProviderRequest{SAMLProviderArn: arn, Tags: tags("stage", "prod")}))(t)
	must(r.UntagSAMLProvider(r.ctx, &api.UntagSAMLProviderRequest{SAMLProviderArn: arn, TagKeys: []string{"team"}}))(t)
	list := must(r.ListSAMLProviders(r.ctx, nil))(t).SAMLProviderList
	listed := must(r.ListSAMLProviderTags(r.ctx, &api.ListSAMLProviderTagsRequest{SAMLProviderArn: arn}))(t)
	if len(list) != 1 || list[0].ValidUntil.Year() != 2031 || len(listed.Tags) != 1 || *listed.Tags[0].Key != "stage" {
		t.Errorf("listed %+v, tags %+v", list, listed.Tags)
	}
	want(t, "another account's", second(r.GetSAMLProvider(r.bob, &api.GetSAMLProviderRequest{SAMLProviderArn: arn})), "NoSuchEntity", "Manifest not found for arn "+*arn)
	must(r.DeleteSAMLProvider(r.ctx, &api.DeleteSAMLProviderRequest{SAMLProviderArn: arn}))(t)
	want(t, "deleted", second(r.UpdateSAMLProvider(r.ctx, &api.UpdateSAMLProviderRequest{SAMLProviderArn: arn, SAMLMetadataDocument: &next})), "NoSuchEntity")
	must(r.CreateSAMLProvider(r.ctx, &api.CreateSAMLProviderRequest{Name: new("Corp"), SAMLMetadataDocument: &metadata}))(t)
}

func TestSAMLProviderRules(t *testing.T) {
	r := newRig(t)
	metadata := samlMetadata(t)
	for what, c := range map[string]struct {
		in   api.CreateSAMLProviderRequest
		want string
	}{
		"no name":              {api.CreateSAMLProviderRequest{Name: new("")}, "ValidationError"},
		"a bad name":           {api.CreateSAMLProviderRequest{Name: new("a/b")}, "ValidationError"},
		"a long name":          {api.CreateSAMLProviderRequest{Name: new(strings.Repeat("x", 129))}, "ValidationError"},
		"short metadata":       {api.CreateSAMLProviderRequest{SAMLMetadataDocument: new("<x/>")}, "ValidationError"},
		"other metadata":       {api.CreateSAMLProviderRequest{SAMLMetadataDocument: new("<x>" + strings.Repeat("y", 1000) + "</x>")}, "InvalidInput"},
		"no identity provider": {api.CreateSAMLProviderRequest{SAMLMetadataDocument: new(strings.ReplaceAll(metadata, "IDPSSO", "SPSSO"))}, "InvalidInput"},
		"encryption":           {api.CreateSAMLProviderRequest{AssertionEncryptionMode: new("Required")}, "InvalidInput"},
		"a key":                {api.CreateSAMLProviderRequest{AddPrivateKey: new("x")}, "InvalidInput"},
		"a reserved tag":       {api.CreateSAMLProviderRequest{Tags: tags("aws:x", "y")}, "InvalidInput"},
	} {
		if c.in.Name == nil {
			c.in.Name = new("corp")
		}
		if c.in.SAMLMetadataDocument == nil {
			c.in.SAMLMetadataDocument = &metadata
		}
		want(t, what, second(r.CreateSAMLProvider(r.ctx, &c.in)), c.want)
	}
	if list := must(r.ListSAMLProviders(r.ctx, nil))(t); len(list.SAMLProviderList) != 0 {
		t.Errorf("bad input left %+v", list)
	}
}
