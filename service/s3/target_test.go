package s3

import "testing"

func TestTarget(t *testing.T) {
	r := newRig(t)
	r.bucket("disks")
	carol := r.user(alice, "carol", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::disks/out/*"}}`)
	if b, err := Target(carol, r.Service, "disks", "out/k"); err != nil || b.Name != "disks" {
		t.Errorf("got %+v, %v", b, err)
	}
	_, err := Target(carol, r.Service, "disks", "k")
	want(t, "another key", err, "AccessDenied")
	_, err = Target(r.bob, r.Service, "disks", "out/k")
	want(t, "another account", err, "AccessDenied")
	_, err = Target(carol, r.Service, "missing", "out/k")
	want(t, "no bucket", err, "NoSuchBucket")
}
