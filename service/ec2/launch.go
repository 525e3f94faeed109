package ec2

import (
	"cmp"
	"encoding/base64"
	"regexp"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
)

const (
	maxLaunch   = 1000  // instances in one request
	maxUserData = 16384 // bytes, decoded
)

// launch is a RunInstances request, checked as far as that goes without the
// store.
type launch struct {
	min, max       int
	image          string
	kind           cloud.InstanceType
	key            string
	profile        *ec2.IamInstanceProfileSpecification // nil: none
	zone           string
	nics           []nicSpec
	groupNames     []string // for the one interface of a request that names none
	mappings       []ec2.BlockDeviceMapping
	userData       []byte
	onShutdown     string
	keepUp, keepOn bool // may not be terminated; may not be stopped
	ebsOptimized   bool
	monitoring     bool
	metadata       cloud.MetadataOptions
	ownTokens      bool // the request says whether the metadata service wants tokens
	ownHops        bool // and how far those may go
	token          string
	tags           map[string]map[string]string // by kind of resource
}

// checkLaunch reads a RunInstances request.
func (s *Service) checkLaunch(in *ec2.RunInstancesRequest) (launch, error) {
	l := launch{
		image: val(in.ImageId), key: val(in.KeyName), groupNames: in.SecurityGroups, mappings: in.BlockDeviceMappings,
		keepUp: val(in.DisableApiTermination), keepOn: val(in.DisableApiStop), ebsOptimized: val(in.EbsOptimized),
		monitoring: in.Monitoring != nil && val(in.Monitoring.Enabled), token: val(in.ClientToken), profile: in.IamInstanceProfile,
	}
	if err := refuseUnavailable(in); err != nil {
		return l, err
	}
	var err error
	if p := in.Placement; p != nil {
		if l.zone, err = s.zoneOf(p.AvailabilityZone, p.AvailabilityZoneId); err != nil {
			return l, err
		}
	}
	if l.min, l.max, err = launchCount(val(in.MinCount), val(in.MaxCount)); err != nil {
		return l, err
	}
	if l.image == "" {
		return l, missing("ImageId")
	}
	if err := checkIDs("ami", l.image); err != nil {
		return l, err
	}
	if l.kind, err = knownType(val(in.InstanceType)); err != nil {
		return l, err
	}
	if l.nics, err = launchNICs(in, l.kind, l.max); err != nil {
		return l, err
	}
	if l.userData, err = decodeUserData(val(in.UserData)); err != nil {
		return l, err
	}
	if l.onShutdown, err = shutdownBehavior(cmp.Or(val(in.InstanceInitiatedShutdownBehavior), ec2.ShutdownBehaviorStop)); err != nil {
		return l, err
	}
	if l.tags, err = tagsFromSpecs(in.TagSpecifications, "instance", "volume", "network-interface"); err != nil {
		return l, err
	}
	l.metadata = cloud.MetadataOptions{Tokens: "optional", HopLimit: 1, Endpoint: "enabled", Tags: "disabled"}
	if m := in.MetadataOptions; m != nil {
		l.ownTokens, l.ownHops = m.HttpTokens != nil, m.HttpPutResponseHopLimit != nil
		l.metadata, err = changeMetadata(l.metadata, *m, l.tags["instance"])
	}
	return l, err
}

// launchCount checks the numbers of instances of a request.
func launchCount(lo, hi int32) (least, most int, err error) {
	switch {
	case lo < 1:
		return 0, 0, cloud.Errorf("InvalidParameterValue", "Invalid value '%d' for minCount. The number must be at least 1.", lo)
	case hi < lo:
		return 0, 0, cloud.Errorf("InvalidParameterValue", "Invalid value '%d' for maxCount. The number must not be less than minCount, %d.", hi, lo)
	case lo > maxLaunch:
		return 0, 0, cloud.Errorf("InstanceLimitExceeded", "You have requested more instances (%d) than one request may launch (%d).", lo, maxLaunch)
	}
	return int(lo), min(int(hi), maxLaunch), nil
}

// knownType returns the instance type of a request.
func knownType(name string) (cloud.InstanceType, error) {
	if name == "" {
		return cloud.InstanceType{}, missing("InstanceType")
	}
	t, ok := cloud.FindInstanceType(name)
	if !ok {
		return t, cloud.Errorf("InvalidParameterValue", "Invalid value '%s' for InstanceType. DescribeInstanceTypes lists those on offer.", name)
	}
	return t, nil
}

// decodeUserData decodes the user data of a launch, which comes in base64.
func decodeUserData(encoded string) ([]byte, error) {
	// Longer than any encoding of 16 KiB, line breaks included: not worth decoding.
	if len(encoded) > 2*maxUserData {
		return nil, errUserDataSize()
	}
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, cloud.Errorf("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.")
	}
	return checkUserData(data)
}

// checkUserData refuses user data that is too long; empty data is none.
func checkUserData(data []byte) ([]byte, error) {
	if len(data) > maxUserData {
		return nil, errUserDataSize()
	}
	if len(data) == 0 {
		return nil, nil
	}
	return data, nil
}

func errUserDataSize() error {
	return cloud.Errorf("InvalidParameterValue", "User data is limited to %d bytes", maxUserData)
}

func shutdownBehavior(v string) (string, error) {
	if v != ec2.ShutdownBehaviorStop && v != ec2.ShutdownBehaviorTerminate {
		return "", invalid("instanceInitiatedShutdownBehavior", v, "Valid values are: stop, terminate.")
	}
	return v, nil
}

// metadataTag is what the key of a tag must look like to have a path of its own
// in the metadata service.
var metadataTag = regexp.MustCompile(`^[0-9a-zA-Z\-_+=,.@:]{1,255}$`)

// changeMetadata applies the metadata options that a request gives to old. tags
// are those of the instance.
func changeMetadata(old cloud.MetadataOptions, in ec2.InstanceMetadataOptionsRequest, tags map[string]string) (cloud.MetadataOptions, error) {
	m := old
	for _, f := range []struct {
		name     string
		given    *string
		to       *string
		possible [2]string
	}{
		{"HttpTokens", in.HttpTokens, &m.Tokens, [2]string{"optional", "required"}},
		{"HttpEndpoint", in.HttpEndpoint, &m.Endpoint, [2]string{"enabled", "disabled"}},
		{"InstanceMetadataTags", in.InstanceMetadataTags, &m.Tags, [2]string{"enabled", "disabled"}},
	} {
		if f.given == nil {
			continue
		}
		if !slices.Contains(f.possible[:], *f.given) {
			return m, invalid(f.name, *f.given, "Valid values are: "+f.possible[0]+", "+f.possible[1]+".")
		}
		*f.to = *f.given
	}
	switch v := val(in.HttpProtocolIpv6); v {
	case "":
	case "enabled", "disabled":
		m.IPv6 = v == "enabled"
	default:
		return m, invalid("HttpProtocolIpv6", v, "Valid values are: enabled, disabled.")
	}
	if n := in.HttpPutResponseHopLimit; n != nil {
		if *n < 1 || *n > 64 {
			return m, cloud.Errorf("InvalidParameterValue", "Invalid value '%d' for httpPutResponseHopLimit. The number must be from 1 to 64.", *n)
		}
		m.HopLimit = int(*n)
	}
	if m.Tags == "enabled" {
		for key := range tags {
			if !metadataTag.MatchString(key) || key == "." || key == ".." || key == "_index" {
				return m, cloud.Errorf("InvalidParameterValue", "'%s' is not a valid tag key. Tag keys must match pattern ([0-9a-zA-Z\\-_+=,.@:]{1,255}), "+
					"and must not be a reserved name ('.', '..', '_index')", key)
			}
		}
	}
	return m, nil
}
