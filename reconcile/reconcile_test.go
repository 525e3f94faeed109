package reconcile_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vauban-cloud/vauban/reconcile"
)

var quiet = slog.New(slog.DiscardHandler)

// start runs a loop for the length of the test.
func start(t *testing.T, cfg reconcile.Config) *reconcile.Loop {
	cfg.Log = quiet
	l := reconcile.New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return l
}

func TestAddRunsOnceForASignalBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		l := reconcile.New(reconcile.Config{Log: quiet, Do: func(context.Context, string) (time.Duration, error) {
			calls.Add(1)
			return 0, nil
		}})
		for range 100 {
			l.Add("a")
		}
		ctx, cancel := context.WithCancel(t.Context())
		go l.Run(ctx)
		synctest.Wait()
		if n := calls.Load(); n != 1 {
			t.Errorf("a burst of signals ran %d calls, want 1", n)
		}
		cancel()
		synctest.Wait()
	})
}

func TestAddWhileBusyRunsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls, at atomic.Int32
		gate := make(chan struct{})
		l := start(t, reconcile.Config{Workers: 8, Do: func(context.Context, string) (time.Duration, error) {
			if at.Add(1) > 1 {
				t.Error("two workers on one key")
			}
			defer at.Add(-1)
			calls.Add(1)
			<-gate
			return 0, nil
		}})
		l.Add("a")
		synctest.Wait()
		l.Add("a")
		l.Add("a")
		synctest.Wait()
		close(gate)
		synctest.Wait()
		if n := calls.Load(); n != 2 {
			t.Errorf("calls = %d, want 2", n)
		}
	})
}

func TestFailureBacksOffAndAlarms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var at []time.Time
		var alarms []reconcile.Failure
		broken := true
		begin := time.Now()
		l := start(t, reconcile.Config{
			MinDelay: time.Second, MaxDelay: 8 * time.Second, Deadline: time.Minute,
			Do: func(context.Context, string) (time.Duration, error) {
				mu.Lock()
				defer mu.Unlock()
				at = append(at, time.Now())
				if broken {
					return 0, errors.New("no")
				}
				return 0, nil
			},
			Alarm: func(_ string, f reconcile.Failure) { mu.Lock(); alarms = append(alarms, f); mu.Unlock() },
		})
		l.Add("a")
		for range 90 { // signals must not defeat the back-off
			time.Sleep(time.Second)
			l.Add("a")
		}
		mu.Lock()
		tries := len(at)
		mu.Unlock()
		if tries < 10 || tries > 30 {
			t.Errorf("%d tries in 90 s with a back-off of 4 to 8 s", tries)
		}
		if len(alarms) != 1 || alarms[0].Since.Sub(begin) > time.Second {
			t.Errorf("alarms = %+v, want one, since the start", alarms)
		}
		if len(l.Failing()) != 1 {
			t.Errorf("Failing = %v", l.Failing())
		}
		mu.Lock()
		broken = false
		mu.Unlock()
		time.Sleep(10 * time.Second)
		if len(l.Failing()) != 0 {
			t.Errorf("still failing after success: %v", l.Failing())
		}
	})
}

func TestAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		l := start(t, reconcile.Config{Do: func(context.Context, string) (time.Duration, error) {
			calls.Add(1)
			return time.Hour, nil
		}})
		l.Add("a")
		time.Sleep(10*time.Hour + time.Minute)
		if n := calls.Load(); n != 11 {
			t.Errorf("calls = %d, want 11", n)
		}
		l.Add("a") // a signal comes before the timer
		synctest.Wait()
		if n := calls.Load(); n != 12 {
			t.Errorf("calls = %d, want 12", n)
		}
	})
}

func TestTimeoutReachesTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var errs atomic.Int32
		l := start(t, reconcile.Config{Timeout: time.Second, Do: func(ctx context.Context, _ string) (time.Duration, error) {
			<-ctx.Done()
			errs.Add(1)
			return time.Hour, nil
		}})
		l.Add("a")
		time.Sleep(2 * time.Second)
		if errs.Load() != 1 {
			t.Error("the call was not cut off")
		}
	})
}
