package policy_test

import (
	"context"
	"errors"
	"testing"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
)

func TestAccountRule(t *testing.T) {
	root := cloud.Caller{Account: "000000000001", ARN: "arn:aws:iam::000000000001:root"}
	own := "arn:aws:ec2:eu-paris-1:000000000001:instance/i-0123456789abcdef0"
	other := "arn:aws:ec2:eu-paris-1:000000000002:instance/i-0123456789abcdef0"
	public := "arn:aws:ec2:eu-paris-1::image/ami-0123456789abcdef0"
	tests := map[string]struct {
		caller    cloud.Caller
		action    string
		resources []string
		code      string // empty: allowed
		status    int
	}{
		"no resource":          {root, "ec2:DescribeInstances", nil, "", 0},
		"every resource":       {root, "ec2:DescribeInstances", []string{"*"}, "", 0},
		"own":                  {root, "ec2:StopInstances", []string{own}, "", 0},
		"nobody's":             {root, "ec2:RunInstances", []string{public, own}, "", 0},
		"another's":            {root, "ec2:StopInstances", []string{other}, "UnauthorizedOperation", 403},
		"own and another's":    {root, "ec2:StopInstances", []string{own, other}, "UnauthorizedOperation", 403},
		"another's key":        {root, "kms:Decrypt", []string{"arn:aws:kms:eu-paris-1:000000000002:key/k"}, "AccessDeniedException", 400},
		"another's user":       {root, "iam:GetUser", []string{"arn:aws:iam::000000000002:user/u"}, "AccessDenied", 403},
		"colons in a resource": {root, "logs:GetLogEvents", []string{"arn:aws:logs:eu-paris-1:000000000001:log-group:a:000000000002:b"}, "", 0},
		"longer account":       {root, "iam:GetUser", []string{"arn:aws:iam::0000000000012:user/u"}, "AccessDenied", 403},
		"not an ARN":           {root, "ec2:StopInstances", []string{"i-0123456789abcdef0"}, "UnauthorizedOperation", 403},
		"half an ARN":          {root, "ec2:StopInstances", []string{"arn:aws:ec2:eu-paris-1:000000000001"}, "UnauthorizedOperation", 403},
		"empty":                {root, "ec2:StopInstances", []string{""}, "UnauthorizedOperation", 403},
		"anonymous":            {cloud.Caller{}, "sts:GetCallerIdentity", nil, "AccessDenied", 403},
		"anonymous, nobody's":  {cloud.Caller{}, "ec2:RunInstances", []string{public}, "UnauthorizedOperation", 403},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := policy.AccountRule{}.Authorize(context.Background(), policy.Request{Caller: test.caller, Action: test.action, Resources: test.resources})
			if test.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var e *cloud.Error
			if !errors.As(err, &e) || e.Code != test.code || e.HTTPStatus() != test.status {
				t.Fatalf("%v, want %s with status %d", err, test.code, test.status)
			}
		})
	}
}
