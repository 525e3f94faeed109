package matrix

import api "github.com/vauban-cloud/vauban/awsapi/sts"

var stsRows = table{
	"sts:GetCallerIdentity": func(*world) row {
		return row{in: &api.GetCallerIdentityRequest{}, open: "who signs may always ask who they are"}
	},
}
