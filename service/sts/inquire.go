package sts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/seal"
)

// GetAccessKeyInfo returns the account that an access key ID belongs to, whoever
// asks, since that is what it is for: to find out whose a leaked key is. The ID of
// a session's key carries the account; no list of sessions exists.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetAccessKeyInfo.html
func (s *Service) GetAccessKeyInfo(ctx context.Context, in *sts.GetAccessKeyInfoRequest) (*sts.GetAccessKeyInfoResponse, error) {
	if err := s.allow(ctx, "GetAccessKeyInfo"); err != nil {
		return nil, err
	}
	var f form
	f.required("accessKeyId", in.AccessKeyId, 16, 128, keyIDPattern)
	if err := f.err(); err != nil {
		return nil, err
	}
	view := s.Judge.DB.View()
	if key, ok := accessKeyTable.Get(view, *in.AccessKeyId); ok {
		return &sts.GetAccessKeyInfoResponse{Account: &key.Account}, nil
	}
	if account, ok := identity.SessionAccount(*in.AccessKeyId); ok {
		if _, ok := accountTable.Get(view, account); ok {
			return &sts.GetAccessKeyInfoResponse{Account: &account}, nil
		}
	}
	return nil, cloud.Errorf("ValidationError", "There is no access key %s in this cloud", quote(*in.AccessKeyId))
}

// maxMessage is the longest encoded message, in characters.
const maxMessage = 10240

// DecodeAuthorizationMessage opens the encoded message of a refusal that callers
// of the same account were given:
// https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html
func (s *Service) DecodeAuthorizationMessage(ctx context.Context, in *sts.DecodeAuthorizationMessageRequest) (*sts.DecodeAuthorizationMessageResponse, error) {
	if err := s.allow(ctx, "DecodeAuthorizationMessage"); err != nil {
		return nil, err
	}
	var f form
	f.required("encodedMessage", in.EncodedMessage, 1, maxMessage, nil)
	if err := f.err(); err != nil {
		return nil, err
	}
	m, err := s.Judge.Decode(cloud.CallerFrom(ctx).Account, *in.EncodedMessage)
	if errors.Is(err, seal.ErrSealed) {
		return nil, cloud.Errorf("InvalidAuthorizationMessageException", "Message is not valid: pass it whole, as an account's own caller got it")
	}
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write decoded message: %w", err)
	}
	return &sts.DecodeAuthorizationMessageResponse{DecodedMessage: new(string(text))}, nil
}

// allow asks for an action that is about nothing in particular.
func (s *Service) allow(ctx context.Context, action string) error {
	caller := cloud.CallerFrom(ctx)
	if caller.Account == "" {
		return unsigned()
	}
	return s.Authz.Authorize(ctx, policy.Request{Caller: caller, Action: "sts:" + action})
}
