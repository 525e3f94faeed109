package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// TestObjectsOverTime has every aws of the machine configure what buckets do by
// themselves, in a cloud whose days are short and which is killed once.
func TestObjectsOverTime(t *testing.T) {
	t.Parallel()
	queue := filepath.Join(t.TempDir(), "queue")
	c := e2e.Start(t, "--lifecycle-day", "2s", "--access-logs-every", "1s", "--notification-destination", "desk=file://"+queue)
	region := ""
	for _, v := range c.Env {
		if value, ok := strings.CutPrefix(v, "AWS_DEFAULT_REGION="); ok {
			region = value
		}
	}
	account := strings.TrimSpace(c.Query("Account", "sts", "get-caller-identity"))
	for n, program := range installed(t, "aws") {
		l := timeLine{objectLine{commandLine{program, c}, fmt.Sprintf("time%d-files", n), t.TempDir()}, "arn:aws:sqs:" + region + ":" + account + ":desk", queue}
		t.Run(fmt.Sprintf("cli%d", n), func(t *testing.T) {
			l.must(t, "s3api", "create-bucket", "--bucket", l.bucket, "--object-lock-enabled-for-bucket", "--create-bucket-configuration", "LocationConstraint="+region)
			t.Run("notifications", l.notifications)
			t.Run("lifecycle", l.lifecycle)
			t.Run("access logs", l.logs)
			t.Run("locks", l.locks)
		})
	}
	if out := c.Vauban("admin", "usage", "--bucket", "time0-files"); !strings.Contains(out, "time0-files") {
		t.Errorf("the usage is\n%s", out)
	}
	// Each start samples what there is.
	c.Kill()
	c.Up()
	if out := c.Vauban("admin", "usage", "--since", "2h"); !strings.Contains(out, "time0-files") {
		t.Errorf("the samples are\n%s", out)
	}
	if out := c.Vauban("status"); !strings.Contains(out, "1 destinations, 0 notifications wait") {
		t.Errorf("the status is\n%s", out)
	}
}

// timeLine is an aws that may notify a queue file.
type timeLine struct {
	objectLine
	arn, queue string
}

// put puts a small object, and returns its version.
func (l timeLine) put(t *testing.T, bucket, key string) string {
	t.Helper()
	l.write(t, "body", 10)
	return l.must(t, "s3api", "put-object", "--bucket", bucket, "--key", key, "--body", l.path("body"), "--query", "VersionId")
}

// eventually waits for a file, or what a command prints, to hold a text.
func (l timeLine) eventually(t *testing.T, text string, look func() (string, error)) {
	t.Helper()
	l.c.Eventually(text, 90*time.Second, func() error {
		out, err := look()
		if err == nil && !strings.Contains(out, text) {
			err = errors.New("there is " + out)
		}
		return err
	})
}

func (l timeLine) read() (string, error) {
	b, err := os.ReadFile(l.queue)
	return string(b), err
}

func (l timeLine) notifications(t *testing.T) {
	configure := func(arn string) []string {
		return []string{
			"s3api", "put-bucket-notification-configuration", "--bucket", l.bucket, "--notification-configuration",
			`{"QueueConfigurations":[{"Id":"n","QueueArn":"` + arn + `","Events":["s3:ObjectCreated:*","s3:LifecycleExpiration:*"],"Filter":{"Key":{"FilterRules":[{"Name":"suffix","Value":".txt"}]}}}]}`,
		}
	}
	l.refused(t, "InvalidArgument", configure(l.arn+"2")...)
	l.must(t, configure(l.arn)...)
	l.eventually(t, `"Event":"s3:TestEvent"`, l.read)
	version := l.put(t, l.bucket, "told.txt")
	l.put(t, l.bucket, "silent.bin")
	l.eventually(t, `"eventName":"ObjectCreated:Put"`, l.read)
	if out, err := l.read(); err != nil || !strings.Contains(out, version) || strings.Contains(out, "silent.bin") {
		t.Errorf("the queue holds %s, %v", out, err)
	}
}

func (l timeLine) lifecycle(t *testing.T) {
	l.refused(t, "NoSuchLifecycleConfiguration", "s3api", "get-bucket-lifecycle-configuration", "--bucket", l.bucket)
	l.put(t, l.bucket, "stays.txt")
	l.put(t, l.bucket, "tmp/goes.txt")
	l.must(t, "s3api", "put-bucket-lifecycle-configuration", "--bucket", l.bucket, "--lifecycle-configuration",
		`{"Rules":[{"ID":"tmp","Status":"Enabled","Filter":{"Prefix":"tmp/"},"Expiration":{"Days":1},"NoncurrentVersionExpiration":{"NoncurrentDays":1}}]}`)
	l.eventually(t, "LifecycleExpiration:DeleteMarkerCreated", l.read)
	l.c.Eventually("the old version is gone, and then its marker", 90*time.Second, func() error {
		out, err := l.try("s3api", "list-object-versions", "--bucket", l.bucket, "--prefix", "tmp/")
		if err == nil && strings.Contains(out, "goes.txt") {
			err = errors.New(out)
		}
		return err
	})
	l.must(t, "s3api", "head-object", "--bucket", l.bucket, "--key", "stays.txt")
	l.must(t, "s3api", "delete-bucket-lifecycle", "--bucket", l.bucket)
}

func (l timeLine) logs(t *testing.T) {
	target := l.bucket + "-logs"
	l.must(t, "s3", "mb", "s3://"+target)
	l.must(t, "s3api", "put-bucket-logging", "--bucket", l.bucket, "--bucket-logging-status", `{"LoggingEnabled":{"TargetBucket":"`+target+`","TargetPrefix":"log/"}}`)
	l.put(t, l.bucket, "logged")
	l.eventually(t, " REST.PUT.OBJECT logged ", func() (string, error) {
		if _, err := l.try("s3", "sync", "s3://"+target, l.path("logs")); err != nil {
			return "", err
		}
		var all strings.Builder
		names, err := filepath.Glob(l.path("logs/log/*"))
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				return "", err
			}
			all.Write(b)
		}
		return all.String(), err
	})
}

func (l timeLine) locks(t *testing.T) {
	l.must(t, "s3api", "put-object-lock-configuration", "--bucket", l.bucket, "--object-lock-configuration",
		`{"ObjectLockEnabled":"Enabled","Rule":{"DefaultRetention":{"Mode":"COMPLIANCE","Days":1}}}`)
	version := l.put(t, l.bucket, "kept")
	l.refused(t, "AccessDenied", "s3api", "delete-object", "--bucket", l.bucket, "--key", "kept", "--version-id", version, "--bypass-governance-retention")
	if out := l.must(t, "s3api", "get-object-retention", "--bucket", l.bucket, "--key", "kept", "--query", "Retention.Mode"); out != "COMPLIANCE" {
		t.Errorf("it is retained by %s", out)
	}
}
