package wire_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/cloudwatch"
	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/awsapi/elbv2"
	"github.com/vauban-cloud/vauban/awsapi/kms"
	"github.com/vauban-cloud/vauban/awsapi/logs"
	"github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/gateway/wire"
)

// decode matches and decodes a request. It fails the test when the refusal is
// not one that a client can be told.
func decode(t *testing.T, api *wire.Service, r *http.Request, body []byte) any {
	op, p, err := api.Match(r, body)
	var in any
	if err == nil {
		in, err = wire.Decode(p, op, r, body)
	}
	var refusal *wire.Error
	if err != nil && (!errors.As(err, &refusal) || refusal.Code == "" || refusal.Message == "") {
		t.Errorf("not an Error: %v", err)
	}
	if err == nil {
		return in
	}
	return nil
}

func post() *http.Request { return httptest.NewRequest(http.MethodPost, "/", nil) }

// fuzzQuery checks that what is decoded is all that was sent.
func fuzzQuery(f *testing.F, api *wire.Service, seeds ...string) {
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		in := decode(t, api, post(), []byte(body))
		sent, err := url.ParseQuery(body)
		if in == nil || err != nil {
			return
		}
		n := 0
		for key, values := range sent {
			if values[0] == "" {
				return // may be an empty list, or nothing
			}
			if key != "Action" && key != "Version" && !strings.HasPrefix(key, "X-Amz-") {
				n++
			}
		}
		if got := scalars(reflect.ValueOf(in)); got != n {
			t.Errorf("%d of %d parameters decoded", got, n)
		}
	})
}

func FuzzEC2Query(f *testing.F) {
	fuzzQuery(f, ec2.API(),
		"Action=DescribeInstances&Filter.1.Name=tag:Name&Filter.1.Value.1=a*&InstanceId.2=i-1&MaxResults=5",
		"Action=RunInstances&MinCount=1&MaxCount=1&BlockDeviceMapping.1.Ebs.VolumeSize=8&TagSpecification.1.Tag.1.Key=k",
		"Action=DescribeInstances&Filter.999999999.Value.999999999=x",
		"Action=ModifyInstanceAttribute&InstanceId=i-1&UserData.Value=aGk=&DisableApiTermination.Value=true",
		"Action=DescribeSpotPriceHistory&StartTime=2026-01-02T03:04:05Z")
}

func FuzzQuery(f *testing.F) {
	fuzzQuery(f, elbv2.API(),
		"Action=DescribeTags&ResourceArns.member.1=a",
		"Action=CreateListener&LoadBalancerArn=a&DefaultActions.member.1.Type=forward&DefaultActions.member.1.ForwardConfig.TargetGroups.member.1.Weight=1",
		"Action=CreateListener&LoadBalancerArn=a&DefaultActions.member.1.Type=x&DefaultActions.member.1.AuthenticateOidcConfig.AuthenticationRequestExtraParams.entry.1.key=k&DefaultActions.member.1.AuthenticateOidcConfig.AuthenticationRequestExtraParams.entry.1.value=v")
}

func FuzzJSON(f *testing.F) {
	f.Add("Encrypt", []byte(`{"KeyId":"alias/x","Plaintext":"aGVsbG8=","EncryptionContext":{"a":"b"},"GrantTokens":["x"]}`))
	f.Add("ImportKeyMaterial", []byte(`{"KeyId":"x","ImportToken":"","EncryptedKeyMaterial":"","ValidTo":1.5e9}`))
	f.Add("PutLogEvents", []byte(`{"logGroupName":"g","logStreamName":"s","logEvents":[{"timestamp":1e3,"message":"é"}]}`))
	f.Fuzz(func(t *testing.T, operation string, body []byte) {
		for _, api := range []*wire.Service{kms.API(), logs.API()} {
			r := post()
			r.Header.Set("X-Amz-Target", api.TargetPrefix+"."+operation)
			decode(t, api, r, body)
		}
	})
}

func FuzzCBOR(f *testing.F) {
	f.Add("PutMetricData", []byte("\xbfiNamespacecappjMetricData\x81\xa3jMetricNameameValue\xfb\x3f\xf8\x00\x00\x00\x00\x00\x00iTimestamp\xc1\x1a\x69\x55\xb9\x00\xff"))
	f.Add("DescribeAlarms", []byte("\xa1jMaxRecords\x05"))
	f.Add("TagResource", []byte("\xa2kResourceARNaadTags\x9f\xa2cKeyakeValueav\xff"))
	f.Fuzz(func(t *testing.T, operation string, body []byte) {
		api := cloudwatch.API()
		r := post()
		r.URL.Path = "/service/" + api.TargetPrefix + "/operation/" + operation
		r.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
		decode(t, api, r, body)
	})
}

func FuzzREST(f *testing.F) {
	f.Add("PUT", "/bucket/a%2Fb/c?partNumber=1&uploadId=u", "x-amz-meta-k", "v", []byte("content"))
	f.Add("PUT", "/bucket?acl", "x-amz-acl", "private", []byte(`<AccessControlPolicy><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>1</ID></Grantee></Grant></AccessControlList></AccessControlPolicy>`))
	f.Add("POST", "/bucket?delete", "", "", []byte(`<Delete><Object><Key>a</Key></Object><Quiet>true</Quiet></Delete>`))
	f.Add("GET", "/bucket/key?response-expires=Mon,%2002%20Jan%202006%2015:04:05%20GMT", "Range", "bytes=0-1", []byte(nil))
	f.Add("PUT", "/bucket?lifecycle", "", "", []byte(`<LifecycleConfiguration><Rule><Filter><And><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter><Status>Enabled</Status></Rule></LifecycleConfiguration>`))
	f.Fuzz(func(t *testing.T, method, target, header, value string, body []byte) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		r := post()
		r.Method, r.URL = method, u
		r.Header.Set(header, value)
		decode(t, s3.API(), r, body)
	})
}

// FuzzText checks that any text of an answer is read back, with U+FFFD for
// what XML or UTF-8 cannot carry.
func FuzzText(f *testing.F) {
	f.Add("a <b> & \"c\" 'd' \r\n\t é \U0001F600")
	f.Add("\x00\xff\ufffe]]>")
	f.Fuzz(func(t *testing.T, text string) {
		w := httptest.NewRecorder()
		describe := ec2.API().Operation("DescribeRegions")
		if err := wire.Encode(w, ec2.API(), wire.EC2Query, describe, &ec2.DescribeRegionsResult{Regions: []ec2.Region{{RegionName: &text}}}, "id"); err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Name string `xml:"regionInfo>item>regionName"`
		}
		if err := xml.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		var escaped bytes.Buffer
		if err := xml.EscapeText(&escaped, []byte(text)); err != nil {
			t.Fatal(err)
		}
		var want string
		if err := xml.Unmarshal([]byte("<a>"+escaped.String()+"</a>"), &want); err != nil {
			t.Fatal(err)
		}
		if answer.Name != want {
			t.Errorf("XML: %q, want %q", answer.Name, want)
		}

		w = httptest.NewRecorder()
		if err := wire.Encode(w, kms.API(), wire.JSON11, kms.API().Operation("Encrypt"), &kms.EncryptResponse{KeyId: &text}, "id"); err != nil {
			t.Fatal(err)
		}
		var object struct{ KeyId string }
		if err := json.Unmarshal(w.Body.Bytes(), &object); err != nil {
			t.Fatal(err)
		}
		plain, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(plain, &want); err != nil || object.KeyId != want {
			t.Errorf("JSON: %q, want %q", object.KeyId, want)
		}
	})
}
