package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/vauban-cloud/vauban/app"
)

// api is a small client of the cloud's EC2 API, for what a command does on the
// operator's behalf as a tenant.
type api struct{ app.Credentials }

const ec2Version = "2016-11-15"

// call makes one EC2 call and decodes the answer into out, an encoding/xml value.
func (a api) call(ctx context.Context, action string, params map[string]string, out any) error {
	form := url.Values{"Action": {action}, "Version": {ec2Version}}
	for k, v := range params {
		form.Set(k, v)
	}
	body := form.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.Endpoint+"/", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	hash := sha256.Sum256([]byte(body))
	cr := aws.Credentials{AccessKeyID: a.AccessKey, SecretAccessKey: a.Secret}
	if err := v4.NewSigner().SignHTTP(ctx, cr, req, hex.EncodeToString(hash[:]), "ec2", a.Region, time.Now()); err != nil {
		return fmt.Errorf("sign %s: %w", action, err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("call %s: %w", action, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("call %s: %w", action, err)
	}
	if res.StatusCode != http.StatusOK {
		var e struct {
			Code    string `xml:"Errors>Error>Code"`
			Message string `xml:"Errors>Error>Message"`
		}
		_ = xml.Unmarshal(b, &e) // an empty code says it all
		return &apiError{action, e.Code, e.Message}
	}
	if out == nil {
		return nil
	}
	if err := xml.Unmarshal(b, out); err != nil {
		return fmt.Errorf("read the answer to %s: %w", action, err)
	}
	return nil
}

// apiError is a refusal by the API.
type apiError struct{ action, code, message string }

func (e *apiError) Error() string { return e.action + ": " + e.code + ": " + e.message }
