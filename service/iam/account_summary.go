package iam

import (
	"context"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/store"
)

// GetAccountSummary counts what the account has, and tells how much of it it may
// have.
func (s *Service) GetAccountSummary(ctx context.Context, _ *api.GetAccountSummaryInput) (*api.GetAccountSummaryResponse, error) {
	c, err := s.allow(ctx, "GetAccountSummary", nil)
	if err != nil {
		return nil, err
	}
	view := s.db().View()
	summary := map[string]int32{
		api.SummaryKeyTypeUsers:                         countOf(view, userTable, c.Account),
		api.SummaryKeyTypeUsersQuota:                    int32(users.most), //nolint:gosec // a small number, as all quotas
		api.SummaryKeyTypeGroups:                        countOf(view, groupTable, c.Account),
		api.SummaryKeyTypeGroupsQuota:                   int32(groups.most), //nolint:gosec // as above
		api.SummaryKeyTypeRoles:                         countOf(view, roleTable, c.Account),
		api.SummaryKeyTypeRolesQuota:                    int32(roles.most), //nolint:gosec // as above
		api.SummaryKeyTypeInstanceProfiles:              countOf(view, profileTable, c.Account),
		api.SummaryKeyTypeInstanceProfilesQuota:         int32(profiles.most), //nolint:gosec // as above
		api.SummaryKeyTypeServerCertificates:            countOf(view, serverCertificates.table, c.Account),
		api.SummaryKeyTypeServerCertificatesQuota:       int32(serverCertificates.most), //nolint:gosec // as above
		api.SummaryKeyTypeProviders:                     countOf(view, oidcProviders.table, c.Account) + countOf(view, samlProviders.table, c.Account),
		api.SummaryKeyTypePolicies:                      countOf(view, policyTable, c.Account),
		api.SummaryKeyTypePoliciesQuota:                 maxPolicies,
		api.SummaryKeyTypePolicySizeQuota:               maxPolicySize,
		api.SummaryKeyTypeVersionsPerPolicyQuota:        maxVersions,
		api.SummaryKeyTypePolicyVersionsInUseQuota:      10000,
		api.SummaryKeyTypeGroupsPerUserQuota:            maxGroups,
		api.SummaryKeyTypeAccessKeysPerUserQuota:        maxKeys,
		api.SummaryKeyTypeAttachedPoliciesPerUserQuota:  maxAttached,
		api.SummaryKeyTypeAttachedPoliciesPerGroupQuota: maxAttached,
		api.SummaryKeyTypeAttachedPoliciesPerRoleQuota:  maxAttached,
		api.SummaryKeyTypeUserPolicySizeQuota:           int32(users.inline),  //nolint:gosec // as above
		api.SummaryKeyTypeGroupPolicySizeQuota:          int32(groups.inline), //nolint:gosec // as above
		api.SummaryKeyTypeRolePolicySizeQuota:           int32(roles.inline),  //nolint:gosec // as above
		api.SummaryKeyTypeAssumeRolePolicySizeQuota:     maxTrust,
		api.SummaryKeyTypeGlobalEndpointTokenVersion:    2, // tokens are good in every region
		api.SummaryKeyTypePolicyVersionsInUse:           0, // counted below, as devices
		api.SummaryKeyTypeMFADevices:                    0,
		api.SummaryKeyTypeMFADevicesInUse:               0,
		// There are no signing certificates, and roots have no passwords.
		api.SummaryKeyTypeSigningCertificatesPerUserQuota:   0,
		api.SummaryKeyTypeAccountSigningCertificatesPresent: 0,
		api.SummaryKeyTypeAccountPasswordPresent:            0,
	}
	for p := range policyTable.Select(view, cloud.AccountLabel(c.Account)) {
		summary[api.SummaryKeyTypePolicyVersionsInUse] += int32(len(p.Versions)) //nolint:gosec // at most maxVersions
	}
	for _, d := range devices.all(s, c.Account) {
		summary[api.SummaryKeyTypeMFADevices]++
		if d.User != "" {
			summary[api.SummaryKeyTypeMFADevicesInUse]++
		}
	}
	summary[api.SummaryKeyTypeAccountMFAEnabled] = present(len(devicesOf(view, c.Account, identity.RootUser)))
	summary[api.SummaryKeyTypeAccountAccessKeysPresent] = present(len(keysOf(view, keyOwner{account: c.Account})))
	return &api.GetAccountSummaryResponse{SummaryMap: summary}, nil
}

// countOf counts the documents of an account.
func countOf[T store.Document](r store.Reader, table store.Table[T], account string) int32 {
	return int32(table.Count(r, cloud.AccountLabel(account))) //nolint:gosec // quotas bound it
}

// present is 1 if there is any, else 0.
func present(n int) int32 { return int32(min(n, 1)) } //nolint:gosec // 0 or 1
