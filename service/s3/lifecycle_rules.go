package s3

import (
	"crypto/rand"
	"encoding/base64"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
)

// The limits of a lifecycle:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
const (
	maxRules        = 1000
	maxRuleID       = 255
	maxNewer        = 100
	maxLifecycleKey = 1024
)

// lifecycle checks rules, and gives those an ID that have none.
func lifecycle(rules []api.LifecycleRule) (cloud.Lifecycle, error) {
	if len(rules) == 0 || len(rules) > maxRules {
		return nil, malformedXML()
	}
	list, ids := cloud.Lifecycle{}, map[string]bool{}
	for _, r := range rules {
		rule, err := lifecycleRule(r)
		if err != nil {
			return nil, err
		}
		if rule.ID == "" {
			rule.ID = newRuleID()
		}
		if ids[rule.ID] {
			return nil, invalid("Rule ID must be unique. Found same ID for more than one rule")
		}
		ids[rule.ID] = true
		list = append(list, rule)
	}
	return list, nil
}

func newRuleID() string {
	var b [36]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func lifecycleRule(r api.LifecycleRule) (out cloud.LifecycleRule, err error) {
	if out.ID = val(r.ID); len(out.ID) > maxRuleID {
		return out, invalid("ID length should not exceed allowed limit of %d", maxRuleID)
	}
	switch val(r.Status) {
	case api.ExpirationStatusEnabled:
	case api.ExpirationStatusDisabled:
		out.Disabled = true
	default:
		return out, malformedXML()
	}
	if (r.Filter == nil) == (r.Prefix == nil) {
		return out, malformedXML()
	}
	if out.Legacy = r.Prefix; r.Filter != nil {
		out.Filter, err = lifecycleFilter(*r.Filter)
	}
	if err != nil {
		return out, err
	}
	if len(out.Filter.Tags) == 0 {
		out.Filter.Tags = nil
	}
	for _, prefix := range []*string{out.Legacy, out.Filter.Prefix} {
		if len(val(prefix)) > maxLifecycleKey {
			return out, invalidRequest("The maximum size of a prefix is %d.", maxLifecycleKey)
		}
	}
	return out, lifecycleActions(r, &out)
}

// lifecycleActions checks what a rule does.
func lifecycleActions(r api.LifecycleRule, out *cloud.LifecycleRule) (err error) {
	if len(r.Transitions) > 0 || len(r.NoncurrentVersionTransitions) > 0 {
		return notImplemented("transitions between storage classes: STANDARD is the only one; use Expiration or NoncurrentVersionExpiration")
	}
	if r.Expiration == nil && r.NoncurrentVersionExpiration == nil && r.AbortIncompleteMultipartUpload == nil {
		return invalidRequest("At least one action needs to be specified in a rule")
	}
	tagged, sized := out.Filter.Tags != nil, out.Filter.Above != nil || out.Filter.Below != nil
	if e := r.Expiration; e != nil {
		if out.Expiration, err = expirationOf(*e); err != nil {
			return err
		}
		if out.Expiration.Markers != nil {
			if err := unfiltered("ExpiredObjectDeleteMarker", tagged, sized); err != nil {
				return err
			}
		}
	}
	if n := r.NoncurrentVersionExpiration; n != nil {
		if out.Noncurrent, err = noncurrentOf(*n); err != nil {
			return err
		}
	}
	if a := r.AbortIncompleteMultipartUpload; a != nil {
		if err := unfiltered("AbortIncompleteMultipartUpload", tagged, sized); err != nil {
			return err
		}
		if val(a.DaysAfterInitiation) <= 0 {
			return invalid("'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer")
		}
		out.Abort = int(*a.DaysAfterInitiation)
	}
	return nil
}

// unfiltered refuses what is about things that have neither tags nor a size.
func unfiltered(action string, tagged, sized bool) error {
	switch {
	case tagged:
		return invalidRequest("%s cannot be specified with Tags.", action)
	case sized:
		return invalidRequest("%s cannot be specified with Object Size.", action)
	}
	return nil
}

func expirationOf(e api.LifecycleExpiration) (*cloud.LifecycleExpiration, error) {
	out := &cloud.LifecycleExpiration{Markers: e.ExpiredObjectDeleteMarker}
	given := 0
	for _, is := range []bool{e.Date != nil, e.Days != nil, e.ExpiredObjectDeleteMarker != nil} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		return nil, malformedXML()
	case e.Days != nil && *e.Days <= 0:
		return nil, invalid("'Days' for Expiration action must be a positive integer")
	case e.Date != nil && !e.Date.Equal(e.Date.UTC().Truncate(24*time.Hour)):
		return nil, invalid("'Date' must be at midnight GMT")
	case e.Date != nil:
		out.Date = e.Date.UTC()
	case e.Days != nil:
		out.Days = int(*e.Days)
	}
	return out, nil
}

func noncurrentOf(n api.NoncurrentVersionExpiration) (*cloud.NoncurrentExpiry, error) {
	switch {
	case n.NoncurrentDays == nil:
		return nil, malformedXML()
	case *n.NoncurrentDays <= 0:
		return nil, invalid("'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer")
	case n.NewerNoncurrentVersions != nil && (*n.NewerNoncurrentVersions < 1 || *n.NewerNoncurrentVersions > maxNewer):
		return nil, invalid("'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be a positive integer that is not larger than %d", maxNewer)
	}
	return &cloud.NoncurrentExpiry{Days: int(*n.NoncurrentDays), Newer: int(val(n.NewerNoncurrentVersions))}, nil
}

// lifecycleFilter checks a filter: it has one condition, or And with two or more.
func lifecycleFilter(f api.LifecycleRuleFilter) (out cloud.LifecycleFilter, err error) {
	var tags []api.Tag
	if f.Tag != nil {
		tags = []api.Tag{*f.Tag}
	}
	out = cloud.LifecycleFilter{Prefix: f.Prefix, Above: f.ObjectSizeGreaterThan, Below: f.ObjectSizeLessThan}
	if n := conditionsOf(out, tags); n > 1 || n > 0 && f.And != nil {
		return out, malformedXML()
	}
	if a := f.And; a != nil {
		tags = a.Tags
		out = cloud.LifecycleFilter{And: true, Prefix: a.Prefix, Above: a.ObjectSizeGreaterThan, Below: a.ObjectSizeLessThan}
		if conditionsOf(out, tags) < 2 {
			return out, malformedXML()
		}
	}
	seen := map[string]bool{}
	for _, t := range tags {
		if t.Key != nil && seen[*t.Key] {
			return out, invalidRequest("Duplicate Tag Keys are not allowed.")
		}
		seen[val(t.Key)] = true
	}
	if out.Tags, err = checkTags(tags, maxObjectTags); err != nil {
		return out, err
	}
	return out, checkSizes(out)
}

func conditionsOf(f cloud.LifecycleFilter, tags []api.Tag) int {
	n := len(tags)
	for _, is := range []bool{f.Prefix != nil, f.Above != nil, f.Below != nil} {
		if is {
			n++
		}
	}
	return n
}

func checkSizes(f cloud.LifecycleFilter) error {
	switch {
	case f.Above != nil && *f.Above < 0:
		return invalidRequest("'ObjectSizeGreaterThan' must not be negative")
	case f.Below != nil && *f.Below < 1:
		return invalidRequest("'ObjectSizeLessThan' must be a positive integer")
	case f.Above != nil && f.Below != nil && *f.Above >= *f.Below:
		return invalidRequest("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'")
	}
	return nil
}
