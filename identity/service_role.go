package identity

import (
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// VMIE is the service that imports and exports disks, as trust policies name it.
const VMIE = "vmie.amazonaws.com"

// serviceSession is how long a service acts in a role at once.
const serviceSession = time.Hour

// ActAs returns a service of the cloud as a session of a role, to decide about what it
// does in it. keys are condition keys of the assumption, such as "sts:ExternalId". A
// *cloud.Error if the role does not trust the service.
func (j *Judge) ActAs(r store.Reader, role cloud.Role, service, session string, keys map[string][]string) (cloud.Caller, error) {
	trusted, err := j.trusts(r, role, service, keys)
	if err != nil {
		return cloud.Caller{}, err
	}
	now := j.Now().UTC()
	c, ok := j.CallerOf(r, cloud.Session{
		Account: role.Account, Type: cloud.PrincipalRole, Entity: role.ID, Name: session, Issued: now, Expires: now.Add(serviceSession),
	})
	if !trusted || !ok {
		return cloud.Caller{}, cloud.Errorf("AccessDenied", "%s cannot assume the role %s. Let its trust policy allow sts:AssumeRole to the service.", service, role.Name)
	}
	return c, nil
}
