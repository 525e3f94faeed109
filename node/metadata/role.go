package metadata

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
)

const (
	// renewBefore is how long before their end credentials are replaced: clients
	// look for new ones within the last minutes, and must find them.
	renewBefore = 15 * time.Minute
	// askAgain is how long a refusal is remembered.
	askAgain = 10 * time.Second
	// maxRoles is how many credentials are kept before those that ended are forgotten.
	maxRoles = 1024
)

// roleKey is whose credentials they are, for whom, and how they are delivered.
type roleKey struct{ instance, role, delivery string }

// roleCache keeps the credentials of roles while they are good, so that a guest
// that asks at every request of its own costs the control plane nothing.
type roleCache struct {
	mu   sync.Mutex
	kept map[roleKey]*kept // guarded by mu
}

// kept is what was last answered about one role.
type kept struct {
	mu      sync.Mutex // held while the control plane is asked, so that it is asked once
	have    cloud.Credentials
	refused *cloud.Error // why there are none; nil if there are
	asked   time.Time
}

// entry returns the entry of a key. Those of roles that the guest has no more are
// never asked for again, and forgotten when they have ended.
func (c *roleCache) entry(key roleKey, now time.Time) *kept {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.kept[key]; k != nil {
		return k
	}
	if c.kept == nil {
		c.kept = map[roleKey]*kept{}
	}
	if len(c.kept) >= maxRoles {
		maps.DeleteFunc(c.kept, func(_ roleKey, k *kept) bool { return k.mu.TryLock() && k.ended(now) })
	}
	k := &kept{}
	c.kept[key] = k
	return k
}

// ended reports whether nothing of the entry is worth keeping, and unlocks it.
func (k *kept) ended(now time.Time) bool {
	defer k.mu.Unlock()
	return !now.Before(k.have.Expires)
}

// credentials returns credentials of the guest's role that are good for a while
// yet, or a *cloud.Error that says why there are none. If the control plane cannot
// be asked, those that are still good must do.
func (s *Server) credentials(ctx context.Context, g Guest, delivery string) (cloud.Credentials, time.Time, error) {
	now := s.cfg.Now()
	k := s.roles.entry(roleKey{g.Instance.ID, g.Profile.RoleID, delivery}, now)
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.refused == nil && now.Before(k.have.Expires.Add(-renewBefore)):
		return k.have, k.asked, nil
	case k.refused != nil && now.Before(k.asked.Add(askAgain)):
		return cloud.Credentials{}, k.asked, k.refused
	}
	fresh, err := s.cfg.Credentials(ctx, g.Instance.ID, delivery)
	refused, isRefusal := errors.AsType[*cloud.Error](err)
	switch {
	case isRefusal:
		k.have, k.refused, k.asked = cloud.Credentials{}, refused, now
		return k.have, now, refused
	case err == nil && fresh.Role != g.Profile.RoleID:
		// The role has changed, and the host will hear of it.
		return cloud.Credentials{}, now, errors.New("the role of the instance is being replaced")
	case err == nil:
		k.have, k.refused, k.asked = fresh, nil, now
		return fresh, now, nil
	case k.refused == nil && now.Before(k.have.Expires):
		s.cfg.Log.Warn("renew credentials of a role", "instance", g.Instance.ID, "err", err)
		return k.have, k.asked, nil
	}
	return cloud.Credentials{}, now, err
}

// role is the directory "iam": which instance profile the guest has, and
// credentials of its role. It is not there without a profile.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html
func (s *Server) role(ctx context.Context, g Guest, delivery string) (n node) {
	if g.Profile == nil {
		return n
	}
	n.add("info", fetched(func() (string, error) { return s.roleInfo(ctx, g, delivery) }))
	if g.Profile.Role == "" {
		return n
	}
	var roles node
	roles.add(g.Profile.Role, fetched(func() (string, error) { return s.roleCredentials(ctx, g, delivery) }))
	n.add("security-credentials", roles)
	return n
}

// roleInfo is the document "info":
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_iam-ec2.html#troubleshoot_iam-ec2_errors-info-doc
func (s *Server) roleInfo(ctx context.Context, g Guest, delivery string) (string, error) {
	p := g.Profile
	info := struct {
		Code               string
		Message            string `json:",omitempty"`
		LastUpdated        string
		InstanceProfileARN string `json:"InstanceProfileArn,omitempty"`
		InstanceProfileID  string `json:"InstanceProfileId,omitempty"`
	}{Code: "Success", LastUpdated: moment(p.Since), InstanceProfileARN: p.ARN, InstanceProfileID: p.ID}
	switch {
	case p.Deleted:
		info.Code, info.InstanceProfileARN, info.InstanceProfileID = "InstanceProfileNotFound", "", ""
		info.Message = "The instance profile of the instance was deleted. Associate another."
	case p.Role == "":
		info.Message = "Instance Profile does not contain a role."
	default:
		_, asked, err := s.credentials(ctx, g, delivery)
		refused, ok := errors.AsType[*cloud.Error](err)
		if err != nil && !ok {
			return "", err
		}
		info.LastUpdated = moment(asked)
		if refused != nil {
			info.Code, info.Message = refused.Code, refused.Message
		}
	}
	return document(info), nil
}

// roleCredentials is the document below "security-credentials".
func (s *Server) roleCredentials(ctx context.Context, g Guest, delivery string) (string, error) {
	c, asked, err := s.credentials(ctx, g, delivery)
	if refused, ok := errors.AsType[*cloud.Error](err); ok {
		return document(struct{ Code, Message, LastUpdated string }{refused.Code, refused.Message, moment(asked)}), nil
	}
	if err != nil {
		return "", err
	}
	return document(struct {
		Code        string
		LastUpdated string
		Type        string
		AccessKey   string `json:"AccessKeyId"`
		Secret      string `json:"SecretAccessKey"`
		Token       string
		Expiration  string
	}{"Success", moment(c.Issued), "AWS-HMAC", c.AccessKey, c.Secret, c.Token, moment(c.Expires)}), nil
}

// moment writes a time as these documents do.
func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// document writes a struct of strings.
func document(v any) string {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err)
	}
	return string(b)
}
