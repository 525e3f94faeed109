package sigv4

import (
	"net/http"
	"strings"
	"time"
)

// ParseForm reads the claim of a form, whose fields are under their names in lower
// case; what is signed is the field policy. A form that carries no whole signature gives
// a *Failure:
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html
func ParseForm(fields map[string]string) (*Claim, error) {
	c := &Claim{Signature: fields["x-amz-signature"], Token: fields["x-amz-security-token"], Presigned: true}
	if fields["awsaccesskeyid"] != "" {
		return c, form("InvalidRequest", "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")
	}
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Signature"} {
		if fields[strings.ToLower(name)] == "" {
			return c, form("InvalidArgument", "Bucket POST must contain a field named '"+name+"'.  If it is specified, please check the order of the fields.")
		}
	}
	if err := c.setCredential(fields["x-amz-credential"]); err != nil {
		return c, err
	}
	if fields["x-amz-algorithm"] != Algorithm {
		return c, form("InvalidArgument", `X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"`)
	}
	t, err := time.Parse(timeFormat, fields["x-amz-date"])
	if err != nil {
		return c, form("InvalidArgument", `X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`)
	}
	c.Time = t
	return c, nil
}

// VerifyForm tests the signature of a form's policy, as it came, and its scope. How
// long it holds is said by the policy. A refusal is a *Failure.
func (v *Verifier) VerifyForm(c *Claim, s Scope, secret, policy string) error {
	if err := c.checkScopeS3(s); err != nil {
		return err
	}
	key := v.keys.get(keyID{secret: secret, date: c.Date, region: c.Region, service: c.Service})
	if !key.signed([]byte(policy), c.Signature) {
		return &Failure{Reason: Mismatch}
	}
	return nil
}

func form(code, text string) *Failure {
	return &Failure{Reason: Incomplete, Text: text, S3: Answer{code, text, http.StatusBadRequest}}
}
