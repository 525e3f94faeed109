package organizations

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	api "github.com/vauban-cloud/vauban/awsapi/organizations"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/gateway"
)

// holder gives every access key to one caller.
type holder struct{ cloud.Caller }

func (h holder) Lookup(context.Context, string, string) (gateway.Credential, error) {
	return gateway.Credential{Secret: "secret", Caller: h.Caller}, nil
}

// TestSDK makes a tree of accounts with the real SDK, which must understand what
// it is answered, reasons of errors included.
func TestSDK(t *testing.T) {
	r := newRig(t)
	g, err := gateway.New(gateway.Config{
		Region: r.Place.Region, Endpoints: []gateway.Endpoint{{API: api.API(), Impl: r.Service}},
		Credentials: holder{cloud.CallerFrom(r.ctx)}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	c := sdk.New(sdk.Options{
		Region: r.Place.Region, BaseEndpoint: &server.URL, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("AKIDMANAGEMENT", "secret", ""),
	})
	ctx := t.Context()

	status := must(c.CreateAccount(ctx, &sdk.CreateAccountInput{AccountName: new("shop"), Email: new("shop@example.org")}))(t).CreateAccountStatus
	if status.State != types.CreateAccountStateInProgress || status.RequestedTimestamp.Unix() != r.Seconds.Load() {
		t.Errorf("status is %+v", status)
	}
	unit := must(c.CreateOrganizationalUnit(ctx, &sdk.CreateOrganizationalUnitInput{ParentId: &r.root, Name: new("team")}))(t).OrganizationalUnit
	must(c.MoveAccount(ctx, &sdk.MoveAccountInput{AccountId: status.AccountId, SourceParentId: &r.root, DestinationParentId: unit.Id}))(t)
	account := must(c.DescribeAccount(ctx, &sdk.DescribeAccountInput{AccountId: status.AccountId}))(t).Account
	if account.State != types.AccountStateActive || *account.Name != "shop" || account.JoinedTimestamp.Unix() != r.Seconds.Load() {
		t.Errorf("account is %+v", account)
	}
	_, err = c.DetachPolicy(ctx, &sdk.DetachPolicyInput{PolicyId: new(cloud.FullAccess), TargetId: unit.Id})
	var violation *types.ConstraintViolationException
	if !errors.As(err, &violation) || violation.Reason != types.ConstraintViolationExceptionReasonMinPolicyTypeAttachmentLimitExceeded {
		t.Errorf("detach the last policy: %v", err)
	}
	_, err = c.CreatePolicy(ctx, &sdk.CreatePolicyInput{Name: new("p"), Description: new(""), Content: new("{"), Type: types.PolicyTypeServiceControlPolicy})
	if e := (*types.MalformedPolicyDocumentException)(nil); !errors.As(err, &e) {
		t.Errorf("create a malformed policy: %v", err)
	}
	pages, n := sdk.NewListAccountsPaginator(c, &sdk.ListAccountsInput{MaxResults: new(int32(1))}), 0
	for pages.HasMorePages() {
		n += len(must(pages.NextPage(ctx))(t).Accounts)
	}
	if n != 4 {
		t.Errorf("%d accounts", n)
	}
}
