package s3

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/store"
)

// Destinations finds the operator's destinations of notifications.
type Destinations interface {
	// Queue returns the queue of package object from which a destination is served, ""
	// if buckets of the account have none of that name.
	Queue(name, account string) string
}

// PutBucketNotificationConfiguration replaces whom a bucket notifies. Each new
// destination is sent a test event.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html
func (s *Service) PutBucketNotificationConfiguration(ctx context.Context, in *api.PutBucketNotificationConfigurationRequest) (*api.PutBucketNotificationConfigurationOutput, error) {
	b, err := s.allowBucket(ctx, "PutBucketNotification", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	if in.NotificationConfiguration == nil {
		return nil, malformedXML()
	}
	list, err := s.notifications(b, *in.NotificationConfiguration)
	if err != nil {
		return nil, err
	}
	var before []cloud.Notification
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		b, ok := bucketTable.Get(tx, b.ID)
		if !ok {
			return noBucket()
		}
		before, b.Notifications = b.Notifications, list
		return bucketTable.Put(tx, b)
	})
	if err == nil {
		err = s.test(ctx, b, before, list)
	}
	if err != nil {
		return nil, err
	}
	return &api.PutBucketNotificationConfigurationOutput{}, nil
}

// test sends a test event to the destinations that were not there before.
func (s *Service) test(ctx context.Context, b cloud.Bucket, before, now []cloud.Notification) error {
	told := map[string]bool{}
	for _, n := range before {
		told[n.ARN] = true
	}
	var notes []object.Note
	for _, n := range now {
		if told[n.ARN] {
			continue
		}
		told[n.ARN] = true
		body, err := json.Marshal(cloud.ObjectEvent{Event: cloud.TestEvent, Time: s.Now().UTC(), Bucket: b.Name, Owner: b.Account, RequestID: cloud.CallerFrom(ctx).RequestID})
		if err != nil {
			return err
		}
		notes = append(notes, object.Note{Queue: n.Queue, Body: body})
	}
	if notes == nil {
		return nil
	}
	return s.Objects.Leave(context.WithoutCancel(ctx), notes...)
}

// GetBucketNotificationConfiguration returns whom a bucket notifies.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketNotificationConfiguration.html
func (s *Service) GetBucketNotificationConfiguration(ctx context.Context, in *api.GetBucketNotificationConfigurationRequest) (*api.NotificationConfiguration, error) {
	b, err := s.allowBucket(ctx, "GetBucketNotification", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	out := &api.NotificationConfiguration{}
	for _, n := range b.Notifications {
		filter := shownKeyFilter(n)
		switch n.Kind {
		case "sqs":
			out.QueueConfigurations = append(out.QueueConfigurations, api.QueueConfiguration{Id: &n.ID, QueueArn: &n.ARN, Events: n.Events, Filter: filter})
		case "sns":
			out.TopicConfigurations = append(out.TopicConfigurations, api.TopicConfiguration{Id: &n.ID, TopicArn: &n.ARN, Events: n.Events, Filter: filter})
		case "lambda":
			out.LambdaFunctionConfigurations = append(out.LambdaFunctionConfigurations, api.LambdaFunctionConfiguration{Id: &n.ID, LambdaFunctionArn: &n.ARN, Events: n.Events, Filter: filter})
		}
	}
	return out, nil
}

func shownKeyFilter(n cloud.Notification) *api.NotificationConfigurationFilter {
	var rules []api.FilterRule
	if n.Prefix != nil {
		rules = append(rules, api.FilterRule{Name: &n.PrefixName, Value: n.Prefix})
	}
	if n.Suffix != nil {
		rules = append(rules, api.FilterRule{Name: &n.SuffixName, Value: n.Suffix})
	}
	if rules == nil {
		return nil
	}
	return &api.NotificationConfigurationFilter{Key: &api.S3KeyFilter{FilterRules: rules}}
}

// notifications checks a configuration.
func (s *Service) notifications(b cloud.Bucket, c api.NotificationConfiguration) (list []cloud.Notification, err error) {
	if c.EventBridgeConfiguration != nil {
		return nil, notImplemented("EventBridge; ask the operator for a destination, and name it as a queue or a topic")
	}
	add := func(kind string, id, arn *string, events []string, filter *api.NotificationConfigurationFilter) {
		n := cloud.Notification{ID: val(id), Kind: kind, ARN: val(arn), Events: events}
		if err == nil {
			err = s.checkNotification(b, &n, filter)
		}
		list = append(list, n)
	}
	for _, q := range c.QueueConfigurations {
		add("sqs", q.Id, q.QueueArn, q.Events, q.Filter)
	}
	for _, t := range c.TopicConfigurations {
		add("sns", t.Id, t.TopicArn, t.Events, t.Filter)
	}
	for _, l := range c.LambdaFunctionConfigurations {
		add("lambda", l.Id, l.LambdaFunctionArn, l.Events, l.Filter)
	}
	if err != nil {
		return nil, err
	}
	return list, checkOverlaps(list)
}

// maxNotifications bounds what every write of a bucket has to look at.
const maxNotifications = 100

func (s *Service) checkNotification(b cloud.Bucket, n *cloud.Notification, filter *api.NotificationConfigurationFilter) error {
	if n.ID == "" {
		n.ID = newRuleID()
	}
	if len(n.ID) > maxRuleID {
		return invalid("The ID of a configuration has at most %d characters", maxRuleID)
	}
	if len(n.Events) == 0 {
		return malformedXML()
	}
	for _, e := range n.Events {
		if err := checkEvent(e); err != nil {
			return err
		}
	}
	if err := keyFilter(n, filter); err != nil {
		return err
	}
	return s.resolve(b, n)
}

// happening are the events that there are here.
var happening = []string{ //nolint:gochecknoglobals // never changed
	api.EventS3ObjectCreated, api.EventS3ObjectCreatedPut, api.EventS3ObjectCreatedPost, api.EventS3ObjectCreatedCopy, api.EventS3ObjectCreatedCompleteMultipartUpload,
	api.EventS3ObjectRemoved, api.EventS3ObjectRemovedDelete, api.EventS3ObjectRemovedDeleteMarkerCreated,
	api.EventS3LifecycleExpiration, api.EventS3LifecycleExpirationDelete, api.EventS3LifecycleExpirationDeleteMarkerCreated,
	api.EventS3ObjectTagging, api.EventS3ObjectTaggingPut, api.EventS3ObjectTaggingDelete,
	api.EventS3ObjectRetentionPut, api.EventS3ObjectAclPut,
}

// checkEvent refuses events that are none, and those that never happen here.
func checkEvent(e string) error {
	if slices.Contains(happening, e) {
		return nil
	}
	for _, kind := range []string{"s3:Replication:", "s3:ObjectRestore:", "s3:ReducedRedundancyLostObject", "s3:LifecycleTransition", "s3:IntelligentTiering", "s3:ObjectAnnotation:"} {
		if strings.HasPrefix(e, kind) {
			return notImplemented("the event " + e + ", which never happens here")
		}
	}
	return invalid("The event '%s' is not supported for notifications", e)
}

// keyFilter reads which keys a notification is about.
func keyFilter(n *cloud.Notification, filter *api.NotificationConfigurationFilter) error {
	if filter == nil || filter.Key == nil {
		return nil
	}
	for _, r := range filter.Key.FilterRules {
		if r.Name == nil || r.Value == nil {
			return malformedXML()
		}
		value, name := &n.Prefix, &n.PrefixName
		switch strings.ToLower(*r.Name) {
		case api.FilterRuleNamePrefix:
		case api.FilterRuleNameSuffix:
			value, name = &n.Suffix, &n.SuffixName
		default:
			return invalid("filter rule name must be either prefix or suffix")
		}
		if *value != nil {
			return invalid("Cannot specify more than one %s rule in a filter.", strings.ToLower(*r.Name))
		}
		if len(*r.Value) > 1024 {
			return invalid("Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation")
		}
		*value, *name = r.Value, *r.Name
	}
	return nil
}

// resolve finds the operator's destination that an ARN names: NAME of any service, as
// in arn:aws:sqs:REGION:ACCOUNT:NAME and arn:aws:lambda:REGION:ACCOUNT:function:NAME.
func (s *Service) resolve(b cloud.Bucket, n *cloud.Notification) error {
	parts := strings.SplitN(n.ARN, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[1] != s.Place.Partition || parts[2] != n.Kind {
		return invalid("The ARN is not well formed")
	}
	if parts[3] != s.Place.Region {
		return invalid("The notification destination service region is not valid for the bucket location constraint")
	}
	name, ok := parts[5], true
	if n.Kind == "lambda" {
		name, ok = strings.CutPrefix(name, "function:")
	}
	if ok && parts[4] == b.Account && s.Destinations != nil {
		n.Queue = s.Destinations.Queue(name, b.Account)
	}
	if n.Queue == "" {
		return invalid("Unable to validate the following destination configurations: %s is no destination of this cloud for this account; its operator names those that there are", n.ARN)
	}
	return nil
}

// checkOverlaps refuses rules by which one event of one key goes to two destinations.
func checkOverlaps(list []cloud.Notification) error {
	if len(list) > maxNotifications {
		return invalid("A bucket has at most %d notification configurations", maxNotifications)
	}
	for k, a := range list {
		for _, b := range list[:k] {
			if a.ID == b.ID {
				return invalid("Same ID used for multiple configurations. IDs must be unique")
			}
			if sameEvents(a.Events, b.Events) && sameKeys(a, b) {
				return invalid("Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type.")
			}
		}
	}
	return nil
}

func sameEvents(a, b []string) bool {
	for _, x := range a {
		for _, y := range b {
			one, oneAll := strings.CutSuffix(x, "*")
			two, twoAll := strings.CutSuffix(y, "*")
			if x == y || oneAll && strings.HasPrefix(two, one) || twoAll && strings.HasPrefix(one, two) {
				return true
			}
		}
	}
	return false
}

// sameKeys reports whether a key can fit both.
func sameKeys(a, b cloud.Notification) bool {
	p, q, x, y := val(a.Prefix), val(b.Prefix), val(a.Suffix), val(b.Suffix)
	return (strings.HasPrefix(p, q) || strings.HasPrefix(q, p)) && (strings.HasSuffix(x, y) || strings.HasSuffix(y, x))
}
