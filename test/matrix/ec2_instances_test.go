package matrix

import api "github.com/vauban-cloud/vauban/awsapi/ec2"

var ec2Instances = table{
	"ec2:RunInstances": func(w *world) row {
		w.keyPair()
		profile, role := w.profile("app")
		vpc, subnet := "ec2:Vpc", w.net.Subnets[0]
		return row{
			in: &api.RunInstancesRequest{
				ImageId: new(image), InstanceType: new("t3.nano"), MinCount: new(int32(1)), MaxCount: new(int32(1)),
				KeyName: new("key"), SubnetId: &subnet.ID, SecurityGroupIds: []string{w.net.Group.ID},
				BlockDeviceMappings: []api.BlockDeviceMapping{{DeviceName: new("/dev/xvda"), Ebs: &api.EbsBlockDevice{VolumeSize: new(int32(3)), VolumeType: new("gp3")}}},
				IamInstanceProfile:  &api.IamInstanceProfileSpecification{Name: new("app")},
				TagSpecifications:   tagSpec("instance"),
			},
			needs: []need{
				on(w.Place.ARN("ec2", "", "image/"+image), "ec2:ImageID", image, "ec2:Public", "true"),
				on(w.named("instance/*"), "ec2:InstanceType", "t3.nano", "aws:RequestTag/team", "blue", "ec2:InstanceProfile", profile),
				on(w.arn(subnet.ID), vpc, w.arn(w.net.VPC.ID), blue, "blue"),
				on(w.arn(w.net.Group.ID), vpc, w.arn(w.net.VPC.ID), blue, "blue"),
				on(w.named("key-pair/key"), "ec2:KeyPairType", "ed25519", blue, "blue"),
				on(w.named("volume/*"), "ec2:VolumeSize", "3", "ec2:VolumeType", "gp3"),
				on(w.named("network-interface/*"), vpc, w.arn(w.net.VPC.ID), "ec2:Subnet", w.arn(subnet.ID)),
				also("ec2:CreateTags", w.named("instance/*"), "ec2:CreateAction", "RunInstances", "aws:RequestTag/team", "blue"),
				also("iam:PassRole", role, "iam:PassedToService", "ec2.amazonaws.com", blue, "blue"),
			},
			other: "InvalidKeyPair.NotFound",
		}
	},
	"ec2:StartInstances": func(w *world) row {
		i := w.stopped()
		return w.power(&api.StartInstancesRequest{InstanceIds: []string{i}}, i)
	},
	"ec2:StopInstances": func(w *world) row {
		i, j := w.instance(), w.instance()
		return w.power(&api.StopInstancesRequest{InstanceIds: []string{i, j}}, i, j)
	},
	"ec2:RebootInstances": func(w *world) row {
		i := w.instance()
		return w.power(&api.RebootInstancesRequest{InstanceIds: []string{i}}, i)
	},
	"ec2:TerminateInstances": func(w *world) row {
		i := w.instance()
		return w.power(&api.TerminateInstancesRequest{InstanceIds: []string{i}}, i)
	},
	"ec2:ModifyInstanceAttribute": func(w *world) row {
		i, g := w.instance(), w.group()
		return row{
			in:    &api.ModifyInstanceAttributeRequest{InstanceId: &i, Groups: []string{g}},
			needs: []need{on(w.arn(i), blue, "blue", "ec2:Attribute", "GroupSet"), on(w.arn(g), blue, "blue")},
			other: "InvalidInstanceID.NotFound",
		}
	},
	"ec2:ModifyInstanceMetadataOptions": func(w *world) row {
		i := w.instance()
		return row{
			in:    &api.ModifyInstanceMetadataOptionsRequest{InstanceId: &i, HttpTokens: new("required")},
			needs: []need{on(w.arn(i), blue, "blue", "ec2:Attribute/HttpTokens", "required")},
			other: "InvalidInstanceID.NotFound",
		}
	},
	"ec2:AssociateIamInstanceProfile": func(w *world) row {
		i := w.instance()
		profile, role := w.profile("app")
		return row{
			in: &api.AssociateIamInstanceProfileRequest{InstanceId: &i, IamInstanceProfile: &api.IamInstanceProfileSpecification{Name: new("app")}},
			needs: []need{
				on(w.arn(i), blue, "blue", "ec2:NewInstanceProfile", profile),
				also("iam:PassRole", role, "iam:PassedToService", "ec2.amazonaws.com", "iam:AssociatedResourceArn", w.arn(i)),
			},
			other: "InvalidParameterValue", // of a profile that is not there
		}
	},
	"ec2:ReplaceIamInstanceProfileAssociation": func(w *world) row {
		i, association := w.associated()
		profile, role := w.profile("other")
		return row{
			in: &api.ReplaceIamInstanceProfileAssociationRequest{
				AssociationId: &association, IamInstanceProfile: &api.IamInstanceProfileSpecification{Arn: &profile},
			},
			needs: []need{
				on(w.arn(i), blue, "blue", "ec2:NewInstanceProfile", profile),
				also("iam:PassRole", role, "iam:PassedToService", "ec2.amazonaws.com", "iam:AssociatedResourceArn", w.arn(i)),
			},
			other: "InvalidParameterValue",
		}
	},
	"ec2:DisassociateIamInstanceProfile": func(w *world) row {
		i, association := w.associated()
		return row{
			in:    &api.DisassociateIamInstanceProfileRequest{AssociationId: &association},
			needs: []need{on(w.arn(i), blue, "blue")},
			other: "InvalidAssociationID.NotFound",
		}
	},
}

// power is the row of an operation on instances.
func (w *world) power(in any, ids ...string) row {
	r := row{in: in, other: "InvalidInstanceID.NotFound"}
	for _, id := range ids {
		r.needs = append(r.needs, on(w.arn(id), blue, "blue", "ec2:InstanceType", "t3.nano"))
	}
	return r
}
