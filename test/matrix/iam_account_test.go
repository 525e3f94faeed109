package matrix

import api "github.com/vauban-cloud/vauban/awsapi/iam"

// iamAccount are the operations on the account as a whole, and the simulations.
var iamAccount = table{
	"iam:CreateAccountAlias": func(*world) row {
		return row{
			in:     &api.CreateAccountAliasRequest{AccountAlias: new("alices")},
			theirs: &api.CreateAccountAliasRequest{AccountAlias: new("bobs")}, // aliases are unique in the cloud
		}
	},
	"iam:DeleteAccountAlias": func(w *world) row {
		w.alias()
		return row{in: &api.DeleteAccountAliasRequest{AccountAlias: new("alices")}, other: "NoSuchEntity"}
	},
	"iam:ListAccountAliases": func(w *world) row {
		w.alias()
		return row{in: &api.ListAccountAliasesRequest{}}
	},
	"iam:UpdateAccountPasswordPolicy": func(*world) row {
		return row{in: &api.UpdateAccountPasswordPolicyRequest{MinimumPasswordLength: new(int32(12))}}
	},
	"iam:GetAccountPasswordPolicy": func(w *world) row {
		w.passwords()
		return row{in: &api.GetAccountPasswordPolicyInput{}, other: "NoSuchEntity"}
	},
	"iam:DeleteAccountPasswordPolicy": func(w *world) row {
		w.passwords()
		return row{in: &api.DeleteAccountPasswordPolicyInput{}, other: "NoSuchEntity"}
	},
	"iam:GetAccountSummary": func(*world) row { return row{in: &api.GetAccountSummaryInput{}} },
	"iam:GetAccountAuthorizationDetails": func(w *world) row {
		w.carol()
		return row{in: &api.GetAccountAuthorizationDetailsRequest{}}
	},
	"iam:GenerateCredentialReport": func(*world) row { return row{in: &api.GenerateCredentialReportInput{}} },
	"iam:GetCredentialReport": func(w *world) row {
		made[*api.GenerateCredentialReportResponse](w, Alice, &api.GenerateCredentialReportInput{})
		return row{in: &api.GetCredentialReportInput{}, other: "ReportNotPresent"}
	},
	"iam:SimulateCustomPolicy": func(*world) row {
		return row{in: &api.SimulateCustomPolicyRequest{PolicyInputList: []string{document}, ActionNames: []string{"s3:GetObject"}}}
	},
	"iam:SimulatePrincipalPolicy": func(w *world) row {
		carol, _ := w.carol()
		return row{
			in:    &api.SimulatePrincipalPolicyRequest{PolicySourceArn: &carol, ActionNames: []string{"s3:GetObject"}},
			needs: []need{on(carol, blue, "blue")},
			other: "NoSuchEntity",
		}
	},
	"iam:GetContextKeysForCustomPolicy": func(*world) row {
		return row{in: &api.GetContextKeysForCustomPolicyRequest{PolicyInputList: []string{document}}}
	},
	"iam:GetContextKeysForPrincipalPolicy": func(w *world) row {
		carol, _ := w.carol()
		return row{
			in:    &api.GetContextKeysForPrincipalPolicyRequest{PolicySourceArn: &carol},
			needs: []need{on(carol, blue, "blue")},
			other: "NoSuchEntity",
		}
	},
}

func (w *world) alias() {
	w.Helper()
	made[*api.CreateAccountAliasOutput](w, Alice, &api.CreateAccountAliasRequest{AccountAlias: new("alices")})
}

func (w *world) passwords() {
	w.Helper()
	made[*api.UpdateAccountPasswordPolicyOutput](w, Alice, &api.UpdateAccountPasswordPolicyRequest{MinimumPasswordLength: new(int32(12))})
}
