package matrix

import api "github.com/vauban-cloud/vauban/awsapi/ec2"

// ec2Resources are the operations on volumes, addresses, key pairs and tags.
var ec2Resources = table{
	"ec2:CreateVolume": func(w *world) row {
		zone := w.net.Subnets[0].Zone
		return row{
			in: &api.CreateVolumeRequest{AvailabilityZone: &zone, Size: new(int32(2)), TagSpecifications: tagSpec("volume")},
			needs: []need{
				on(w.named("volume/*"), "ec2:VolumeSize", "2", "ec2:AvailabilityZone", zone, "aws:RequestTag/team", "blue"),
				also("ec2:CreateTags", w.named("volume/*"), "ec2:CreateAction", "CreateVolume", "aws:RequestTag/team", "blue"),
			},
		}
	},
	"ec2:AttachVolume": func(w *world) row {
		v, i := w.volume(), w.instance()
		return row{
			in:    &api.AttachVolumeRequest{VolumeId: &v, InstanceId: &i, Device: new("/dev/sdf")},
			needs: []need{on(w.arn(v), blue, "blue", "ec2:VolumeSize", "2"), on(w.arn(i), blue, "blue", "ec2:InstanceType", "t3.nano")},
			other: "InvalidVolume.NotFound",
		}
	},
	"ec2:DetachVolume": func(w *world) row {
		v, i := w.attached()
		return row{
			in:    &api.DetachVolumeRequest{VolumeId: &v, InstanceId: &i},
			needs: []need{on(w.arn(v), blue, "blue", "ec2:VolumeSize", "2"), on(w.arn(i), blue, "blue")},
			other: "InvalidVolume.NotFound",
		}
	},
	"ec2:DeleteVolume": func(w *world) row {
		v := w.volume()
		return row{in: &api.DeleteVolumeRequest{VolumeId: &v}, needs: []need{on(w.arn(v), blue, "blue")}, other: "InvalidVolume.NotFound"}
	},
	"ec2:AllocateAddress": func(w *world) row {
		return row{
			in: &api.AllocateAddressRequest{TagSpecifications: tagSpec("elastic-ip")},
			needs: []need{
				on(w.named("elastic-ip/*"), "aws:RequestTag/team", "blue"),
				also("ec2:CreateTags", w.named("elastic-ip/*"), "ec2:CreateAction", "AllocateAddress"),
			},
		}
	},
	"ec2:AssociateAddress": func(w *world) row {
		a, i := w.address(), w.instance()
		return row{
			in:    &api.AssociateAddressRequest{AllocationId: &a, InstanceId: &i},
			needs: []need{on(w.arn(a), blue, "blue", "ec2:AllocationId", a), on(w.arn(i), blue, "blue")},
			other: "InvalidAllocationID.NotFound",
		}
	},
	"ec2:DisassociateAddress": func(w *world) row {
		a, i := w.address(), w.instance()
		association := made[*api.AssociateAddressResult](w, Alice, &api.AssociateAddressRequest{AllocationId: &a, InstanceId: &i}).AssociationId
		return row{
			in:    &api.DisassociateAddressRequest{AssociationId: association},
			needs: []need{on(w.arn(a), blue, "blue"), on(w.arn(w.port(i)), blue, "blue")},
			other: "InvalidAssociationID.NotFound",
		}
	},
	"ec2:ReleaseAddress": func(w *world) row {
		a := w.address()
		return row{in: &api.ReleaseAddressRequest{AllocationId: &a}, needs: []need{on(w.arn(a), blue, "blue")}, other: "InvalidAllocationID.NotFound"}
	},
	"ec2:CreateKeyPair": func(w *world) row {
		return row{
			in:    &api.CreateKeyPairRequest{KeyName: new("made"), KeyType: new("ed25519")},
			needs: []need{on(w.named("key-pair/made"), "ec2:KeyPairType", "ed25519")},
		}
	},
	"ec2:ImportKeyPair": func(w *world) row {
		return row{
			in: &api.ImportKeyPairRequest{KeyName: new("brought"), PublicKeyMaterial: []byte(publicKey), TagSpecifications: tagSpec("key-pair")},
			needs: []need{
				on(w.named("key-pair/brought"), "aws:RequestTag/team", "blue"),
				also("ec2:CreateTags", w.named("key-pair/brought"), "ec2:CreateAction", "ImportKeyPair"),
			},
		}
	},
	"ec2:DeleteKeyPair": func(w *world) row {
		id := w.keyPair()
		return row{
			in:    &api.DeleteKeyPairRequest{KeyPairId: &id},
			needs: []need{on(w.named("key-pair/key"), blue, "blue", "ec2:KeyPairName", "key")},
			// Deleting what is not there succeeds.
		}
	},
	"ec2:CreateTags": func(w *world) row {
		i, v := w.instance(), w.volume()
		return row{
			in: &api.CreateTagsRequest{Resources: []string{i, v}, Tags: []api.Tag{{Key: new("stage"), Value: new("test")}}},
			needs: []need{
				on(w.arn(i), blue, "blue", "aws:RequestTag/stage", "test"),
				on(w.arn(v), blue, "blue", "aws:RequestTag/stage", "test"),
			},
			other: "InvalidInstanceID.NotFound",
		}
	},
	"ec2:DeleteTags": func(w *world) row {
		v := w.volume()
		return row{
			in:    &api.DeleteTagsRequest{Resources: []string{v}, Tags: []api.Tag{{Key: new("team")}}},
			needs: []need{on(w.arn(v), blue, "blue", "aws:TagKeys", "team")},
			other: "InvalidVolume.NotFound",
		}
	},
}
