package ec2

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
)

// A member of a request that changes something must be obeyed or refused, never
// ignored. These are the members that the operations know: one that a newer model
// adds must be dealt with, and named here.
func TestEveryMemberIsKnown(t *testing.T) {
	for of, names := range map[reflect.Type]string{
		reflect.TypeFor[ec2.RunInstancesRequest](): `AdditionalInfo BlockDeviceMappings CapacityReservationSpecification ClientToken CpuOptions CreditSpecification
			DisableApiStop DisableApiTermination DryRun EbsOptimized ElasticGpuSpecification ElasticInferenceAccelerators EnablePrimaryIpv6 EnclaveOptions
			HibernationOptions IamInstanceProfile ImageId InstanceInitiatedShutdownBehavior InstanceMarketOptions InstanceType Ipv6AddressCount Ipv6Addresses
			KernelId KeyName LaunchTemplate LicenseSpecifications MaintenanceOptions MaxCount MetadataOptions MinCount Monitoring NetworkInterfaces
			NetworkPerformanceOptions Operator Placement PrivateDnsNameOptions PrivateIpAddress RamdiskId SecondaryInterfaces SecurityGroupIds SecurityGroups
			SubnetId TagSpecifications UserData`,
		reflect.TypeFor[ec2.Placement](): `Affinity AvailabilityZone AvailabilityZoneId GroupId GroupName HostId HostResourceGroupArn PartitionNumber SpreadDomain Tenancy`,
		reflect.TypeFor[ec2.InstanceNetworkInterfaceSpecification](): `AssociateCarrierIpAddress AssociatePublicIpAddress ConnectionTrackingSpecification DeleteOnTermination
			Description DeviceIndex EnaQueueCount EnaSrdSpecification Groups InterfaceType Ipv4PrefixCount Ipv4Prefixes Ipv6AddressCount Ipv6Addresses
			Ipv6PrefixCount Ipv6Prefixes NetworkCardIndex NetworkInterfaceId PrimaryIpv6 PrivateIpAddress PrivateIpAddresses SecondaryPrivateIpAddressCount SubnetId`,
		reflect.TypeFor[ec2.PrivateIpAddressSpecification](): `Primary PrivateIpAddress`,
		reflect.TypeFor[ec2.BlockDeviceMapping]():            `DeviceName Ebs NoDevice VirtualName`,
		reflect.TypeFor[ec2.EbsBlockDevice](): `AvailabilityZone AvailabilityZoneId DeleteOnTermination EbsCardIndex Encrypted Iops KmsKeyId OutpostArn SnapshotId
			Throughput VolumeInitializationRate VolumeSize VolumeType`,
		reflect.TypeFor[ec2.InstanceMetadataOptionsRequest]():              `HttpEndpoint HttpProtocolIpv6 HttpPutResponseHopLimit HttpTokens InstanceMetadataTags`,
		reflect.TypeFor[ec2.CpuOptionsRequest]():                           `AmdSevSnp CoreCount NestedVirtualization ThreadsPerCore`,
		reflect.TypeFor[ec2.CreditSpecificationRequest]():                  `CpuCredits`,
		reflect.TypeFor[ec2.CapacityReservationSpecification]():            `CapacityReservationPreference CapacityReservationTarget`,
		reflect.TypeFor[ec2.EnclaveOptionsRequest]():                       `Enabled`,
		reflect.TypeFor[ec2.HibernationOptionsRequest]():                   `Configured`,
		reflect.TypeFor[ec2.InstanceMaintenanceOptionsRequest]():           `AutoRecovery`,
		reflect.TypeFor[ec2.InstanceNetworkPerformanceOptionsRequest]():    `BandwidthWeighting`,
		reflect.TypeFor[ec2.PrivateDnsNameOptionsRequest]():                `EnableResourceNameDnsAAAARecord EnableResourceNameDnsARecord HostnameType`,
		reflect.TypeFor[ec2.RunInstancesMonitoringEnabled]():               `Enabled`,
		reflect.TypeFor[ec2.StartInstancesRequest]():                       `AdditionalInfo DryRun InstanceIds`,
		reflect.TypeFor[ec2.StopInstancesRequest]():                        `DryRun Force Hibernate InstanceIds SkipOsShutdown`,
		reflect.TypeFor[ec2.RebootInstancesRequest]():                      `DryRun InstanceIds`,
		reflect.TypeFor[ec2.TerminateInstancesRequest]():                   `DryRun Force InstanceIds SkipOsShutdown`,
		reflect.TypeFor[ec2.ModifyInstanceAttributeRequest]():              `Attribute BlockDeviceMappings DisableApiStop DisableApiTermination DryRun EbsOptimized EnaSupport EnclaveOptions Groups InstanceId InstanceInitiatedShutdownBehavior InstanceType Kernel Ramdisk SourceDestCheck SriovNetSupport UserData Value`,
		reflect.TypeFor[ec2.InstanceBlockDeviceMappingSpecification]():     `DeviceName Ebs NoDevice VirtualName`,
		reflect.TypeFor[ec2.EbsInstanceBlockDeviceSpecification]():         `DeleteOnTermination VolumeId`,
		reflect.TypeFor[ec2.ModifyInstanceMetadataOptionsRequest]():        `DryRun HttpEndpoint HttpProtocolIpv6 HttpPutResponseHopLimit HttpTokens InstanceId InstanceMetadataTags`,
		reflect.TypeFor[ec2.CreateVolumeRequest]():                         `AvailabilityZone AvailabilityZoneId ClientToken DryRun Encrypted Iops KmsKeyId MultiAttachEnabled Operator OutpostArn Size SnapshotId TagSpecifications Throughput VolumeInitializationRate VolumeType`,
		reflect.TypeFor[ec2.AttachVolumeRequest]():                         `Device DryRun EbsCardIndex InstanceId VolumeId`,
		reflect.TypeFor[ec2.DetachVolumeRequest]():                         `Device DryRun Force InstanceId VolumeId`,
		reflect.TypeFor[ec2.DeleteVolumeRequest]():                         `DryRun VolumeId`,
		reflect.TypeFor[ec2.AssociateIamInstanceProfileRequest]():          `IamInstanceProfile InstanceId`,
		reflect.TypeFor[ec2.ReplaceIamInstanceProfileAssociationRequest](): `AssociationId IamInstanceProfile`,
		reflect.TypeFor[ec2.DisassociateIamInstanceProfileRequest]():       `AssociationId`,
		reflect.TypeFor[ec2.IamInstanceProfileSpecification]():             `Arn Name`,
		reflect.TypeFor[ec2.CreateKeyPairRequest]():                        `DryRun KeyFormat KeyName KeyType TagSpecifications`,
		reflect.TypeFor[ec2.ImportKeyPairRequest]():                        `DryRun KeyName PublicKeyMaterial TagSpecifications`,
	} {
		known := strings.Fields(names)
		for field := range of.Fields() {
			if name := field.Name; !slices.Contains(known, name) {
				t.Errorf("%s.%s is neither obeyed nor refused", of.Name(), name)
			}
		}
	}
}
