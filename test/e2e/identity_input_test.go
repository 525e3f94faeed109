package e2e_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// sent is what came back for a request that was put together by hand.
type sent struct {
	status int
	body   string
}

// send signs a request of the query protocol for a service and sends it; change
// may spoil it after it was signed.
func (f *identityCloud) send(t *testing.T, k e2e.Keys, service string, form url.Values, change func(*http.Request)) sent {
	t.Helper()
	body := form.Encode()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+f.c.Addr+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	sum := sha256.Sum256([]byte(body))
	err = v4.NewSigner().SignHTTP(ctx, aws.Credentials{AccessKeyID: k.ID, SecretAccessKey: k.Secret, SessionToken: k.Token}, r, hex.EncodeToString(sum[:]), service, "eu-paris-1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return sent{body: err.Error()}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return sent{res.StatusCode, string(b)}
}

// is fails unless the answer is an error of that status and code.
func (s sent) is(t *testing.T, what string, status int, code string) {
	t.Helper()
	if s.status != status || !strings.Contains(s.body, "<Code>"+code+"</Code>") {
		t.Errorf("%s: want %d %s, got %d %.300s", what, status, code, s.status, s.body)
	}
}

var (
	whoAmI    = url.Values{"Action": {"GetCallerIdentity"}, "Version": {"2011-06-15"}}
	listUsers = url.Values{"Action": {"ListUsers"}, "Version": {"2010-05-08"}}
)

// badTokens sends session tokens that are not what they should be.
func (f *identityCloud) badTokens(t *testing.T) {
	long := f.user("frank", allow("sts:*"))
	frank := f.c.As(long)
	keys := func(c *e2e.Cloud) e2e.Keys {
		t.Helper()
		fields := strings.Fields(c.Query("Credentials.[AccessKeyId,SecretAccessKey,SessionToken]", "sts", "get-session-token", "--duration-seconds", "900"))
		return e2e.Keys{ID: fields[0], Secret: fields[1], Token: fields[2]}
	}
	good, another := keys(frank), keys(frank)
	if s := f.send(t, good, "sts", whoAmI, nil); s.status != http.StatusOK || !strings.Contains(s.body, f.arn("user/frank")) {
		t.Fatalf("%d %s", s.status, s.body)
	}
	with := func(token string) e2e.Keys { return e2e.Keys{ID: good.ID, Secret: good.Secret, Token: token} }
	middle := len(good.Token) / 2
	flipped := []byte(good.Token)
	if flipped[middle] == 'A' {
		flipped[middle] = 'B'
	} else {
		flipped[middle] = 'A'
	}
	const invalid = "InvalidClientTokenId"
	for what, k := range map[string]e2e.Keys{
		"another session's token": with(another.Token),
		"one character changed":   with(string(flipped)),
		"cut short":               with(good.Token[:middle]),
		"one character more":      with(good.Token + "A"),
		"no token":                with(""),
		"nonsense":                with("x"),
		"a token of 60 KB":        with(strings.Repeat("A", 60_000)),
	} {
		f.send(t, k, "sts", whoAmI, nil).is(t, what, http.StatusForbidden, invalid)
	}
	if s := f.send(t, with(strings.Repeat("A", 100_000)), "sts", whoAmI, nil); s.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a token of 100 KB: %d %.200s", s.status, s.body)
	}
	wrong := good
	wrong.Secret = another.Secret
	f.send(t, wrong, "sts", whoAmI, nil).is(t, "another session's secret", http.StatusForbidden, "SignatureDoesNotMatch")
	f.send(t, good, "sts", whoAmI, func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", another.Token) }).
		is(t, "token replaced after signing", http.StatusForbidden, invalid)

	// A session without a second factor is kept from IAM, and one of a user who is
	// gone is worth nothing.
	f.send(t, good, "iam", listUsers, nil).is(t, "IAM without a second factor", http.StatusForbidden, "AccessDenied")
	f.remove("frank", long)
	f.send(t, good, "sts", whoAmI, nil).is(t, "the user is gone", http.StatusForbidden, invalid)
	f.user("frank", "")
	f.send(t, good, "sts", whoAmI, nil).is(t, "a namesake has come", http.StatusForbidden, invalid)

	// Tokens of identity providers.
	web := func(token string) sent {
		return f.send(t, e2e.Keys{}, "sts", url.Values{
			"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}, "RoleArn": {f.arn("role/pipeline")}, "RoleSessionName": {"job"}, "WebIdentityToken": {token},
		}, func(r *http.Request) { r.Header.Del("Authorization") })
	}
	token := f.idp.token(t, "repo:shop/web", time.Minute)
	if s := web(token); s.status != http.StatusOK {
		t.Errorf("a good token: %d %s", s.status, s.body)
	}
	web(f.idp.token(t, "repo:shop/web", -time.Hour)).is(t, "expired", http.StatusBadRequest, "ExpiredTokenException")
	web(token[:len(token)-8]).is(t, "cut short", http.StatusBadRequest, "InvalidIdentityToken")
	web(newForeign(t, f).token(t, "repo:shop/web", time.Minute)).is(t, "signed by another", http.StatusBadRequest, "InvalidIdentityToken")
}

// newForeign is a provider of the same name with a key of its own.
func newForeign(t *testing.T, f *identityCloud) *provider {
	t.Helper()
	foreign := *f.idp
	foreign.signer = newSigner(t, newKey(t))
	return &foreign
}

// badDocuments sends policies that are none, and names that are not what they seem.
func (f *identityCloud) badDocuments(t *testing.T) {
	k := f.user("grace", allow("iam:*"))
	revision := f.shop.AWS("iam", "list-policies", "--scope", "Local") + f.shop.AWS("iam", "list-users")
	policy := func(document string) sent {
		return f.send(t, k, "iam", url.Values{"Action": {"CreatePolicy"}, "Version": {"2010-05-08"}, "PolicyName": {"bad"}, "PolicyDocument": {document}}, nil)
	}
	const malformed = "MalformedPolicyDocument"
	nested := `{"Version":"2012-10-17","Statement":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + "}"
	policy(nested).is(t, "10,000 lists in each other", http.StatusBadRequest, malformed)
	policy(strings.Repeat(`{"a":`, 5_000)).is(t, "5,000 objects, none closed", http.StatusBadRequest, malformed)
	policy(strings.Replace(allow("s3:*"), `"Effect":"Allow"`, `"Effect":"Deny","Effect":"Allow"`, 1)).is(t, "a key twice", http.StatusBadRequest, malformed)
	policy(strings.Replace(allow("s3:*"), "Allow", "allow", 1)).is(t, "an effect in lower case", http.StatusBadRequest, malformed)
	policy(allow("s3:*")+"x").is(t, "more after the end", http.StatusBadRequest, malformed)
	policy(strings.Replace(allow("s3:*"), `"Resource"`, `"Resоurce"`, 1)).is(t, "a Cyrillic letter in an element", http.StatusBadRequest, "ValidationError")
	policy("").is(t, "nothing", http.StatusBadRequest, "ValidationError")
	many := strings.TrimSuffix(strings.Repeat(`s3:GetObject","`, 1000), `","`)
	policy(strings.Replace(allow(many), `"`+many+`"`, `["`+many+`"]`, 1)).is(t, "15,000 characters", http.StatusConflict, "LimitExceeded")
	if s := policy(allow(strings.Repeat("x", 10<<20))); s.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a policy of 10 MB: %d %.200s", s.status, s.body)
	}
	for what, name := range map[string]string{
		"Cyrillic": "grаce", "full width": "ｇrace", "zero width": "gr\u200bace", "control": "gr\x00ace", "path": "../grace", "line": "grace\n", "long": strings.Repeat("g", 65), "empty": "",
	} {
		f.send(t, k, "iam", url.Values{"Action": {"CreateUser"}, "Version": {"2010-05-08"}, "UserName": {name}}, nil).
			is(t, "the name is "+what, http.StatusBadRequest, "ValidationError")
	}
	f.send(t, k, "iam", url.Values{"Action": {"CreateUser"}, "Version": {"2010-05-08"}, "UserName": {"GRACE"}}, nil).
		is(t, "the name in another case", http.StatusConflict, "EntityAlreadyExists")
	if now := f.shop.AWS("iam", "list-policies", "--scope", "Local") + f.shop.AWS("iam", "list-users"); now != revision {
		t.Errorf("what was refused left something:\n%s\nthen\n%s", revision, now)
	}
}

// changesAtOnce has many clients change one role at once: nothing is lost.
func (f *identityCloud) changesAtOnce(t *testing.T) {
	const changes, clients = 1000, 20
	k := f.user("heidi", allow("iam:*"))
	f.role("busy", `{"AWS":"`+f.account+`"}`, "sts:AssumeRole", "", allow("s3:*"))
	var all sync.WaitGroup
	for client := range clients {
		all.Go(func() {
			for n := range changes / clients {
				// A third each: tags that come, tags that come and go, policies that come.
				name, form := fmt.Sprintf("c%d-%d", client, n), url.Values{"Version": {"2010-05-08"}, "RoleName": {"busy"}}
				switch {
				case n == 0:
					form["Action"], form["Tags.member.1.Key"], form["Tags.member.1.Value"] = []string{"TagRole"}, []string{name}, []string{"kept"}
				case n%2 == 0:
					form["Action"], form["PolicyName"], form["PolicyDocument"] = []string{"PutRolePolicy"}, []string{fmt.Sprint("c", client)}, []string{allow("s3:Get" + fmt.Sprint(n))}
				default:
					form["Action"], form["Description"] = []string{"UpdateRole"}, []string{name}
				}
				if s := f.send(t, k, "iam", form, nil); s.status != http.StatusOK {
					t.Errorf("%s: %d %.200s", name, s.status, s.body)
				}
			}
		})
	}
	all.Wait()
	if n := len(strings.Fields(f.shop.Query("Tags[].Key", "iam", "list-role-tags", "--role-name", "busy"))); n != clients {
		t.Errorf("%d of %d tags are there", n, clients)
	}
	if n := len(strings.Fields(f.shop.Query("PolicyNames", "iam", "list-role-policies", "--role-name", "busy"))); n != clients+1 {
		t.Errorf("%d of %d policies are there", n, clients+1)
	}
	// Of each client's changes to one thing the last counts.
	last := "s3:Get" + fmt.Sprint(changes/clients-2)
	for client := range clients {
		p := must(f.iam.GetRolePolicy(t.Context(), &iam.GetRolePolicyInput{RoleName: new("busy"), PolicyName: new(fmt.Sprint("c", client))}))(t)
		document, err := url.QueryUnescape(*p.PolicyDocument)
		if err != nil || document != allow(last) {
			t.Errorf("policy c%d is %s, want %s: %v", client, document, allow(last), err)
		}
	}
}
