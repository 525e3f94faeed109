package ec2

import "testing"

func TestLimitsByName(t *testing.T) {
	l := DefaultLimits()
	if err := l.Set("vpcs=20"); err != nil || l.VPCs != 20 || l.Subnets != 200 {
		t.Errorf("limits are %+v: %v", l, err)
	}
	for _, word := range []string{"vpcs", "vpcs=", "vpcs=-1", "x=1", ""} {
		if err := l.Set(word); err == nil {
			t.Errorf("%q was taken", word)
		}
	}
	for name, p := range l.names() {
		if err := l.Set(name + "=7"); err != nil || *p != 7 {
			t.Errorf("%s is %d: %v", name, *p, err)
		}
	}
	if l != (Limits{7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7}) {
		t.Errorf("names lead to %+v", l)
	}
}
