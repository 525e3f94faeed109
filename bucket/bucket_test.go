package bucket

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
)

func TestRetention(t *testing.T) {
	made := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for mode, want := range map[string]object.Mode{"GOVERNANCE": object.Governance, "COMPLIANCE": object.Compliance} {
		b := cloud.Bucket{Retention: &cloud.DefaultRetention{Mode: mode, Days: 2}}
		if got := Retention(b, made); got.Mode != want || !got.Until.Equal(made.AddDate(0, 0, 2)) {
			t.Errorf("%s: %+v", mode, got)
		}
	}
	if got := Retention(cloud.Bucket{}, made); got.Mode != object.NotRetained {
		t.Errorf("without a default: %+v", got)
	}
}

func TestNotes(t *testing.T) {
	b := cloud.Bucket{Name: "one", Meta: cloud.Meta{Account: "000000000001"}}
	if Notes(b, nil) != nil {
		t.Error("nobody is notified")
	}
	b.Notifications = []cloud.Notification{
		{ID: "made", Queue: "a", Events: []string{"s3:ObjectCreated:*"}}, {ID: "gone", Queue: "b", Events: []string{"s3:ObjectRemoved:*"}},
	}
	for _, c := range []struct {
		event, version, queue string
		made                  bool // size and ETag are told
	}{
		{"s3:ObjectCreated:Put", "v1", "a", true}, {"s3:ObjectRemoved:Delete", object.NullVersion, "b", false}, {"s3:ObjectTagging:Put", "v1", "", false},
	} {
		list := Notes(b, func(object.Info) cloud.ObjectEvent { return cloud.ObjectEvent{Event: c.event} })(object.Info{Key: "k", Version: c.version, Size: 5, ETag: "e"})
		if c.queue == "" {
			if list != nil {
				t.Errorf("%s: %v", c.event, list)
			}
			continue
		}
		var e cloud.ObjectEvent
		if len(list) != 1 || list[0].Queue != c.queue || json.Unmarshal(list[0].Body, &e) != nil {
			t.Fatalf("%s: %v", c.event, list)
		}
		if e.Bucket != "one" || e.Key != "k" || e.Owner != b.Account || (e.Size != nil) != c.made || (e.ETag != "") != c.made || (e.Version != "") != (c.version != object.NullVersion) {
			t.Errorf("%s: %+v", c.event, e)
		}
	}
}
