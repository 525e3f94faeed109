package identity

import (
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/seal"
	"github.com/vauban-cloud/vauban/store"
)

// denied says no in the words of the action's service:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
func (j *Judge) denied(view store.Reader, r policy.Request, about policy.Resource, p policy.Policies, q policy.Query, d policy.Decision) error {
	who := r.Caller.ARN
	if who == "" {
		who = "anonymous"
	}
	text := "User: " + who + " is not authorized to perform: " + r.Action + " on resource: " + about.ARN + " " + d.Because(r.Action)
	service := asker(r)
	if service == "sts" && about.Policy.Required {
		// To say why would tell of a role that may be another account's, or not
		// even exist: all refusals to assume one are the same.
		text = "User: " + who + " is not authorized to perform: " + r.Action + " on resource: " + about.ARN
		if r.Caller.Account == "" {
			text = "Not authorized to perform " + r.Action
		}
	}
	switch service {
	case "ec2":
		message, err := j.encode(view, r, about, p.Explain(&q))
		if err != nil {
			return err
		}
		return &cloud.Error{
			Code: "UnauthorizedOperation", Status: http.StatusForbidden,
			Message: "You are not authorized to perform this operation. " + text + ". Encoded authorization failure message: " + message,
		}
	case "kms", "logs", "cloudtrail", "organizations":
		return &cloud.Error{Code: "AccessDeniedException", Message: text, Status: http.StatusBadRequest}
	case "ebs":
		return &cloud.Error{Code: "AccessDeniedException", Message: text, Status: http.StatusForbidden, Reason: "UNAUTHORIZED_ACCOUNT"}
	case "dlm", "rbin":
		return &cloud.Error{Code: "AccessDeniedException", Message: text, Status: http.StatusForbidden}
	default:
		return &cloud.Error{Code: "AccessDenied", Message: text, Status: http.StatusForbidden}
	}
}

// asker is the service that puts the question. It is the action's, but that a
// role is passed to a service by a request to that service, which says so in the
// keys of the request. (IAM, which asks on behalf of another, says it of the role.)
func asker(r policy.Request) string {
	if r.Service != "" {
		return r.Service
	}
	if to := r.Keys["iam:PassedToService"]; r.Action == "iam:PassRole" && len(to) == 1 {
		if to[0] == VMIE { // which EC2's operations ask for
			return "ec2"
		}
		service, _, _ := strings.Cut(to[0], ".")
		return service
	}
	service, _, _ := strings.Cut(r.Action, ":")
	return service
}

// Message is what an encoded authorization message says, in the form that
// DecodeAuthorizationMessage gives it, and the whole trace beside it:
// https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html
type Message struct {
	Allowed           bool               `json:"allowed"`
	ExplicitDeny      bool               `json:"explicitDeny"`
	MatchedStatements Items              `json:"matchedStatements"`
	Context           MessageContext     `json:"context"`
	Trace             policy.Explanation `json:"trace"`
}

// Items is a list as the message writes it.
type Items struct {
	Items []any `json:"items"`
}

// MessageContext is the request that was denied.
type MessageContext struct {
	Principal struct {
		ID  string `json:"id"`
		ARN string `json:"arn"`
	} `json:"principal"`
	Action     string `json:"action"`
	Resource   string `json:"resource"`
	Conditions Items  `json:"conditions"`
}

// messageOwner is what messages for an account are sealed for: nobody else may
// decode them.
func messageOwner(account string) string { return "message/" + account }

// encode seals the explanation of a refusal for the caller's account.
func (j *Judge) encode(view store.Reader, r policy.Request, about policy.Resource, e policy.Explanation) (string, error) {
	m := Message{Allowed: e.Decision.Allowed, ExplicitDeny: e.Decision.Explicit, Trace: e}
	m.MatchedStatements.Items = []any{}
	if d := e.Decision; d.Explicit {
		m.MatchedStatements.Items = append(m.MatchedStatements.Items, map[string]any{
			"statementId": d.Sid, "effect": "DENY", "policy": d.Policy, "index": d.Statement,
		})
	}
	m.Context.Principal.ID, m.Context.Principal.ARN = r.Caller.UserID, r.Caller.ARN
	m.Context.Action, m.Context.Resource = r.Action, about.ARN
	m.Context.Conditions.Items = j.conditions(view, r, about)
	packed, err := pack(m)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(j.Keys.Messages.Seal(messageOwner(r.Caller.Account), packed)), nil
}

// conditions lists the condition keys that the request had, as far as a tenant
// would want to know them.
func (j *Judge) conditions(view store.Reader, r policy.Request, about policy.Resource) []any {
	items := []any{}
	add := func(name string, values []string) {
		list := make([]any, len(values))
		for i, v := range values {
			list[i] = map[string]string{"value": v}
		}
		items = append(items, map[string]any{"key": name, "values": Items{list}})
	}
	for _, m := range []map[string][]string{about.Keys, r.Keys} {
		for _, name := range sortedKeys(m) {
			add(name, m[name])
		}
	}
	k := keys{j, view, &r, &about}
	for _, name := range []string{"aws:PrincipalArn", "aws:SourceIp", "aws:CurrentTime", "aws:RequestedRegion", "aws:MultiFactorAuthPresent"} {
		if values, ok := k.values(strings.ToLower(name)); ok {
			add(name, values)
		}
	}
	for _, name := range sortedKeys(about.Tags) {
		add("aws:ResourceTag/"+name, []string{about.Tags[name]})
	}
	return items
}

// Decode opens an encoded authorization message for a caller of the account that
// it was made for; any other gets seal.ErrSealed.
func (j *Judge) Decode(account, encoded string) (Message, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") { // which the decoder skips
		return Message{}, seal.ErrSealed
	}
	packed, err := j.Keys.Messages.Open(messageOwner(account), raw)
	if err != nil {
		return Message{}, err
	}
	return unpack[Message](packed)
}
