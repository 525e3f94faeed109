package sts

import (
	"time"

	"github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
)

// issued are fresh credentials, and what answers tell of them.
type issued struct {
	credentials *sts.Credentials
	packed      *int32 // percent; nil: no policies and no tags
	size        *int32 // of the token, in characters
	utilization *int32 // percent of the longest token
}

// issue mints credentials for a session that lasts so many seconds. least is the
// MinimumSessionTokenSize of the request.
func (s *Service) issue(session cloud.Session, seconds int32, r restrictions, least *int32) (i issued, err error) {
	if i.packed, err = s.restrict(&session, r); err != nil {
		return i, err
	}
	session.Issued = s.Judge.Now().UTC().Truncate(time.Second)
	session.Expires = session.Issued.Add(time.Duration(seconds) * time.Second)
	session, token, err := s.Judge.Keys.MintLong(session, int(val(least)))
	if err != nil {
		return i, err
	}
	percent := (len(token)*100 + identity.MaxToken - 1) / identity.MaxToken
	if percent > 100 {
		return i, tooLarge(percent)
	}
	i.size, i.utilization = new(int32(len(token))), new(int32(percent))
	i.credentials = &sts.Credentials{
		AccessKeyId: &session.AccessKey, SecretAccessKey: &session.Secret, SessionToken: &token, Expiration: &session.Expires,
	}
	return i, nil
}
