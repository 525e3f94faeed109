package iam

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
)

// maxDocument is how long the text of a policy may be, in characters, white
// space and all; what it means is bounded by the quotas of each kind of policy.
const maxDocument = 131072

const documentPattern = `[\u0009\u000A\u000D\u0020-\u00FF]+`

// checkDocument refuses a text that is no policy of the kind, and says where the
// fault is.
func checkDocument(parameter, text string, kind policy.Kind) error {
	if err := checkLength(parameter, text, 1, maxDocument); err != nil {
		return err
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r > 'ÿ' || r < ' ' && r != '\t' && r != '\n' && r != '\r' }) {
		return constraint(parameter, text, "%s", mustMatch(documentPattern))
	}
	if _, err := policy.Parse(text, kind); err != nil {
		return malformed(err)
	}
	return nil
}

// malformed is the error for a document that is no policy.
func malformed(err error) error {
	return &cloud.Error{Code: "MalformedPolicyDocument", Message: "Syntax error in policy: " + err.Error()}
}

// sizeOf is how much of a quota a document takes: characters without the white
// space between its elements.
func sizeOf(document string) int {
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(document)); err != nil {
		return utf8.RuneCountInString(document) // no document that was checked
	}
	return utf8.RuneCount(b.Bytes())
}

// encoded is a document as answers carry it: percent-encoded after RFC 3986.
func encoded(document string) *string {
	return new(strings.ReplaceAll(url.QueryEscape(document), "+", "%20"))
}
