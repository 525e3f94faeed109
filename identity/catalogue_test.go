package identity_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/identity/identitytest"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

func TestCatalogue(t *testing.T) {
	id := regexp.MustCompile(`^ANPA[A-Z2-7]{17}$`)
	seen := map[string]string{}
	all := identity.Catalogue().All()
	for _, m := range all {
		if !id.MatchString(m.ID) {
			t.Errorf("%s: ID is %q", m.Name, m.ID)
		}
		if other := seen[m.ID]; other != "" {
			t.Errorf("%s and %s have the same ID", m.Name, other)
		}
		seen[m.ID] = m.Name
		if !slices.Contains([]string{"/", "/service-role/", "/job-function/", "/aws-service-role/"}, m.Path) {
			t.Errorf("%s: path is %q", m.Name, m.Path)
		}
		if n := utf8.RuneCountInString(m.Document); n > 6144 {
			t.Errorf("%s: document has %d characters, more than a managed policy may", m.Name, n)
		}
		d, err := policy.Parse(m.Document, policy.IdentityPolicy)
		if err != nil {
			t.Errorf("%s: %v", m.Name, err)
			continue
		}
		if d.Version() != "2012-10-17" {
			t.Errorf("%s: version is %s, which knows no variables", m.Name, d.Version())
		}
		if m.Description == "" || m.Created.IsZero() {
			t.Errorf("%s: description %q, created %s", m.Name, m.Description, m.Created)
		}
		if found, ok := identity.Catalogue().Find(m.ARN()); !ok || found.ID != m.ID || !strings.HasSuffix(m.ARN(), ":policy"+m.Path+m.Name) {
			t.Errorf("%s: ARN %s finds %+v", m.Name, m.ARN(), found)
		}
	}
	if len(all) < 40 {
		t.Errorf("only %d policies", len(all))
	}
}

// What the names promise, and what they do not.
func TestCatalogueKeepsItsPromises(t *testing.T) {
	c := identitytest.New(t)
	var (
		users  store.Table[cloud.User]
		bearer = cloud.User{Meta: cloud.Meta{ID: identity.NewID(identity.UserPrefix), Account: identitytest.Alice}, Name: "bearer", Path: "/"}
		arn    = "arn:aws:iam::" + identitytest.Alice + ":user/bearer"
	)
	c.Update(func(tx *store.Tx) error {
		if err := tx.Claim(cloud.UserNames(bearer.Account), bearer.Name, bearer.ID); err != nil {
			return err
		}
		return users.Create(tx, bearer)
	})
	for _, p := range []struct{ policy, yes, no string }{
		{"AdministratorAccess", "iam:CreateUser ec2:RunInstances organizations:CreateAccount", ""},
		{"AWSDenyAll", "", "iam:GetUser ec2:DescribeInstances"},
		{"PowerUserAccess", "ec2:RunInstances s3:PutObject kms:Decrypt iam:ListRoles", "iam:CreateUser iam:PassRole organizations:CreateAccount"},
		{"ReadOnlyAccess", "ec2:DescribeInstances iam:GetUser s3:GetObject logs:FilterLogEvents organizations:ListAccounts", "ec2:RunInstances iam:CreateAccessKey s3:PutObject kms:Decrypt sts:AssumeRole"},
		{"job-function/ViewOnlyAccess", "ec2:DescribeInstances iam:ListUsers s3:ListAllMyBuckets", "s3:GetObject logs:GetLogEvents iam:CreateUser ec2:GetPasswordData"},
		{"SecurityAudit", "iam:GetRole s3:GetBucketPolicy kms:GetKeyPolicy", "s3:GetObject logs:GetLogEvents kms:Decrypt ec2:StopInstances"},
		{"IAMFullAccess", "iam:CreateUser iam:PassRole", "ec2:RunInstances organizations:CreateAccount"},
		{"IAMReadOnlyAccess", "iam:GetUser iam:ListRoles iam:SimulatePrincipalPolicy", "iam:CreateAccessKey iam:TagUser"},
		{"AmazonEC2FullAccess", "ec2:RunInstances elasticloadbalancing:CreateLoadBalancer", "iam:PassRole iam:CreateRole s3:GetObject"},
		{"AmazonEC2ReadOnlyAccess", "ec2:DescribeInstances", "ec2:RunInstances ec2:GetPasswordData"},
		{"AmazonVPCFullAccess", "ec2:CreateVpc ec2:AuthorizeSecurityGroupIngress ec2:ReplaceRoute", "ec2:RunInstances ec2:DeleteVolume"},
		{"AmazonVPCReadOnlyAccess", "ec2:DescribeVpcs ec2:DescribeSecurityGroupRules", "ec2:CreateVpc ec2:DescribeInstances"},
		{"AmazonS3FullAccess", "s3:PutObject s3:DeleteBucket", "ec2:DescribeInstances"},
		{"AmazonS3ReadOnlyAccess", "s3:GetObject s3:ListBucket", "s3:PutObject s3:DeleteObject"},
		{"AWSKeyManagementServicePowerUser", "kms:CreateKey kms:DescribeKey", "kms:Decrypt kms:ScheduleKeyDeletion kms:PutKeyPolicy"},
		{"CloudWatchReadOnlyAccess", "cloudwatch:GetMetricData logs:GetLogEvents", "cloudwatch:PutMetricData logs:PutLogEvents"},
		{"CloudWatchAgentServerPolicy", "cloudwatch:PutMetricData logs:PutLogEvents", "logs:GetLogEvents"},
		{"AWSCloudTrail_ReadOnlyAccess", "cloudtrail:LookupEvents", "cloudtrail:StopLogging"},
		{"ElasticLoadBalancingReadOnly", "elasticloadbalancing:DescribeLoadBalancers", "elasticloadbalancing:DeleteLoadBalancer"},
		{"AWSOrganizationsReadOnlyAccess", "organizations:ListAccounts", "organizations:CreateAccount"},
		{"job-function/Billing", "ce:GetCostAndUsage budgets:ModifyBudget", "ec2:DescribeInstances"},
		{"job-function/NetworkAdministrator", "ec2:CreateVpc route53:CreateHostedZone", "ec2:RunInstances iam:PassRole"},
		{"job-function/SystemAdministrator", "ec2:RunInstances ec2:CreateVolume", "iam:CreateRole iam:PassRole"},
		{"job-function/SupportUser", "ec2:DescribeInstances ec2:GetConsoleOutput", "ec2:RebootInstances s3:GetObject"},
		{"IAMUserChangePassword", "iam:ChangePassword", "iam:CreateAccessKey"},
	} {
		managed := "arn:aws:iam::aws:policy/" + p.policy
		c.Update(func(tx *store.Tx) error {
			return users.Modify(tx, bearer.ID, func(u *cloud.User) error {
				u.Attached = []string{managed}
				return nil
			})
		})
		ctx := c.As(arn)
		may := func(action string) bool {
			resource := "*"
			if action == "iam:ChangePassword" {
				resource = arn
			}
			err := c.Authorize(ctx, policy.Request{Caller: cloud.CallerFrom(ctx), Action: action, Resources: []policy.Resource{{ARN: resource}}})
			return err == nil
		}
		for action := range strings.FieldsSeq(p.yes) {
			if !may(action) {
				t.Errorf("%s does not allow %s", p.policy, action)
			}
		}
		for action := range strings.FieldsSeq(p.no) {
			if may(action) {
				t.Errorf("%s allows %s", p.policy, action)
			}
		}
	}
}
