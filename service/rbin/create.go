package rbin

import (
	"cmp"
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"unicode/utf8"

	api "github.com/vauban-cloud/vauban/awsapi/rbin"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/service/internal/tagging"
	"github.com/vauban-cloud/vauban/store"
)

// The limits of a rule: https://docs.aws.amazon.com/ebs/latest/userguide/recycle-bin-quotas.html
const (
	maxDays              = 365
	minUnlock, maxUnlock = 7, 30
	maxDescription       = 255
	maxMatch, maxExclude = 50, 5
	maxRules             = 250 // of an account
)

// CreateRule makes a rule, perhaps locked.
// https://docs.aws.amazon.com/recyclebin/latest/APIReference/API_CreateRule.html
func (s *Service) CreateRule(ctx context.Context, in *api.CreateRuleRequest) (*api.CreateRuleResponse, error) {
	tags := tagsOf(in.Tags)
	caller, err := s.allowCreate(ctx, in, tags)
	if err != nil {
		return nil, err
	}
	now := s.Now().UTC()
	r := cloud.RecycleRule{Meta: cloud.Meta{ID: s.newID(), Account: caller.Account, Created: now, Tags: tags}, Resource: *in.ResourceType}
	if !slices.Contains([]string{api.ResourceTypeEBSSNAPSHOT, api.ResourceTypeEC2IMAGE}, r.Resource) {
		return nil, invalid("The resource type %q is not EBS_SNAPSHOT or EC2_IMAGE.", r.Resource)
	}
	if wrong := tagging.Check(tags); wrong != "" || len(tags) != len(in.Tags) {
		return nil, invalid("%s", cmp.Or(wrong, "A tag key is given more than once."))
	}
	if err := change(&r, in.Description, in.RetentionPeriod, in.ResourceTags, in.ExcludeResourceTags); err != nil {
		return nil, err
	}
	if in.LockConfiguration != nil {
		if err := lock(&r, in.LockConfiguration); err != nil {
			return nil, err
		}
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		if rules.Count(tx, cloud.AccountLabel(caller.Account)) >= maxRules {
			return &cloud.Error{Code: "ServiceQuotaExceededException", Status: 402, Reason: api.ServiceQuotaExceededExceptionReasonSERVICEQUOTAEXCEEDED, Message: "The account has as many rules as it may have."}
		}
		return rules.Create(tx, r)
	})
	if err != nil {
		return nil, err
	}
	g := s.show(r)
	return &api.CreateRuleResponse{
		Identifier: g.Identifier, RuleArn: g.RuleArn, Description: g.Description, ResourceType: g.ResourceType, RetentionPeriod: g.RetentionPeriod,
		ResourceTags: g.ResourceTags, ExcludeResourceTags: g.ExcludeResourceTags, LockConfiguration: g.LockConfiguration, LockState: g.LockState, Status: g.Status, Tags: in.Tags,
	}, nil
}

// allowCreate asks for the creation, and for the tags and the lock that come with it.
func (s *Service) allowCreate(ctx context.Context, in *api.CreateRuleRequest, tags map[string]string) (cloud.Caller, error) {
	about := policy.Resource{ARN: s.arn(cloud.CallerFrom(ctx).Account, "*")}
	k := tagging.Keys(tags)
	caller, err := s.allow(ctx, "CreateRule", about, with(k, "rbin:Request/ResourceType", val(in.ResourceType)))
	if err == nil && len(tags) > 0 {
		_, err = s.allow(ctx, "TagResource", about, k)
	}
	if err == nil && in.LockConfiguration != nil {
		_, err = s.allow(ctx, "LockRule", about, keys{})
	}
	return caller, err
}

func with(k keys, name, value string) keys {
	all := keys{name: {value}}
	maps.Copy(all, k)
	return all
}

// newID has letters and digits only.
func (s *Service) newID() string {
	if s.NewID != nil {
		return s.NewID()
	}
	return rand.Text()[:11]
}

// change sets what a request says of a rule, as far as it says it; a rule needs a period.
func change(r *cloud.RecycleRule, description *string, period *api.RetentionPeriod, match, exclude []api.ResourceTag) error {
	if description != nil {
		r.Description = *description
	}
	if period != nil {
		if val(period.RetentionPeriodUnit) != api.RetentionPeriodUnitDAYS {
			return invalid("The unit %q of the retention period is not DAYS.", val(period.RetentionPeriodUnit))
		}
		r.Days = int(val(period.RetentionPeriodValue))
	}
	if match != nil {
		r.Match = wanted(match)
	}
	if exclude != nil {
		r.Exclude = wanted(exclude)
	}
	switch {
	case utf8.RuneCountInString(r.Description) > maxDescription:
		return invalid("The description has more than %d characters.", maxDescription)
	case r.Days < 1 || r.Days > maxDays:
		return invalid("The retention period of %d days is not 1 to %d.", r.Days, maxDays)
	case len(r.Match) > maxMatch || len(r.Exclude) > maxExclude:
		return invalid("A rule has at most %d resource tags, and %d exclusion tags.", maxMatch, maxExclude)
	case len(r.Match) > 0 && len(r.Exclude) > 0:
		return invalid("A rule has resource tags, or exclusion tags, and not both.")
	}
	for _, t := range slices.Concat(r.Match, r.Exclude) {
		if wrong := tagging.Check(map[string]string{t.Key: val(t.Value)}); wrong != "" {
			return invalid("%s", wrong)
		}
	}
	return nil
}

func wanted(tags []api.ResourceTag) (out []cloud.ResourceTag) {
	for _, t := range tags {
		out = append(out, cloud.ResourceTag{Key: val(t.ResourceTagKey), Value: t.ResourceTagValue})
	}
	return out
}

// lock locks a rule, which must be for all resources of its kind.
func lock(r *cloud.RecycleRule, c *api.LockConfiguration) error {
	d := c.UnlockDelay
	switch days := int(val(d.UnlockDelayValue)); {
	case val(d.UnlockDelayUnit) != api.UnlockDelayUnitDAYS:
		return invalid("The unit %q of the unlock delay is not DAYS.", val(d.UnlockDelayUnit))
	case days < minUnlock || days > maxUnlock:
		return invalid("The unlock delay of %d days is not %d to %d.", days, minUnlock, maxUnlock)
	case len(r.Match) > 0 || len(r.Exclude) > 0:
		return invalid("Rules with resource tags or exclusion tags cannot be locked.")
	case r.UnlockDays != 0 && r.UnlockDays != days:
		return invalid("The unlock delay cannot be changed: it is %d days.", r.UnlockDays)
	default:
		r.Locked, r.UnlockDays = true, days
		return nil
	}
}
