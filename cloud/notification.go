package cloud

import (
	"encoding/json"
	"strings"
	"time"
)

// Notification says which events of a bucket go to a destination:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html
type Notification struct {
	ID     string
	Kind   string   // "sqs", "sns" or "lambda": what the caller took the destination for
	ARN    string   // of the destination
	Queue  string   // of package object, from which it is delivered
	Events []string // "s3:ObjectCreated:Put"; "s3:ObjectCreated:*" for all that begin so
	// Prefix and Suffix are what keys begin and end with; nil: anything.
	Prefix, Suffix *string `json:",omitempty"`
	// PrefixName and SuffixName are how the caller wrote the names of the two.
	PrefixName, SuffixName string `json:",omitempty"`
}

// Wants reports whether it wants an event of a key.
func (n *Notification) Wants(event, key string) bool {
	if n.Prefix != nil && !strings.HasPrefix(key, *n.Prefix) || n.Suffix != nil && !strings.HasSuffix(key, *n.Suffix) {
		return false
	}
	for _, e := range n.Events {
		if all, ok := strings.CutSuffix(e, "*"); e == event || ok && strings.HasPrefix(event, all) {
			return true
		}
	}
	return false
}

// ObjectEvent is what happened to an object, as it waits for its delivery.
type ObjectEvent struct {
	Event        string // "s3:ObjectCreated:Put"
	Notification string `json:",omitempty"` // ID of the one that wants it
	Time         time.Time
	Bucket       string // name
	Owner        string // canonical user ID of the bucket's owner
	Key          string `json:",omitempty"`
	Version      string `json:",omitempty"`
	ETag         string `json:",omitempty"`
	Size         *int64 `json:",omitempty"`
	Principal    string // user ID of who did it, or "s3.amazonaws.com"
	SourceIP     string `json:",omitempty"`
	RequestID    string
}

// TestEvent tells a destination that a bucket will notify it.
const TestEvent = "s3:TestEvent"

// Made reports whether the event is one of a new version.
func (e *ObjectEvent) Made() bool { return strings.HasPrefix(e.Event, "s3:ObjectCreated:") }

// Removed reports whether it is one of a version that is gone or hidden.
func (e *ObjectEvent) Removed() bool {
	return strings.HasPrefix(e.Event, "s3:ObjectRemoved:") || strings.HasPrefix(e.Event, "s3:LifecycleExpiration:")
}

// Message is an event on its way to a destination.
type Message struct {
	Queue string
	Body  []byte // an ObjectEvent in JSON
}

// Messages are what a bucket has to tell of an event.
func (b *Bucket) Messages(e ObjectEvent) (list []Message) {
	for k := range b.Notifications {
		n := &b.Notifications[k]
		if !n.Wants(e.Event, e.Key) {
			continue
		}
		e.Notification = n.ID
		if body, err := json.Marshal(e); err == nil { // always
			list = append(list, Message{n.Queue, body})
		}
	}
	return list
}
