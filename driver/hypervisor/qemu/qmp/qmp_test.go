package qmp_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/hypervisor/qemu/qmp"
)

const greeting = `{"QMP": {"version": {}, "capabilities": []}}` + "\r\n"

// command is what the other side receives.
type command struct {
	Execute   string
	Arguments json.RawMessage
	ID        json.RawMessage
}

// pair returns the two ends of a connection.
func pair(t *testing.T) (client, server *net.UnixConn) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // test
	client, err = net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() }) //nolint:errcheck // test
	return client, server
}

// serve plays QEMU: it greets, then answers every command by what reply returns.
func serve(t *testing.T, reply func(command) string, onEvent func(qmp.Event)) *qmp.Client {
	t.Helper()
	client, server := pair(t)
	go func() {
		io.WriteString(server, greeting) //nolint:errcheck // test
		lines := bufio.NewScanner(server)
		for lines.Scan() {
			var c command
			if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
				t.Errorf("received %q: %v", lines.Text(), err)
				return
			}
			answer := fmt.Sprintf(`{"return": {}, "id": %s}`, c.ID)
			if c.Execute != "qmp_capabilities" {
				answer = reply(c)
			}
			if answer != "" {
				io.WriteString(server, answer+"\r\n") //nolint:errcheck // test
			}
		}
	}()
	if onEvent == nil {
		onEvent = func(qmp.Event) {}
	}
	c, err := qmp.New(t.Context(), client, onEvent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() }) //nolint:errcheck // test
	return c
}

func TestCommandsOverlap(t *testing.T) {
	// Answers come two by two, the later command's first.
	var held string
	c := serve(t, func(c command) string {
		answer := fmt.Sprintf(`{"return": %s, "id": %s}`, c.Arguments, c.ID)
		if held == "" {
			held = answer
			return ""
		}
		answer, held = answer+"\r\n"+held, ""
		return answer
	}, nil)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			var got struct{ N int }
			if err := c.Do(t.Context(), "echo", map[string]int{"N": i}, &got); err != nil || got.N != i {
				t.Errorf("echo %d: %d, %v", i, got.N, err)
			}
		})
	}
	wg.Wait()
}

func TestErrorsAndEvents(t *testing.T) {
	events := make(chan qmp.Event, 10)
	c := serve(t, func(c command) string {
		return fmt.Sprintf(`{"event": "RESET", "data": {"guest": true}, "timestamp": {}}`+"\n"+`{"error": {"class": "DeviceNotFound", "desc": "no such device"}, "id": %s}`, c.ID)
	}, func(e qmp.Event) { events <- e })
	var refused *qmp.Error
	err := c.Do(t.Context(), "device_del", nil, nil)
	if !errors.As(err, &refused) || refused.Class != "DeviceNotFound" || err.Error() != "device_del: no such device" {
		t.Errorf("refused command: %v", err)
	}
	if e := <-events; e.Name != "RESET" || string(e.Data) != `{"guest": true}` {
		t.Errorf("event %s %s", e.Name, e.Data)
	}
}

func TestTimeout(t *testing.T) {
	silent := true
	c := serve(t, func(c command) string {
		if silent {
			silent = false
			return ""
		}
		return fmt.Sprintf(`{"return": {}, "id": 2}`+"\n"+`{"return": {}, "id": %s}`, c.ID) // 2: too late
	}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Do(ctx, "stop", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("command without an answer: %v", err)
	}
	if err := c.Do(t.Context(), "cont", nil, nil); err != nil {
		t.Errorf("command after one without an answer: %v", err)
	}
}

func TestFilesArePassed(t *testing.T) {
	client, server := pair(t)
	passed, err := os.Open("/proc/self/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	defer passed.Close() //nolint:errcheck // only read
	want, err := os.ReadFile("/proc/self/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan []byte, 1)
	go func() {
		io.WriteString(server, greeting) //nolint:errcheck // test
		buf, oob := make([]byte, 4096), make([]byte, 256)
		if _, err := server.Read(buf); err != nil {
			t.Error(err)
		}
		io.WriteString(server, `{"return": {}, "id": 1}`+"\n") //nolint:errcheck // test
		_, n, _, _, err := server.ReadMsgUnix(buf, oob)
		if err != nil {
			t.Error(err)
		}
		io.WriteString(server, `{"return": {}, "id": 2}`+"\n") //nolint:errcheck // test
		messages, err := unix.ParseSocketControlMessage(oob[:n])
		if err != nil || len(messages) != 1 {
			t.Errorf("control messages %v, %v", messages, err)
			got <- nil
			return
		}
		fds, err := unix.ParseUnixRights(&messages[0])
		if err != nil || len(fds) != 1 {
			t.Errorf("files %v, %v", fds, err)
			got <- nil
			return
		}
		f := os.NewFile(uintptr(fds[0]), "passed")
		defer f.Close() //nolint:errcheck // only read
		b, _ := io.ReadAll(f)
		got <- b
	}()
	c, err := qmp.New(t.Context(), client, func(qmp.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // test
	if err := c.Do(t.Context(), "getfd", map[string]string{"fdname": "f"}, nil, passed); err != nil {
		t.Fatal(err)
	}
	if b := <-got; string(b) != string(want) {
		t.Errorf("the passed file reads %q, want %q", b, want)
	}
}

func TestHostileServers(t *testing.T) {
	for name, says := range map[string]string{
		"no greeting":  `{"return": {}}` + "\n",
		"no JSON":      "\x00\xff\n",
		"hangs up":     "",
		"endless line": strings.Repeat("x", qmp.MaxMessage+1),
		"endless list": `{"QMP": ` + strings.Repeat("[", 100_000) + "\n",
		"odd answer":   greeting + `{"return": {}, "id": {"a": [1]}}` + "\n" + `[]` + "\n",
		"odd error":    greeting + `{"error": 7, "id": 1}` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			client, server := pair(t)
			go func() {
				io.WriteString(server, says) //nolint:errcheck // hung up on
				server.CloseWrite()          //nolint:errcheck // test
			}()
			if c, err := qmp.New(t.Context(), client, func(qmp.Event) {}); !errors.Is(err, qmp.ErrClosed) {
				t.Errorf("connected: %v, %v", c, err)
			}
		})
	}
}

func TestServerThatReadsNothing(t *testing.T) {
	client, server := pair(t)
	go func() {
		io.WriteString(server, greeting)                       //nolint:errcheck // test
		server.Read(make([]byte, 4096))                        //nolint:errcheck // test
		io.WriteString(server, `{"return": {}, "id": 1}`+"\n") //nolint:errcheck // test
	}()
	c, err := qmp.New(t.Context(), client, func(qmp.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	for err == nil {
		err = c.Do(ctx, "flood", strings.Repeat("x", 1<<16), nil)
	}
	if ctx.Err() == nil {
		t.Errorf("ended early: %v", err)
	}
}

func FuzzMessages(f *testing.F) {
	for _, seed := range []string{
		`{"return": {}, "id": 1}`, `{"event": "STOP"}`, `{"error": {"class": "a", "desc": "b"}, "id": 2}`, `{"QMP": {}}`, `{"id": 1e3}`, `null`, `{}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, says string) {
		client, server := pair(t)
		go func() {
			io.WriteString(server, greeting+says) //nolint:errcheck // test
			server.CloseWrite()                   //nolint:errcheck // test
		}()
		c, err := qmp.New(t.Context(), client, func(qmp.Event) {})
		if err == nil {
			c.Do(t.Context(), "query-status", nil, nil) //nolint:errcheck // must only end
			c.Close()                                   //nolint:errcheck // test
		}
	})
}
