package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store/sqlite"
	"github.com/vauban-cloud/vauban/test/e2e"
)

// idle measures a cloud that does nothing: how soon it answers after its start,
// and its memory then; first with a few documents, then with 10,000 instances.
func idle(b *bench) {
	c := e2e.Start(b)
	c.Tiny()
	b.idleCloud(c, "an existing cloud", true)
	const many = 10_000
	c.Kill()
	b.must(populate(b.ctx, c.Data, many))
	c.Exec()
	b.must(firstAnswer(b.ctx, c, time.Minute))
	b.idleCloud(c, fmt.Sprintf("%d instances", many), false)
}

// idleCloud restarts the cloud several times, and leaves it running. The goal
// for memory is for one with few documents.
func (b *bench) idleCloud(c *e2e.Cloud, which string, few bool) {
	var took, used durations
	for range b.samples(7, 3) {
		c.Kill()
		begin := time.Now()
		c.Exec()
		b.must(firstAnswer(b.ctx, c, time.Minute))
		took = append(took, time.Since(begin))
		cpu, err := processorTimeOf(c.PID())
		b.must(err)
		used = append(used, cpu)
	}
	b.add(result{
		Measure: "API up, " + which + ", slowest", Value: took.at(1).Seconds(), Unit: "s", Goal: atMost(1),
		Note: fmt.Sprintf("from exec to the first answer to the SDK; median %.2f s, %.2f s of CPU, of %d starts after kill -9",
			took.at(0.5).Seconds(), used.at(0.5).Seconds(), len(took)),
	})
	if few {
		b.add(result{
			Measure: "processes beside vauban and guests", Value: float64(len(descendants(c.PID()))), Goal: atMost(0),
			Note: "children and session of the control plane",
		})
	}
	time.Sleep(time.Duration(b.samples(15, 5)) * time.Second) // it is to be idle
	memory, err := resident(c.PID())
	b.must(err)
	r := result{
		Measure: "resident memory, " + which, Value: memory["VmRSS"], Unit: "MB",
		Note: fmt.Sprintf("of which %.0f MB are its own and the rest pages of its program file", memory["RssAnon"]),
	}
	if few {
		r.Goal = atMost(100)
	}
	b.add(r)
}

// firstAnswer asks until the API answers.
func firstAnswer(ctx context.Context, c *e2e.Cloud, within time.Duration) error {
	client, once := c.EC2(), func(o *ec2.Options) { o.Retryer = aws.NopRetryer{} }
	for deadline := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		_, err := client.DescribeAccountAttributes(ctx, &ec2.DescribeAccountAttributesInput{}, once)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return errors.Join(fmt.Errorf("the API does not answer within %v: %w", within, err), ctx.Err())
		}
	}
}

// populate writes instances into the store of a cloud that is not running.
func populate(ctx context.Context, data string, n int) (err error) {
	var tenant struct{ Account string }
	b, err := os.ReadFile(filepath.Join(data, "credentials.json"))
	if err == nil {
		err = json.Unmarshal(b, &tenant)
	}
	if err != nil {
		return err
	}
	db, err := sqlite.Open(ctx, filepath.Join(data, "vauban.db"), cloud.Documents()...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	p, err := settle(ctx, db, tenant.Account)
	if err != nil {
		return err
	}
	return p.fill(ctx, db, 0, n)
}

// resident reads the sizes in proc_pid_status(5), in MB.
func resident(pid int) (map[string]float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil, err
	}
	sizes := map[string]float64{}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		if kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64); err == nil {
			sizes[name] = kib * 1024 / 1e6
		}
	}
	if sizes["VmRSS"] == 0 {
		return nil, fmt.Errorf("process %d has no memory", pid)
	}
	return sizes, nil
}

// processorTimeOf is what a process has used of all processors (proc_pid_stat(5)).
func processorTimeOf(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(b, []byte(") "))
	fields := strings.Fields(string(rest))
	if len(fields) < 13 {
		return 0, fmt.Errorf("processor time of process %d: %q is too short", pid, rest)
	}
	user, err := strconv.Atoi(fields[11])
	system, errSystem := strconv.Atoi(fields[12])
	const tick = time.Second / 100 // USER_HZ, on all that Go runs on
	return time.Duration(user+system) * tick, errors.Join(err, errSystem)
}

// descendants are the processes that pid started and those of its session, but
// for guests' (proc_pid_stat(5)).
func descendants(pid int) (found []int) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		panic(err) // a bad pattern
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // it has ended
		}
		name, rest, _ := bytes.Cut(b, []byte(") "))
		var state string
		var parent, group, session int
		if _, err := fmt.Sscan(string(rest), &state, &parent, &group, &session); err != nil {
			continue
		}
		own, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if own != pid && (parent == pid || session == pid) && !bytes.Contains(name, []byte("(qemu-system")) && state != "Z" {
			found = append(found, own)
		}
	}
	return found
}
