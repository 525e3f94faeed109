package notify

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
)

// The messages have AWS's form:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html

type message struct {
	Records []record
}

type record struct {
	EventVersion      string            `json:"eventVersion"`
	EventSource       string            `json:"eventSource"`
	AWSRegion         string            `json:"awsRegion"`
	EventTime         string            `json:"eventTime"`
	EventName         string            `json:"eventName"`
	UserIdentity      identity          `json:"userIdentity"`
	RequestParameters map[string]string `json:"requestParameters"`
	ResponseElements  map[string]string `json:"responseElements"`
	S3                entity            `json:"s3"`
}

type identity struct {
	PrincipalID string `json:"principalId"`
}

type entity struct {
	SchemaVersion string     `json:"s3SchemaVersion"`
	Configuration string     `json:"configurationId"`
	Bucket        bucketPart `json:"bucket"`
	Object        objectPart `json:"object"`
}

type bucketPart struct {
	Name  string   `json:"name"`
	Owner identity `json:"ownerIdentity"`
	ARN   string   `json:"arn"`
}

type objectPart struct {
	Key       string `json:"key"`
	Size      *int64 `json:"size,omitempty"`
	ETag      string `json:"eTag,omitempty"`
	Version   string `json:"versionId,omitempty"`
	Sequencer string `json:"sequencer"`
}

// test is what a destination is sent first.
type test struct {
	Service   string
	Event     string
	Time      string
	Bucket    string
	RequestID string `json:"RequestId"`
	HostID    string `json:"HostId"`
}

const clock = "2006-01-02T15:04:05.000Z"

// render makes the message of a note, which is sent as it is if it is no event's.
func (c *Courier) render(n object.Queued) []byte {
	var e cloud.ObjectEvent
	if json.Unmarshal(n.Body, &e) != nil {
		return n.Body
	}
	body, err := json.Marshal(c.message(e, n.Number))
	if err != nil { // never: it has only texts and numbers
		return n.Body
	}
	return body
}

// message is that of an event. Sequencers of one key ascend as texts.
func (c *Courier) message(e cloud.ObjectEvent, number uint64) any {
	at, host := e.Time.UTC().Format(clock), base64.StdEncoding.EncodeToString([]byte(e.RequestID))
	if e.Event == cloud.TestEvent {
		return test{"Amazon S3", e.Event, at, e.Bucket, e.RequestID, host}
	}
	r := record{
		EventVersion: version(e.Event), EventSource: "aws:s3", AWSRegion: c.Region, EventTime: at, EventName: strings.TrimPrefix(e.Event, "s3:"),
		UserIdentity:      identity{e.Principal},
		RequestParameters: map[string]string{"sourceIPAddress": e.SourceIP},
		ResponseElements:  map[string]string{"x-amz-request-id": e.RequestID, "x-amz-id-2": host},
		S3: entity{
			SchemaVersion: "1.0", Configuration: e.Notification,
			Bucket: bucketPart{e.Bucket, identity{c.Owner(e.Owner)}, "arn:aws:s3:::" + e.Bucket},
			Object: objectPart{Key: strings.ReplaceAll(url.QueryEscape(e.Key), "%2F", "/"), Size: e.Size, ETag: e.ETag, Version: e.Version, Sequencer: fmt.Sprintf("%018X", number)},
		},
	}
	return message{[]record{r}}
}

// version is that of the form, which differs for the events that came later.
func version(event string) string {
	for _, later := range []string{"s3:LifecycleExpiration:", "s3:ObjectTagging:", "s3:ObjectAcl:"} {
		if strings.HasPrefix(event, later) {
			return "2.3"
		}
	}
	return "2.1"
}
