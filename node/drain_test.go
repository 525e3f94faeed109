package node_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/block"
	blockfake "github.com/vauban-cloud/vauban/driver/block/fake"
	"github.com/vauban-cloud/vauban/driver/hypervisor"
	hypervisorfake "github.com/vauban-cloud/vauban/driver/hypervisor/fake"
	networkfake "github.com/vauban-cloud/vauban/driver/network/fake"
	"github.com/vauban-cloud/vauban/node"
	"github.com/vauban-cloud/vauban/seal"
)

// still is a View in which nothing changes.
type still struct{ *node.Assignment }

func (s still) Assigned(context.Context) (*node.Assignment, error)             { return s.Assignment, nil }
func (still) Changed() <-chan struct{}                                         { return nil }
func (still) ReportHost(context.Context, cloud.Host) error                     { return nil }
func (still) ReportInstance(context.Context, string, cloud.InstanceSeen) error { return nil }
func (still) ReportSnapshot(context.Context, string, cloud.SnapshotSeen) error { return nil }
func (still) ReportImport(context.Context, string, cloud.ImportSeen) error     { return nil }
func (still) ReportExport(context.Context, string, cloud.ExportSeen) error     { return nil }
func (still) ReadObject(context.Context, cloud.ObjectVersion) (io.ReadCloser, error) {
	return nil, errors.ErrUnsupported
}

func (still) WriteObject(context.Context, cloud.ExportTask, int64, io.Reader) error {
	return errors.ErrUnsupported
}
func (still) ReportFlows(context.Context, cloud.FlowBatch) error { return nil }

func (still) DiskKey(string, []byte) (*seal.Key, error) { return nil, nil } //nolint:nilnil // there are none

func (still) ReportVolume(context.Context, string, cloud.VolumeSeen) error { return nil }
func (still) Credentials(context.Context, string, string) (cloud.Credentials, error) {
	return cloud.Credentials{}, errors.New("nobody has a role here")
}

type noServices struct{}

func (noServices) Serve(context.Context, string) error { return nil }
func (noServices) Stop(string)                         {}

// TestDrainInTheMiddleOfAStart: a guest whose start was under way when the host
// was to be emptied does not run afterwards.
func TestDrainInTheMiddleOfAStart(t *testing.T) {
	const host, instance, volume = "host-a", "i-00000000000000001", "vol-00000000000000001"
	starting := make(chan struct{})
	guests := hypervisorfake.New(hypervisorfake.Config{
		Latency: hypervisorfake.Latency{Start: 50 * time.Millisecond},
		Before: func(op, _ string) error {
			if op == "start" {
				close(starting)
			}
			return nil
		},
	})
	disks := blockfake.New(blockfake.Config{})
	if err := disks.Create(t.Context(), block.Volume{ID: volume, Bytes: 1 << 30}); err != nil {
		t.Fatal(err)
	}
	agent := node.New(node.Config{
		Host: host, Hypervisor: guests, Changed: guests.Changed(), Blocks: disks, Images: disks,
		Network: networkfake.New(networkfake.Config{}), Services: noServices{}, UIDBase: 1000, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Capacity: func(context.Context) (cloud.Host, error) { return cloud.Host{}, nil },
		View: still{&node.Assignment{
			Instances: []cloud.Instance{{Meta: cloud.Meta{ID: instance}, Type: "t2.nano", Want: cloud.PowerRunning, Starts: 1, Host: host, Slot: 1, RootDevice: "/dev/xvda"}},
			Volumes: []cloud.Volume{{
				Meta: cloud.Meta{ID: volume}, Host: host, Seen: cloud.VolumeSeen{Ready: true},
				Attachment: &cloud.Attachment{Instance: instance, Device: "/dev/xvda"},
			}},
		}},
	})
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan struct{})
	go func() { defer close(ran); agent.Run(ctx) }()
	<-starting
	if err := agent.Drain(t.Context(), time.Minute, func(int) {}); err != nil {
		t.Error(err)
	}
	stop()
	<-ran
	list, err := guests.List(t.Context())
	if err != nil || len(list) != 1 || list[0].State != hypervisor.Absent {
		t.Errorf("after the drain the host has %+v, %v; want one guest without a process", list, err)
	}
}
