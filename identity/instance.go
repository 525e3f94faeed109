package identity

import (
	"fmt"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// EC2 is the service that assumes the roles of instances, as trust policies name it.
const EC2 = "ec2.amazonaws.com"

// instanceSession is how long the credentials of an instance are good for.
const instanceSession = 6 * time.Hour

var instanceProfileTable store.Table[cloud.InstanceProfile]

// InstanceProfile finds an instance profile of an account by name.
func InstanceProfile(r store.Reader, account, name string) (cloud.InstanceProfile, bool) {
	return named(r, instanceProfileTable, cloud.InstanceProfileNames(account), name)
}

// RoleOf returns the instance profile of an instance and the role that it
// carries; found says whether the profile is still there. The role is zero if the
// profile carries none.
func RoleOf(r store.Reader, i cloud.Instance) (role cloud.Role, found bool) {
	if i.Profile == nil {
		return role, false
	}
	p, ok := instanceProfileTable.Get(r, i.Profile.Profile)
	if !ok || p.Account != i.Account {
		return role, false
	}
	if role, ok = roleTable.Get(r, p.Role); !ok || role.Account != i.Account {
		return cloud.Role{}, true
	}
	return role, true
}

// InstanceCredentials makes credentials of the role that an instance has, for
// delivery by version "1.0" or "2.0" of its metadata service. They last six hours,
// but no longer than the role: it is looked up at each request. Where there
// are none to be had, the error is a *cloud.Error with the code that the metadata
// service gives:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_iam-ec2.html
func (j *Judge) InstanceCredentials(r store.Reader, i cloud.Instance, delivery string) (cloud.Credentials, error) {
	role, found := RoleOf(r, i)
	switch {
	case !found:
		return cloud.Credentials{}, cloud.Errorf("InstanceProfileNotFound", "The instance has no instance profile, or its instance profile was deleted. Associate another.")
	case role.ID == "":
		return cloud.Credentials{}, cloud.Errorf("InstanceProfileEmpty", "Instance Profile does not contain a role.")
	}
	now := j.Now().UTC().Truncate(time.Second)
	trusted, err := j.trusts(r, role, EC2, map[string][]string{
		"aws:SourceAccount": {i.Account}, "aws:SourceArn": {j.Place.ARN("ec2", i.Account, "instance/"+i.ID)},
	})
	if err != nil {
		return cloud.Credentials{}, err
	}
	if !trusted {
		return cloud.Credentials{}, cloud.Errorf("AssumeRoleUnauthorizedAccess",
			"EC2 cannot assume the role %s. Let its trust policy allow sts:AssumeRole to the service %s.", role.Name, EC2)
	}
	s, token, err := j.Keys.Mint(cloud.Session{
		Account: i.Account, Type: cloud.PrincipalRole, Entity: role.ID, Name: i.ID, Instance: i.ID,
		Issued: now, Expires: now.Add(instanceSession), Claims: map[string][]string{"ec2:RoleDelivery": {delivery}},
	})
	if err != nil {
		return cloud.Credentials{}, fmt.Errorf("make credentials of %s: %w", i.ID, err)
	}
	return cloud.Credentials{Role: role.ID, AccessKey: s.AccessKey, Secret: s.Secret, Token: token, Issued: s.Issued, Expires: s.Expires}, nil
}

// trusts reports whether a role's trust policy lets a service of the cloud assume
// it. A service has no identity-based policies: the trust policy alone decides.
func (j *Judge) trusts(r store.Reader, role cloud.Role, service string, more map[string][]string) (bool, error) {
	about := policy.Resource{
		ARN: j.Place.GlobalARN("iam", role.Account, role.Resource()), Owner: role.Account, Tags: role.Tags,
		Keys:   map[string][]string{"aws:PrincipalIsAWSService": {"true"}, "aws:PrincipalServiceName": {service}, "aws:PrincipalServiceNamesList": {service}},
		Policy: policy.Attached{Name: "trust policy of " + role.Resource(), Document: role.Trust, Kind: policy.TrustPolicy, Required: true},
	}
	request := policy.Request{Action: "sts:AssumeRole", Resources: []policy.Resource{about}, Keys: more}
	p, err := j.attach(policy.Policies{}, about)
	if err != nil {
		return false, err
	}
	q := policy.Query{
		Principal: policy.Principal{Kind: policy.Service, Service: service}, Action: request.Action, Resource: about.ARN, Owner: about.Owner,
		Keys: keys{j, r, &request, &about}.values,
	}
	return p.Decide(&q).Allowed, nil
}
