package ec2

import (
	"slices"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// What the API says of every guest here.
const (
	architecture    = ec2.ArchitectureValuesX8664
	platformDetails = "Linux/UNIX"
	usageOperation  = "RunInstances"
	threadsPerCore  = 1 // a vCPU is a thread of QEMU, which the guest sees as a core
	standardCredits = "standard"
	initiatedByUser = "Client.UserInitiatedShutdown"
)

// shower turns documents into what the API shows, all from one view of the
// store. It remembers what many instances share. It is for one request.
type shower struct {
	s      *Service
	r      store.Reader
	groups map[string]ec2.GroupIdentifier // by ID
	named  map[string]bool                // by VPC: its addresses have public names
	types  map[string]cloud.InstanceType  // by name
}

func (s *Service) shower(r store.Reader) *shower {
	w := &shower{s: s, r: r, groups: map[string]ec2.GroupIdentifier{}, named: map[string]bool{}, types: map[string]cloud.InstanceType{}}
	for _, t := range cloud.InstanceTypes() {
		w.types[t.Name] = t
	}
	return w
}

// reservations groups instances by the request that launched them, in the order
// in which they come.
func (w *shower) reservations(list []cloud.Instance) []ec2.Reservation {
	out := []ec2.Reservation{}
	at := make(map[string]int, len(list))
	for _, i := range list {
		n, ok := at[i.Reservation]
		if !ok {
			n = len(out)
			at[i.Reservation] = n
			out = append(out, ec2.Reservation{ReservationId: new(i.Reservation), OwnerId: new(i.Account), Groups: []ec2.GroupIdentifier{}})
		}
		out[n].Instances = append(out[n].Instances, w.instance(i))
	}
	return out
}

// instance shows one instance.
func (w *shower) instance(i cloud.Instance) ec2.Instance {
	state := i.State()
	t := w.types[i.Type]
	nics := interfacesOf(w.r, i.ID)
	out := ec2.Instance{
		InstanceId: &i.ID, ImageId: &i.Image, InstanceType: &i.Type, KeyName: opt(i.KeyName),
		AmiLaunchIndex: new(int32(i.LaunchIndex)), LaunchTime: &i.Launched, ClientToken: &i.ClientToken,
		State: showState(state), StateReason: stateReason(i, state), StateTransitionReason: new(transitionReason(i)),
		Architecture: new(architecture), Hypervisor: new(ec2.HypervisorTypeXen), VirtualizationType: new(ec2.VirtualizationTypeHvm),
		RootDeviceName: &i.RootDevice, RootDeviceType: new(ec2.DeviceTypeEbs), EnaSupport: new(false), EbsOptimized: &i.EBSOptimized,
		BootMode: new(ec2.BootModeValuesLegacyBios), CurrentInstanceBootMode: new(ec2.InstanceBootModeValuesLegacyBios),
		PlatformDetails: new(platformDetails), UsageOperation: new(usageOperation), UsageOperationUpdateTime: &i.Launched,
		Placement:       &ec2.Placement{AvailabilityZone: &i.Zone, AvailabilityZoneId: new(w.s.Place.ZoneID(i.Zone)), GroupName: new(""), Tenancy: new(ec2.TenancyDefault)},
		Monitoring:      showMonitoring(i),
		CpuOptions:      &ec2.CpuOptions{CoreCount: new(int32(t.VCPUs)), ThreadsPerCore: new(int32(threadsPerCore))},
		MetadataOptions: showMetadata(i.Metadata),
		CapacityReservationSpecification: &ec2.CapacityReservationSpecificationResponse{
			CapacityReservationPreference: new(ec2.CapacityReservationPreferenceOpen),
		},
		HibernationOptions:        &ec2.HibernationOptions{Configured: new(false)},
		EnclaveOptions:            &ec2.EnclaveOptions{Enabled: new(false)},
		MaintenanceOptions:        &ec2.InstanceMaintenanceOptions{AutoRecovery: new(ec2.InstanceAutoRecoveryStateDefault)},
		NetworkPerformanceOptions: &ec2.InstanceNetworkPerformanceOptions{BandwidthWeighting: new("default")},
		Operator:                  notManaged(), PrivateDnsName: new(""), PublicDnsName: new(""),
		ProductCodes: []ec2.ProductCode{}, SecurityGroups: []ec2.GroupIdentifier{},
		BlockDeviceMappings: w.mappings(i), NetworkInterfaces: make([]ec2.InstanceNetworkInterface, 0, len(nics)),
		Tags: tagSet(i.Tags), IamInstanceProfile: showProfile(i),
	}
	for _, n := range nics {
		out.NetworkInterfaces = append(out.NetworkInterfaces, w.nic(n, i))
	}
	if len(nics) > 0 { // a terminated instance has none
		w.addresses(&out, nics[0])
	}
	return out
}

// addresses shows what an instance has from its primary interface.
func (w *shower) addresses(out *ec2.Instance, n cloud.NetworkInterface) {
	primary := n.Addresses[0]
	out.VpcId, out.SubnetId, out.SourceDestCheck = &n.VPC, &n.Subnet, &n.SourceDestCheck
	out.SecurityGroups = w.groupIDs(n.Groups)
	out.PrivateIpAddress = new(primary.Private.String())
	out.PrivateDnsName = new(w.s.Place.PrivateName(primary.Private))
	out.PrivateDnsNameOptions = &ec2.PrivateDnsNameOptionsResponse{
		HostnameType:                 new(ec2.HostnameTypeIpName),
		EnableResourceNameDnsARecord: new(false), EnableResourceNameDnsAAAARecord: new(false),
	}
	if len(n.Addresses6) > 0 {
		out.Ipv6Address = new(n.Addresses6[0].String())
	}
	if primary.Public != nil {
		out.PublicIpAddress = new(primary.Public.Address.String())
		out.PublicDnsName = new(w.publicName(n.VPC, primary.Public))
	}
}

// nic shows an interface as a part of its instance.
func (w *shower) nic(n cloud.NetworkInterface, i cloud.Instance) ec2.InstanceNetworkInterface {
	at := n.Attachment
	out := ec2.InstanceNetworkInterface{
		NetworkInterfaceId: &n.ID, OwnerId: &n.Account, VpcId: &n.VPC, SubnetId: &n.Subnet, Description: &n.Description,
		MacAddress: &n.MAC, Status: new(ec2.NetworkInterfaceStatusInUse), InterfaceType: new("interface"),
		Operator: notManaged(), SourceDestCheck: &n.SourceDestCheck, Groups: w.groupIDs(n.Groups), Ipv6Addresses: []ec2.InstanceIpv6Address{},
		Attachment: &ec2.InstanceNetworkInterfaceAttachment{
			AttachmentId: &at.ID, AttachTime: &at.Attached, DeleteOnTermination: &at.DeleteOnTermination,
			DeviceIndex: new(int32(at.DeviceIndex)), NetworkCardIndex: new(int32(0)), Status: new(n.AttachmentState(i)),
		},
		PrivateIpAddresses: make([]ec2.InstancePrivateIpAddress, len(n.Addresses)),
	}
	for k, a := range n.Addresses {
		shown := ec2.InstancePrivateIpAddress{PrivateIpAddress: new(a.Private.String()), Primary: new(k == 0), Association: w.association(n, a.Public)}
		if w.hasNames(n.VPC) {
			shown.PrivateDnsName = new(w.s.Place.PrivateName(a.Private))
		}
		out.PrivateIpAddresses[k] = shown
	}
	for _, a := range n.Addresses6 {
		out.Ipv6Addresses = append(out.Ipv6Addresses, ec2.InstanceIpv6Address{Ipv6Address: new(a.String()), IsPrimaryIpv6: new(false)})
	}
	first := out.PrivateIpAddresses[0]
	out.PrivateIpAddress, out.PrivateDnsName, out.Association = first.PrivateIpAddress, first.PrivateDnsName, first.Association
	return out
}

func (w *shower) association(n cloud.NetworkInterface, p *cloud.PublicAddress) *ec2.InstanceNetworkInterfaceAssociation {
	if p == nil {
		return nil
	}
	return &ec2.InstanceNetworkInterfaceAssociation{
		PublicIp: new(p.Address.String()), PublicDnsName: new(w.publicName(n.VPC, p)), IpOwnerId: new(w.s.publicOwner(n, *p)),
	}
}

// publicName is the name of a public address in a VPC, "" if the VPC gives none.
func (w *shower) publicName(vpc string, p *cloud.PublicAddress) string {
	if !w.hasNames(vpc) {
		return ""
	}
	return w.s.Place.PublicName(p.Address)
}

// hasNames reports whether the VPC gives its guests' addresses names.
func (w *shower) hasNames(vpc string) bool {
	named, known := w.named[vpc]
	if !known {
		v, _ := vpcTable.Get(w.r, vpc)
		named = v.DNSHostnames
		w.named[vpc] = named
	}
	return named
}

func (w *shower) groupIDs(ids []string) []ec2.GroupIdentifier { return each(ids, w.group) }

func (w *shower) group(id string) ec2.GroupIdentifier {
	g, known := w.groups[id]
	if !known {
		doc, _ := groupTable.Get(w.r, id)
		g = ec2.GroupIdentifier{GroupId: &id, GroupName: &doc.Name}
		w.groups[id] = g
	}
	return g
}

// mappings shows the volumes of an instance, the root device first.
func (w *shower) mappings(i cloud.Instance) []ec2.InstanceBlockDeviceMapping {
	running := i.Seen.Running
	return each(volumesOf(w.r, i), func(v cloud.Volume) ec2.InstanceBlockDeviceMapping {
		return ec2.InstanceBlockDeviceMapping{DeviceName: &v.Attachment.Device, Ebs: &ec2.EbsInstanceBlockDevice{
			VolumeId: &v.ID, AttachTime: &v.Attachment.Attached, DeleteOnTermination: &v.Attachment.DeleteOnTermination,
			Status: new(v.AttachmentState(running)), EbsCardIndex: new(int32(0)), Operator: notManaged(),
		}}
	})
}

// interfacesOf returns the interfaces of an instance by their device indexes.
func interfacesOf(r store.Reader, instance string) []cloud.NetworkInterface {
	nics := slices.Collect(interfaceTable.Select(r, "instance/"+instance))
	slices.SortFunc(nics, func(a, b cloud.NetworkInterface) int { return a.Attachment.DeviceIndex - b.Attachment.DeviceIndex })
	return nics
}

// volumesOf returns the volumes of an instance, the root device first, then by
// their device names.
func volumesOf(r store.Reader, i cloud.Instance) []cloud.Volume {
	order := func(v cloud.Volume) string { return strings.TrimPrefix(v.Attachment.Device, i.RootDevice) }
	volumes := slices.Collect(volumeTable.Select(r, "instance/"+i.ID))
	slices.SortFunc(volumes, func(a, b cloud.Volume) int { return strings.Compare(order(a), order(b)) })
	return volumes
}

// notManaged says that no service manages the resource for its owner.
func notManaged() *ec2.OperatorResponse { return &ec2.OperatorResponse{Managed: new(false)} }

func showState(s cloud.InstanceState) *ec2.InstanceState {
	return &ec2.InstanceState{Code: new(s.Code()), Name: new(string(s))}
}

// stateReason is why the instance is in its state; nil if there is nothing to say.
func stateReason(i cloud.Instance, state cloud.InstanceState) *ec2.StateReason {
	switch {
	case state == cloud.InstancePending:
		return &ec2.StateReason{Code: new("pending"), Message: new("pending")}
	case i.Reason.Code == "":
		return nil
	}
	return &ec2.StateReason{Code: &i.Reason.Code, Message: &i.Reason.Message}
}

// transitionReason is the reason of the last change that was not the guest's own.
func transitionReason(i cloud.Instance) string {
	switch i.Reason.Code {
	case "", "Client.InstanceInitiatedShutdown":
		return ""
	case initiatedByUser:
		return "User initiated (" + i.Reason.When.UTC().Format("2006-01-02 15:04:05") + " GMT)"
	default:
		return i.Reason.Message
	}
}

func showMonitoring(i cloud.Instance) *ec2.Monitoring {
	if i.Monitoring {
		return &ec2.Monitoring{State: new(ec2.MonitoringStateEnabled)}
	}
	return &ec2.Monitoring{State: new(ec2.MonitoringStateDisabled)}
}

func showMetadata(m cloud.MetadataOptions) *ec2.InstanceMetadataOptionsResponse {
	ipv6 := "disabled"
	if m.IPv6 {
		ipv6 = "enabled"
	}
	return &ec2.InstanceMetadataOptionsResponse{
		State: new("applied"), HttpTokens: &m.Tokens, HttpPutResponseHopLimit: new(int32(m.HopLimit)),
		HttpEndpoint: &m.Endpoint, HttpProtocolIpv6: &ipv6, InstanceMetadataTags: &m.Tags,
	}
}
