package iam

import (
	"errors"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/service/internal/principal"
	"github.com/vauban-cloud/vauban/store"
)

// maxTrust is how long a trust document may be, in characters.
const maxTrust = 2048

// checkTrust refuses what cannot be the trust document of a role.
func checkTrust(parameter, document string) error {
	if err := checkDocument(parameter, document, policy.TrustPolicy); err != nil {
		return err
	}
	if sizeOf(document) > maxTrust {
		return quota("ACLSizePerRole", maxTrust)
	}
	return nil
}

// bindTrust returns a trust document as it is kept: with the IDs of the users and
// roles that it trusts. Principals of this cloud must exist.
func (s *Service) bindTrust(r store.Reader, document string) (string, error) {
	bound, err := principal.Bind(s.Judge.Directory, r, document)
	if unknown, ok := errors.AsType[*principal.Unknown](err); ok {
		return "", cloud.Errorf("MalformedPolicyDocument", "%s", unknown.Error())
	}
	return bound, err
}

// shownTrust returns a trust document as it is shown.
func (s *Service) shownTrust(r store.Reader, document string) string {
	return principal.Show(s.Judge.Directory, r, document)
}
