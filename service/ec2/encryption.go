package ec2

import (
	"context"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/seal"
	"github.com/vauban-cloud/vauban/store"
)

// diskAlias names the key that every account has for its volumes and snapshots.
const diskAlias = "alias/aws/ebs"

// newDiskKey makes the data key of a new volume or snapshot, sealed for its ID; nil
// where the cloud has no keys. Every one gets its own, whatever its Encrypted says:
// with the document goes the key, and with the key what is left of the bytes.
func (s *Service) newDiskKey(id string) []byte {
	if s.DiskKeys == nil {
		return nil
	}
	return s.DiskKeys.Seal(id, seal.NewKey())
}

// checkDiskKey refuses keys other than the account's own.
func checkDiskKey(key string, encrypted bool) error {
	switch {
	case key == "":
		return nil
	case !encrypted:
		return cloud.Errorf("InvalidParameterDependency", "The parameter KmsKeyId requires the parameter Encrypted to be set.")
	case key != diskAlias && (!strings.HasPrefix(key, "arn:") || !strings.HasSuffix(key, ":"+diskAlias)):
		return unsupported("Volumes and snapshots are encrypted under keys that the cloud makes for each. Leave out KmsKeyId, or give " + diskAlias + ".")
	}
	return nil
}

// shownDiskKey is the ARN of the key of an encrypted volume or snapshot, nil of another.
func (s *Service) shownDiskKey(account string, encrypted bool) *string {
	if !encrypted {
		return nil
	}
	return new(s.Place.ARN("kms", account, diskAlias))
}

// encrypts reports whether the caller's account wants all new volumes encrypted.
func (a asking) encrypts() bool {
	account, _ := accountTable.Get(a.r, a.c.Account)
	return account.EncryptDisks
}

// EnableEbsEncryptionByDefault has all new volumes and copies of snapshots of the
// account encrypted.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableEbsEncryptionByDefault.html
func (s *Service) EnableEbsEncryptionByDefault(ctx context.Context, in *ec2.EnableEbsEncryptionByDefaultRequest) (*ec2.EnableEbsEncryptionByDefaultResult, error) {
	caller, err := s.allow(ctx, "EnableEbsEncryptionByDefault", in.DryRun)
	if err != nil {
		return nil, err
	}
	if err := s.encryptByDefault(ctx, caller, true); err != nil {
		return nil, err
	}
	return &ec2.EnableEbsEncryptionByDefaultResult{EbsEncryptionByDefault: new(true)}, nil
}

// DisableEbsEncryptionByDefault undoes EnableEbsEncryptionByDefault.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DisableEbsEncryptionByDefault.html
func (s *Service) DisableEbsEncryptionByDefault(ctx context.Context, in *ec2.DisableEbsEncryptionByDefaultRequest) (*ec2.DisableEbsEncryptionByDefaultResult, error) {
	caller, err := s.allow(ctx, "DisableEbsEncryptionByDefault", in.DryRun)
	if err != nil {
		return nil, err
	}
	if err := s.encryptByDefault(ctx, caller, false); err != nil {
		return nil, err
	}
	return &ec2.DisableEbsEncryptionByDefaultResult{EbsEncryptionByDefault: new(false)}, nil
}

func (s *Service) encryptByDefault(ctx context.Context, c cloud.Caller, on bool) error {
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		return accountTable.Modify(tx, c.Account, func(a *cloud.Account) error {
			a.EncryptDisks = on
			return nil
		})
	})
}

// GetEbsEncryptionByDefault tells whether all new volumes of the account are encrypted.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetEbsEncryptionByDefault.html
func (s *Service) GetEbsEncryptionByDefault(ctx context.Context, in *ec2.GetEbsEncryptionByDefaultRequest) (*ec2.GetEbsEncryptionByDefaultResult, error) {
	if _, err := s.allow(ctx, "GetEbsEncryptionByDefault", in.DryRun); err != nil {
		return nil, err
	}
	on, how := s.asking(ctx).encrypts(), ec2.SSETypeNone
	if on {
		how = ec2.SSETypeSseKms
	}
	return &ec2.GetEbsEncryptionByDefaultResult{EbsEncryptionByDefault: &on, SseType: new(how)}, nil
}

// GetEbsDefaultKmsKeyId names the key of the account's encrypted volumes, always
// "alias/aws/ebs".
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetEbsDefaultKmsKeyId.html
func (s *Service) GetEbsDefaultKmsKeyId(ctx context.Context, in *ec2.GetEbsDefaultKmsKeyIdRequest) (*ec2.GetEbsDefaultKmsKeyIdResult, error) {
	if _, err := s.allow(ctx, "GetEbsDefaultKmsKeyId", in.DryRun); err != nil {
		return nil, err
	}
	return &ec2.GetEbsDefaultKmsKeyIdResult{KmsKeyId: new(diskAlias)}, nil
}
