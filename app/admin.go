package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// The operator's commands travel as JSON over HTTP on a socket in the data
// folder that only root can open; tenants' credentials mean nothing there.

// ImportRequest asks for an image to be taken into the catalogue. Paths are the
// host's.
type ImportRequest struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Disk        string `json:"disk"`
	Format      string `json:"format,omitempty"` // "qcow2", "raw" or "vmdk"; empty to detect
	Kernel      string `json:"kernel,omitempty"`
	Initrd      string `json:"initrd,omitempty"`
	KernelArgs  string `json:"kernel_args,omitempty"`
	User        string `json:"user,omitempty"`
	Replace     bool   `json:"replace,omitempty"` // an image of that name is there: take its place
}

// ImageInfo is an image of the catalogue.
type ImageInfo struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	SizeGiB     int       `json:"size_gib"`
	User        string    `json:"user,omitempty"`
	SHA256      string    `json:"sha256"`
	Created     time.Time `json:"created"`
}

// Progress is one line of the answer to a command that takes time; the last one
// has Done or Error set.
type Progress struct {
	Message string     `json:"message,omitempty"`
	Image   *ImageInfo `json:"image,omitempty"`
	Done    bool       `json:"done,omitempty"`
	Error   string     `json:"error,omitempty"`
}

// adminHandler serves the operator's socket.
func (r *running) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, req *http.Request) {
		writeJSON(w, r.status(req.Context()))
	})
	mux.HandleFunc("GET /images", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, r.listImages()) })
	mux.HandleFunc("POST /images", func(w http.ResponseWriter, req *http.Request) {
		var in ImportRequest
		if err := json.NewDecoder(req.Body).Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		stream(w, func(tell func(Progress)) error {
			img, err := r.importImage(req.Context(), in, func(m string) { tell(Progress{Message: m}) })
			if err == nil {
				tell(Progress{Image: &img})
			}
			return err
		})
	})
	mux.HandleFunc("POST /down", func(w http.ResponseWriter, req *http.Request) {
		stream(w, func(tell func(Progress)) error {
			err := r.agent.Drain(req.Context(), r.cfg.StopGrace, func(n int) {
				tell(Progress{Message: fmt.Sprintf("%d guests still run", n)})
			})
			if err == nil {
				r.stop()
			}
			return err
		})
	})
	return mux
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client went away
}

// stream answers with one JSON value a line, as the work proceeds.
func stream(w http.ResponseWriter, work func(tell func(Progress)) error) {
	w.Header().Set("Content-Type", "application/jsonl")
	enc, last := json.NewEncoder(w), ""
	tell := func(p Progress) {
		if p.Message != "" && p.Message == last {
			return
		}
		last = p.Message
		_ = enc.Encode(p) // the client went away
		_ = http.NewResponseController(w).Flush()
	}
	if err := work(tell); err != nil {
		tell(Progress{Error: err.Error()})
		return
	}
	tell(Progress{Done: true})
}

// listenAdmin opens the operator's socket.
func (c Config) listenAdmin() (net.Listener, error) {
	if err := os.Remove(c.SocketPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "unix", c.SocketPath())
	if err != nil {
		return nil, fmt.Errorf("open the operator's socket: %w", err)
	}
	return l, os.Chmod(c.SocketPath(), 0o600)
}

// Admin is a client of the operator's socket.
type Admin struct {
	http *http.Client
	path string
}

// ErrNotRunning says that no cloud runs on the data folder.
var ErrNotRunning = errors.New("no cloud runs on this data folder: start it with `vauban up`")

// NewAdmin returns a client for the cloud with that configuration.
func NewAdmin(c Config) *Admin {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", c.SocketPath())
	}
	return &Admin{http: &http.Client{Transport: &http.Transport{DialContext: dial}}, path: c.SocketPath()}
}

func (a *Admin) do(ctx context.Context, method, path string, in any) (*http.Response, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://vauban"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	res, err := a.http.Do(req)
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "dial" && errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("%s may only be used by root: use sudo", a.path)
	case errors.As(err, &op) && op.Op == "dial":
		return nil, ErrNotRunning
	case err != nil:
		return nil, fmt.Errorf("ask the cloud: %w", err)
	case res.StatusCode != http.StatusOK:
		defer res.Body.Close()
		return nil, fmt.Errorf("ask the cloud: %s", res.Status)
	}
	return res, nil
}

// Status asks for the health of every part.
func (a *Admin) Status(ctx context.Context) (Status, error) {
	var s Status
	err := a.get(ctx, "/status", &s)
	return s, err
}

// Images lists the catalogue.
func (a *Admin) Images(ctx context.Context) ([]ImageInfo, error) {
	var l []ImageInfo
	err := a.get(ctx, "/images", &l)
	return l, err
}

func (a *Admin) get(ctx context.Context, path string, out any) error {
	res, err := a.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return json.NewDecoder(res.Body).Decode(out)
}

// Import takes an image into the catalogue.
func (a *Admin) Import(ctx context.Context, in ImportRequest, tell func(string)) (ImageInfo, error) {
	p, err := a.follow(ctx, "/images", in, tell)
	if err != nil || p.Image == nil {
		return ImageInfo{}, err
	}
	return *p.Image, nil
}

// Down shuts the guests down and ends the cloud.
func (a *Admin) Down(ctx context.Context, tell func(string)) error {
	_, err := a.follow(ctx, "/down", nil, tell)
	return err
}

// follow reads the progress of a long command; it returns the line with the result.
func (a *Admin) follow(ctx context.Context, path string, in any, tell func(string)) (result Progress, err error) {
	res, err := a.do(ctx, http.MethodPost, path, in)
	if err != nil {
		return result, err
	}
	defer res.Body.Close()
	for dec := json.NewDecoder(res.Body); ; {
		var p Progress
		switch err := dec.Decode(&p); {
		case err != nil:
			return result, fmt.Errorf("the cloud ended in the middle of the command: %w", err)
		case p.Error != "":
			return result, errors.New(p.Error)
		case p.Done:
			return result, nil
		case p.Image != nil:
			result = p
		default:
			tell(p.Message)
		}
	}
}
