package matrix

import api "github.com/vauban-cloud/vauban/awsapi/ec2"

// ec2Groups are the operations on security groups.
var ec2Groups = table{
	"ec2:CreateSecurityGroup": func(w *world) row {
		return row{
			in: &api.CreateSecurityGroupRequest{GroupName: new("web"), Description: new("web"), VpcId: &w.net.VPC.ID, TagSpecifications: tagSpec("security-group")},
			needs: []need{
				on(w.named("security-group/*"), "aws:RequestTag/team", "blue"),
				on(w.arn(w.net.VPC.ID), blue, "blue", "ec2:VpcID", w.net.VPC.ID),
				also("ec2:CreateTags", w.named("security-group/*"), "ec2:CreateAction", "CreateSecurityGroup"),
			},
			other: "InvalidVpcID.NotFound",
		}
	},
	"ec2:DeleteSecurityGroup": func(w *world) row {
		g := w.group()
		return w.groupRow(&api.DeleteSecurityGroupRequest{GroupId: &g}, g)
	},
	"ec2:AuthorizeSecurityGroupIngress": func(w *world) row {
		g := w.group()
		r := w.groupRow(&api.AuthorizeSecurityGroupIngressRequest{GroupId: &g, IpPermissions: ssh(), TagSpecifications: tagSpec("security-group-rule")}, g)
		r.needs = append(r.needs,
			on(w.named("security-group-rule/*"), "aws:RequestTag/team", "blue"),
			also("ec2:CreateTags", w.named("security-group-rule/*"), "ec2:CreateAction", "AuthorizeSecurityGroupIngress"))
		return r
	},
	"ec2:AuthorizeSecurityGroupEgress": func(w *world) row {
		g := w.group()
		return w.groupRow(&api.AuthorizeSecurityGroupEgressRequest{GroupId: &g, IpPermissions: ssh()}, g)
	},
	"ec2:RevokeSecurityGroupIngress": func(w *world) row {
		g := w.group()
		made[*api.AuthorizeSecurityGroupIngressResult](w, Alice, &api.AuthorizeSecurityGroupIngressRequest{GroupId: &g, IpPermissions: ssh()})
		return w.groupRow(&api.RevokeSecurityGroupIngressRequest{GroupId: &g, IpPermissions: ssh()}, g)
	},
	"ec2:RevokeSecurityGroupEgress": func(w *world) row {
		g := w.group()
		made[*api.AuthorizeSecurityGroupEgressResult](w, Alice, &api.AuthorizeSecurityGroupEgressRequest{GroupId: &g, IpPermissions: ssh()})
		return w.groupRow(&api.RevokeSecurityGroupEgressRequest{GroupId: &g, IpPermissions: ssh()}, g)
	},
	"ec2:UpdateSecurityGroupRuleDescriptionsIngress": func(w *world) row {
		g := w.group()
		made[*api.AuthorizeSecurityGroupIngressResult](w, Alice, &api.AuthorizeSecurityGroupIngressRequest{GroupId: &g, IpPermissions: ssh()})
		return w.groupRow(&api.UpdateSecurityGroupRuleDescriptionsIngressRequest{GroupId: &g, IpPermissions: ssh()}, g)
	},
	"ec2:UpdateSecurityGroupRuleDescriptionsEgress": func(w *world) row {
		g := w.group()
		made[*api.AuthorizeSecurityGroupEgressResult](w, Alice, &api.AuthorizeSecurityGroupEgressRequest{GroupId: &g, IpPermissions: ssh()})
		return w.groupRow(&api.UpdateSecurityGroupRuleDescriptionsEgressRequest{GroupId: &g, IpPermissions: ssh()}, g)
	},
}

// groupRow is the row of an operation on a security group.
func (w *world) groupRow(in any, id string) row {
	return row{
		in:    in,
		needs: []need{on(w.arn(id), blue, "blue", "ec2:Vpc", w.arn(w.net.VPC.ID), "ec2:SecurityGroupID", id)},
		other: "InvalidGroup.NotFound",
	}
}
