package dlm

import (
	"slices"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/dlm"
	"github.com/vauban-cloud/vauban/cloud"
)

// The limits of a policy: https://docs.aws.amazon.com/ebs/latest/userguide/dlm-quotas.html
const (
	maxSchedules = 4
	maxTargets   = 50
	maxAdded     = 45 // tags of a snapshot, beside those that the policy marks it with
	maxKept      = 1000
	maxYears     = 100
	maxName      = 120
	defaultStart = "09:00"
)

// details sets what a policy is for, and when.
func details(p *cloud.LifecyclePolicy, d *api.PolicyDetails) error {
	switch kind := val(d.PolicyType); {
	case kind != "" && kind != api.PolicyTypeValuesEBSSNAPSHOTMANAGEMENT:
		return absent("Policies of the type " + kind)
	case d.PolicyLanguage != nil && *d.PolicyLanguage != api.PolicyLanguageValuesSTANDARD, d.ResourceType != nil, d.CreateInterval != nil, d.RetainInterval != nil,
		d.CopyTags != nil, d.ExtendDeletion != nil, d.CrossRegionCopyTargets != nil, d.Exclusions != nil:
		return absent("Default policies")
	case d.EventSource != nil, len(d.Actions) > 0:
		return absent("Event-based policies")
	case len(d.ResourceTypes) != 1 || d.ResourceTypes[0] != api.ResourceTypeValuesVOLUME && d.ResourceTypes[0] != api.ResourceTypeValuesINSTANCE:
		return invalid("ResourceTypes is one of VOLUME and INSTANCE.")
	case len(d.ResourceLocations) > 0 && !slices.Equal(d.ResourceLocations, []string{api.ResourceLocationValuesCLOUD}):
		return absent("Resource locations other than CLOUD")
	case len(d.TargetTags) == 0 || len(d.TargetTags) > maxTargets:
		return invalid("A policy has 1 to %d target tags.", maxTargets)
	case len(d.Schedules) == 0 || len(d.Schedules) > maxSchedules:
		return invalid("A policy has 1 to %d schedules.", maxSchedules)
	}
	p.Resource, p.Targets, p.Schedules, p.ExcludeBoot, p.ExcludeData = d.ResourceTypes[0], wanted(d.TargetTags), nil, false, nil
	if q := d.Parameters; q != nil {
		switch {
		case q.NoReboot != nil:
			return invalid("NoReboot is for policies of images.")
		case p.Resource != api.ResourceTypeValuesINSTANCE:
			return invalid("Volumes are excluded from policies of the resource type INSTANCE only.")
		}
		p.ExcludeBoot, p.ExcludeData = val(q.ExcludeBootVolume), wanted(q.ExcludeDataVolumeTags)
	}
	for _, in := range d.Schedules {
		s, err := schedule(in, p.Resource)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(p.Schedules, func(o cloud.SnapshotSchedule) bool { return o.Name == s.Name }) {
			return invalid("Two schedules are named %q.", s.Name)
		}
		p.Schedules = append(p.Schedules, s)
	}
	return nil
}

func wanted(tags []api.Tag) (out []cloud.ResourceTag) {
	for _, t := range tags {
		out = append(out, cloud.ResourceTag{Key: val(t.Key), Value: new(val(t.Value))})
	}
	return out
}

// schedule reads a schedule.
func schedule(in api.Schedule, resource string) (s cloud.SnapshotSchedule, err error) {
	s.Name, s.CopyTags = val(in.Name), val(in.CopyTags)
	switch {
	case in.ArchiveRule != nil:
		return s, absent("Archives")
	case len(in.CrossRegionCopyRules) > 0:
		return s, absent("Other regions")
	case in.FastRestoreRule != nil:
		return s, absent("Fast restores")
	case in.DeprecateRule != nil:
		return s, invalid("Deprecation rules are for policies of images.")
	case len(in.ShareRules) > 0:
		return s, absent("Rules that share snapshots")
	case s.Name == "" || len(s.Name) > maxName:
		return s, invalid("A schedule's name has 1 to %d characters.", maxName)
	case in.CreateRule == nil || in.RetainRule == nil:
		return s, invalid("A schedule has a CreateRule and a RetainRule.")
	}
	if err := creation(&s, in.CreateRule); err != nil {
		return s, err
	}
	if err := retention(&s, in.RetainRule); err != nil {
		return s, err
	}
	if s.Tags, err = tagMap(in.TagsToAdd); err != nil {
		return s, err
	}
	if s.Variables, err = tagMap(in.VariableTags); err != nil {
		return s, err
	}
	for key, value := range s.Variables {
		if resource != api.ResourceTypeValuesINSTANCE || value != "$(instance-id)" && value != "$(timestamp)" {
			return s, invalid("The variable tag %q is $(instance-id) or $(timestamp), in policies of instances.", key)
		}
	}
	if len(s.Tags)+len(s.Variables) > maxAdded {
		return s, invalid("A schedule adds at most %d tags.", maxAdded)
	}
	return s, nil
}

// creation reads when snapshots are taken.
func creation(s *cloud.SnapshotSchedule, in *api.CreateRule) error {
	switch {
	case len(in.Scripts) > 0:
		return absent("Scripts")
	case in.Location != nil && *in.Location != api.LocationValuesCLOUD:
		return absent("Locations other than CLOUD")
	case in.CronExpression != nil:
		if in.Interval != nil || in.IntervalUnit != nil || len(in.Times) > 0 {
			return invalid("A CreateRule has a CronExpression, or an Interval.")
		}
		if _, err := cloud.ParseCron(*in.CronExpression); err != nil {
			return invalid("CronExpression: %v.", err)
		}
		s.Cron = *in.CronExpression
		return nil
	case !slices.Contains([]int32{1, 2, 3, 4, 6, 8, 12, 24}, val(in.Interval)) || val(in.IntervalUnit) != api.IntervalUnitValuesHOURS:
		return invalid("The interval is 1, 2, 3, 4, 6, 8, 12 or 24 HOURS.")
	case len(in.Times) > 1:
		return invalid("A CreateRule has one time.")
	}
	s.Hours, s.Start = int(*in.Interval), defaultStart
	if len(in.Times) == 1 {
		s.Start = in.Times[0]
	}
	if _, err := time.Parse("15:04", s.Start); err != nil || len(s.Start) != 5 {
		return invalid("The time %q is not of the form hh:mm.", s.Start)
	}
	return nil
}

// retention reads how long snapshots stay.
func retention(s *cloud.SnapshotSchedule, in *api.RetainRule) error {
	count, interval, unit := val(in.Count), val(in.Interval), val(in.IntervalUnit)
	if in.Count != nil {
		if in.Interval != nil || in.IntervalUnit != nil || count < 1 || count > maxKept {
			return invalid("A RetainRule has a Count of 1 to %d, or an Interval.", maxKept)
		}
		s.Count = int(count)
		return nil
	}
	days, ok := map[string]int32{
		api.RetentionIntervalUnitValuesDAYS: 1, api.RetentionIntervalUnitValuesWEEKS: 7, api.RetentionIntervalUnitValuesMONTHS: 30, api.RetentionIntervalUnitValuesYEARS: 365,
	}[unit]
	if !ok || interval < 1 || interval > maxYears*365/days {
		return invalid("A RetainRule keeps snapshots for 1 day to %d years.", maxYears)
	}
	s.Keep = cloud.RetentionInterval{Count: int(interval), Unit: unit}
	return nil
}

func showDetails(p cloud.LifecyclePolicy) *api.PolicyDetails {
	d := &api.PolicyDetails{
		PolicyType: new(api.PolicyTypeValuesEBSSNAPSHOTMANAGEMENT), ResourceTypes: []string{p.Resource}, ResourceLocations: []string{api.ResourceLocationValuesCLOUD},
		TargetTags: shown(p.Targets), PolicyLanguage: new(api.PolicyLanguageValuesSTANDARD),
	}
	if p.ExcludeBoot || len(p.ExcludeData) > 0 {
		d.Parameters = &api.Parameters{ExcludeBootVolume: &p.ExcludeBoot, ExcludeDataVolumeTags: shown(p.ExcludeData)}
	}
	for _, s := range p.Schedules {
		out := api.Schedule{
			Name: &s.Name, CopyTags: &s.CopyTags, TagsToAdd: join(s.Tags), VariableTags: join(s.Variables),
			CreateRule: &api.CreateRule{CronExpression: opt(s.Cron), Location: new(api.LocationValuesCLOUD)}, RetainRule: &api.RetainRule{Count: opt(int32(s.Count))}, //nolint:gosec // maxKept at most
		}
		if s.Hours > 0 {
			out.CreateRule.Interval, out.CreateRule.IntervalUnit, out.CreateRule.Times = new(int32(s.Hours)), new(api.IntervalUnitValuesHOURS), []string{s.Start} //nolint:gosec // a day at most
		}
		if s.Count == 0 {
			out.RetainRule.Interval, out.RetainRule.IntervalUnit = new(int32(s.Keep.Count)), &s.Keep.Unit //nolint:gosec // bounded by maxYears
		}
		d.Schedules = append(d.Schedules, out)
	}
	return d
}

func shown(tags []cloud.ResourceTag) (out []api.Tag) {
	for _, t := range tags {
		out = append(out, api.Tag{Key: &t.Key, Value: t.Value})
	}
	return out
}
