package main

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// chainDepth is how many images of an instance of an image are made one of another.
const chainDepth = 20

// launchFromChain launches guests from the first and from the last image of a chain, in
// turns: what lies under a disk must cost a launch nothing.
func launchFromChain(b *bench) {
	t := b.tenant()
	first, image := "", t.image
	for n := range b.samples(chainDepth, 2) {
		t.image = image
		l := t.launch()
		image = t.imageOf(*l.InstanceId, fmt.Sprintf("generation %d", n+1))
		t.terminate(*l.InstanceId)
		if first == "" {
			first = image
		}
	}
	took := map[string]durations{}
	var ratios []float64
	for range b.samples(5, 1) {
		for _, of := range []string{first, image} {
			t.image = of
			begin := time.Now()
			l := t.launch()
			b.must(awaitSSH(b.ctx, netip.MustParseAddr(*l.PublicIpAddress)))
			took[of] = append(took[of], time.Since(begin))
			t.terminate(*l.InstanceId)
		}
		n := len(ratios)
		ratios = append(ratios, took[image][n].Seconds()/took[first][n].Seconds())
	}
	note := fmt.Sprintf("%d pairs; medians %.2f s and %.2f s", len(ratios), took[image].at(0.5).Seconds(), took[first].at(0.5).Seconds())
	b.add(result{
		Measure: fmt.Sprintf("launch to SSH from a chain of %d images / of 1, median", b.samples(chainDepth, 2)),
		Value:   median(ratios), Unit: "x", Goal: atMost(1.1), Note: note,
	})
}

// imageOf makes an image of an instance as it runs, and waits until it is available.
func (t tenant) imageOf(instance, name string) string {
	out, err := t.client.CreateImage(t.ctx, &ec2.CreateImageInput{InstanceId: &instance, Name: &name, NoReboot: new(true)})
	t.must(err)
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		found, err := t.client.DescribeImages(t.ctx, &ec2.DescribeImagesInput{ImageIds: []string{*out.ImageId}})
		t.must(err)
		switch i := found.Images[0]; {
		case i.State == types.ImageStateAvailable:
			return *i.ImageId
		case i.State == types.ImageStateFailed, time.Now().After(deadline):
			t.Fatalf("image %s is %s", *i.ImageId, i.State)
		}
	}
}
