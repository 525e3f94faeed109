package ec2

import (
	"context"
	"encoding/base64"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// DescribeInstanceAttribute shows one attribute of an instance.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceAttribute.html
func (s *Service) DescribeInstanceAttribute(ctx context.Context, in *ec2.DescribeInstanceAttributeRequest) (*ec2.InstanceAttribute, error) {
	caller, err := s.allow(ctx, "DescribeInstanceAttribute", in.DryRun, aboutInstance.of(s.asking(ctx), val(in.InstanceId)))
	if err != nil {
		return nil, err
	}
	view := s.DB.View()
	i, err := get(view, caller, instanceTable, "i", val(in.InstanceId))
	if err != nil {
		return nil, err
	}
	word := func(v string) *ec2.AttributeValue { return &ec2.AttributeValue{Value: opt(v)} }
	flag := func(v bool) *ec2.AttributeBooleanValue { return &ec2.AttributeBooleanValue{Value: &v} }
	out := &ec2.InstanceAttribute{InstanceId: &i.ID}
	switch name := val(in.Attribute); name {
	case "":
		return nil, missing("Attribute")
	case ec2.InstanceAttributeNameInstanceType:
		out.InstanceType = word(i.Type)
	case ec2.InstanceAttributeNameUserData:
		out.UserData = word(base64.StdEncoding.EncodeToString(i.UserData))
	case ec2.InstanceAttributeNameDisableApiTermination:
		out.DisableApiTermination = flag(i.DisableTermination)
	case ec2.InstanceAttributeNameDisableApiStop:
		out.DisableApiStop = flag(i.DisableStop)
	case ec2.InstanceAttributeNameInstanceInitiatedShutdownBehavior:
		out.InstanceInitiatedShutdownBehavior = word(i.OnShutdown)
	case ec2.InstanceAttributeNameRootDeviceName:
		out.RootDeviceName = word(i.RootDevice)
	case ec2.InstanceAttributeNameBlockDeviceMapping:
		out.BlockDeviceMappings = s.shower(view).mappings(i)
	case ec2.InstanceAttributeNameEbsOptimized:
		out.EbsOptimized = flag(i.EBSOptimized)
	case ec2.InstanceAttributeNameEnaSupport:
		out.EnaSupport = flag(false)
	case ec2.InstanceAttributeNameEnclaveOptions:
		out.EnclaveOptions = &ec2.EnclaveOptions{Enabled: new(false)}
	case ec2.InstanceAttributeNameProductCodes:
		out.ProductCodes = []ec2.ProductCode{}
	case ec2.InstanceAttributeNameKernel:
		out.KernelId = word("")
	case ec2.InstanceAttributeNameRamdisk:
		out.RamdiskId = word("")
	case ec2.InstanceAttributeNameSriovNetSupport:
		out.SriovNetSupport = word("")
	case ec2.InstanceAttributeNameGroupSet, ec2.InstanceAttributeNameSourceDestCheck:
		nics := interfacesOf(view, i.ID)
		if len(nics) == 0 {
			break
		}
		if name == ec2.InstanceAttributeNameGroupSet {
			out.Groups = s.shower(view).groupIDs(nics[0].Groups)
		} else {
			out.SourceDestCheck = flag(nics[0].SourceDestCheck)
		}
	default:
		return nil, invalid("attribute", name, "Unknown attribute.")
	}
	return out, nil
}

// ModifyInstanceAttribute changes one attribute of an instance. The type and
// the user data of an instance can be changed while it is stopped.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html
func (s *Service) ModifyInstanceAttribute(ctx context.Context, in *ec2.ModifyInstanceAttributeRequest) (*ec2.ModifyInstanceAttributeOutput, error) {
	caller, err := s.allow(ctx, "ModifyInstanceAttribute", in.DryRun, s.asking(ctx).attributeSubjects(in)...)
	if err != nil {
		return nil, err
	}
	change, err := s.attributeChange(caller, in)
	if err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		i, err := get(tx, caller, instanceTable, "i", val(in.InstanceId))
		if err != nil {
			return err
		}
		if i.Want == cloud.PowerTerminated {
			return cloud.Errorf("IncorrectInstanceState", "The instance '%s' is not in a state from which its attributes can be changed.", i.ID)
		}
		if err := change(tx, &i); err != nil {
			return err
		}
		return instanceTable.Put(tx, i)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.ModifyInstanceAttributeOutput{}, nil
}

// attributeChange is a change to an instance: to its document, which the caller
// stores, and in tx to what belongs to it.
type attributeChange func(tx *store.Tx, i *cloud.Instance) error

// attributeChange reads the one attribute that a request changes. There are two
// ways to name it: a member of its own, or Attribute with Value.
func (s *Service) attributeChange(c cloud.Caller, in *ec2.ModifyInstanceAttributeRequest) (attributeChange, error) {
	in, err := namedAttribute(in)
	if err != nil {
		return nil, err
	}
	var names []string
	var change attributeChange
	var failed error
	set := func(given bool, name string, read func() (attributeChange, error)) {
		if !given {
			return
		}
		if names = append(names, name); len(names) == 1 {
			change, failed = read()
		}
	}
	set(in.InstanceType != nil, ec2.InstanceAttributeNameInstanceType, func() (attributeChange, error) { return changeType(in.InstanceType) })
	set(in.UserData != nil, ec2.InstanceAttributeNameUserData, func() (attributeChange, error) { return changeUserData(in.UserData) })
	set(in.DisableApiTermination != nil, ec2.InstanceAttributeNameDisableApiTermination, func() (attributeChange, error) {
		return changeFlag(in.DisableApiTermination, func(i *cloud.Instance) *bool { return &i.DisableTermination })
	})
	set(in.DisableApiStop != nil, ec2.InstanceAttributeNameDisableApiStop, func() (attributeChange, error) {
		return changeFlag(in.DisableApiStop, func(i *cloud.Instance) *bool { return &i.DisableStop })
	})
	set(in.EbsOptimized != nil, ec2.InstanceAttributeNameEbsOptimized, func() (attributeChange, error) {
		return changeFlag(in.EbsOptimized, func(i *cloud.Instance) *bool { return &i.EBSOptimized })
	})
	set(in.InstanceInitiatedShutdownBehavior != nil, ec2.InstanceAttributeNameInstanceInitiatedShutdownBehavior, func() (attributeChange, error) {
		v, err := shutdownBehavior(val(in.InstanceInitiatedShutdownBehavior.Value))
		return func(_ *store.Tx, i *cloud.Instance) error { i.OnShutdown = v; return nil }, err
	})
	set(len(in.Groups) > 0, ec2.InstanceAttributeNameGroupSet, func() (attributeChange, error) { return s.changeGroups(c, in.Groups), nil })
	set(in.SourceDestCheck != nil, ec2.InstanceAttributeNameSourceDestCheck, func() (attributeChange, error) { return s.changeSourceDestCheck(c, in.SourceDestCheck) })
	set(len(in.BlockDeviceMappings) > 0, ec2.InstanceAttributeNameBlockDeviceMapping, func() (attributeChange, error) { return changeMappings(in.BlockDeviceMappings), nil })
	for _, fixed := range []struct {
		name  string
		given bool
	}{
		{ec2.InstanceAttributeNameEnaSupport, in.EnaSupport != nil},
		{ec2.InstanceAttributeNameEnclaveOptions, in.EnclaveOptions != nil},
		{ec2.InstanceAttributeNameKernel, in.Kernel != nil},
		{ec2.InstanceAttributeNameRamdisk, in.Ramdisk != nil},
		{ec2.InstanceAttributeNameSriovNetSupport, in.SriovNetSupport != nil},
	} {
		set(fixed.given, fixed.name, func() (attributeChange, error) {
			return nil, unsupported("The attribute '" + fixed.name + "' cannot be changed: it is the image's or the host's.")
		})
	}
	switch len(names) {
	case 0:
		return nil, cloud.Errorf("InvalidParameterCombination", "No attributes specified.")
	case 1:
		return change, failed
	default:
		return nil, cloud.Errorf("InvalidParameterCombination", "Fields for multiple attribute types specified: %s", strings.Join(names, ", "))
	}
}

// namedAttribute turns Attribute and Value into the member that means the same.
func namedAttribute(in *ec2.ModifyInstanceAttributeRequest) (*ec2.ModifyInstanceAttributeRequest, error) {
	name := val(in.Attribute)
	if name == "" || in.Value == nil {
		return in, nil // Attribute may go with the member itself
	}
	out := *in
	word := &ec2.AttributeValue{Value: in.Value}
	var flag *ec2.AttributeBooleanValue
	switch *in.Value {
	case "true", "false":
		flag = &ec2.AttributeBooleanValue{Value: new(*in.Value == "true")}
	}
	booleans := map[string]**ec2.AttributeBooleanValue{
		ec2.InstanceAttributeNameDisableApiTermination: &out.DisableApiTermination,
		ec2.InstanceAttributeNameDisableApiStop:        &out.DisableApiStop,
		ec2.InstanceAttributeNameEbsOptimized:          &out.EbsOptimized,
		ec2.InstanceAttributeNameSourceDestCheck:       &out.SourceDestCheck,
		ec2.InstanceAttributeNameEnaSupport:            &out.EnaSupport,
	}
	words := map[string]**ec2.AttributeValue{
		ec2.InstanceAttributeNameInstanceType:                      &out.InstanceType,
		ec2.InstanceAttributeNameInstanceInitiatedShutdownBehavior: &out.InstanceInitiatedShutdownBehavior,
		ec2.InstanceAttributeNameKernel:                            &out.Kernel,
		ec2.InstanceAttributeNameRamdisk:                           &out.Ramdisk,
		ec2.InstanceAttributeNameSriovNetSupport:                   &out.SriovNetSupport,
	}
	switch member := booleans[name]; {
	case member != nil && flag == nil:
		return nil, invalid("value", *in.Value, "Valid values are: true, false.")
	case member != nil:
		*member = flag
	case words[name] != nil:
		*words[name] = word
	case name == ec2.InstanceAttributeNameUserData:
		data, err := decodeUserData(*in.Value)
		if err != nil {
			return nil, err
		}
		out.UserData = &ec2.SecureBlobAttributeValue{Value: data}
	default:
		return nil, invalid("attribute", name, "The attribute cannot be changed by Attribute and Value.")
	}
	return &out, nil
}
