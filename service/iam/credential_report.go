package iam

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"net/http"
	"slices"
	"strconv"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/store"
)

// reportAge is how long a credential report is good.
const reportAge = 4 * time.Hour

// What a report says where it has no value.
const (
	notSupported  = "not_supported"  // of what a root cannot have
	noInformation = "no_information" // of what never happened
)

// reportColumns are the columns of a report, as in
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html
var reportColumns = []string{
	"user", "arn", "user_creation_time",
	"password_enabled", "password_last_used", "password_last_changed", "password_next_rotation", "mfa_active",
	"access_key_1_active", "access_key_1_last_rotated", "access_key_1_last_used_date", "access_key_1_last_used_region", "access_key_1_last_used_service",
	"access_key_2_active", "access_key_2_last_rotated", "access_key_2_last_used_date", "access_key_2_last_used_region", "access_key_2_last_used_service",
	"cert_1_active", "cert_1_last_rotated", "cert_2_active", "cert_2_last_rotated",
}

// GenerateCredentialReport writes a report of all credentials of the account,
// unless there is one that is still good.
func (s *Service) GenerateCredentialReport(ctx context.Context, _ *api.GenerateCredentialReportInput) (*api.GenerateCredentialReportResponse, error) {
	c, err := s.allow(ctx, "GenerateCredentialReport", nil)
	if err != nil {
		return nil, err
	}
	out := &api.GenerateCredentialReportResponse{State: new(api.ReportStateTypeCOMPLETE)}
	now := s.Judge.Now().UTC()
	if old, ok := reportTable.Get(s.db().View(), c.Account); ok && !expired(old, now) {
		return out, nil
	}
	content, err := s.report(s.db().View(), c.Account)
	if err != nil {
		return nil, err
	}
	r := cloud.CredentialReport{Account: c.Account, Generated: now, Content: content}
	if err := s.db().Update(ctx, func(tx *store.Tx) error { return reportTable.Put(tx, r) }); err != nil {
		return nil, err
	}
	out.Description = new("A new report was generated.")
	return out, nil
}

func expired(r cloud.CredentialReport, now time.Time) bool { return now.Sub(r.Generated) >= reportAge }

// GetCredentialReport returns the report that was generated last.
func (s *Service) GetCredentialReport(ctx context.Context, _ *api.GetCredentialReportInput) (*api.GetCredentialReportResponse, error) {
	c, err := s.allow(ctx, "GetCredentialReport", nil)
	if err != nil {
		return nil, err
	}
	r, ok := reportTable.Get(s.db().View(), c.Account)
	switch {
	case !ok:
		return nil, &cloud.Error{Code: "ReportNotPresent", Message: "No report exists. Generate one with GenerateCredentialReport.", Status: http.StatusGone}
	case expired(r, s.Judge.Now()):
		return nil, &cloud.Error{Code: "ReportExpired", Message: "The report has expired. Generate another with GenerateCredentialReport.", Status: http.StatusGone}
	}
	return &api.GetCredentialReportResponse{Content: r.Content, GeneratedTime: &r.Generated, ReportFormat: new(api.ReportFormatTypeTextCsv)}, nil
}

// report writes the credentials of the root and of every user, by name.
func (s *Service) report(view store.Reader, id string) ([]byte, error) {
	account, _ := accountTable.Get(view, id)
	rows := [][]string{reportColumns, slices.Concat(
		[]string{rootName, s.arn(id, "root"), reportTime(account.Created), notSupported, lastUsed(view, id), notSupported, notSupported},
		credentialRow(view, id, "", identity.RootUser),
	)}
	all := slices.Collect(userTable.Select(view, cloud.AccountLabel(id)))
	slices.SortFunc(all, func(a, b cloud.User) int { return cmp.Compare(byUserName(a), byUserName(b)) })
	for _, u := range all {
		rows = append(rows, slices.Concat(
			[]string{u.Name, s.arn(id, u.Resource()), reportTime(u.Created)},
			passwordRow(view, account, u), credentialRow(view, id, u.ID, u.ID),
		))
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	err := w.WriteAll(rows)
	return b.Bytes(), err
}

// passwordRow is what a report says of a user's password.
func passwordRow(view store.Reader, account cloud.Account, u cloud.User) []string {
	p, ok := loginTable.Get(view, u.ID)
	if !ok {
		return []string{"false", never, never, never}
	}
	next := never
	if at, ok := expires(account, p); ok {
		next = reportTime(at)
	}
	return []string{"true", lastUsed(view, u.ID), reportTime(p.Changed), next}
}

// credentialRow is what a report says of MFA devices, access keys, and certificates,
// of which there are none. keys is the ID that access keys name, empty for a root.
func credentialRow(view store.Reader, account, keys, devices string) []string {
	row := []string{strconv.FormatBool(len(devicesOf(view, account, devices)) > 0)}
	all := keysOf(view, keyOwner{account: account, id: keys})
	slices.SortFunc(all, func(a, b cloud.AccessKey) int { return a.Created.Compare(b.Created) })
	for i := range maxKeys {
		if i >= len(all) {
			row = append(row, "false", never, never, never, never)
			continue
		}
		k := all[i]
		row = append(row, strconv.FormatBool(!k.Disabled), reportTime(k.Created))
		if use, ok := lastUseTable.Get(view, k.ID); ok {
			row = append(row, reportTime(use.When), cmp.Or(use.Region, never), cmp.Or(use.Service, never))
		} else {
			row = append(row, never, never, never)
		}
	}
	return append(row, "false", never, "false", never)
}

// lastUsed is when a password was last used, by the ID of whose it is.
func lastUsed(view store.Reader, id string) string {
	if use, ok := lastUseTable.Get(view, id); ok {
		return reportTime(use.When)
	}
	return noInformation
}

// reportTime writes a time as reports do.
func reportTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05+00:00") }
