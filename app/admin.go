package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// The operators' commands travel as JSON over HTTP on a socket in the data folder
// that only root can open. A command is a POST to its own name as a path, with the
// operator's token; tenants' credentials mean nothing there. See docs/adr/0013-operators.md.

// Progress is one line of the answer to a command that takes time; the last one
// has Done or Error set.
type Progress struct {
	Message string     `json:"message,omitempty"`
	Image   *ImageInfo `json:"image,omitempty"`
	Done    bool       `json:"done,omitempty"`
	Error   string     `json:"error,omitempty"`
}

// adminHandler serves the operators' socket.
func (r *running) adminHandler() http.Handler {
	mux := http.NewServeMux()
	// The health of the cloud needs no token and leaves no record: it tells nothing
	// of any tenant, monitoring asks for it all the time, and whoever cannot find
	// the token must still see what is wrong.
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, req *http.Request) { writeJSON(w, r.status(req.Context())) })

	command := func(name string, h handler) {
		mux.HandleFunc("POST "+pathOf(name), func(w http.ResponseWriter, req *http.Request) { _ = h(w, req) })
	}
	command("image list", answers(r, "image list", ImageFilter.args, r.listImages))
	command("image describe", answers(r, "image describe", ImageName.args, r.describeImage))
	command("image public", answers(r, "image public", ImageName.args, r.publicImage))
	command("image private", answers(r, "image private", ImageName.args, r.privateImage))
	command("image retire", answers(r, "image retire", ImageName.args, r.retireImage))
	command("image import", streams(r, "image import", ImportRequest.args, r.importImage))
	command("first-guest", answers(r, "first-guest", nothing, r.firstGuest))

	command("operator add", answers(r, "operator add", OperatorName.args, r.addOperator))
	command("operator list", answers(r, "operator list", nothing, r.listOperators))
	command("operator remove", answers(r, "operator remove", OperatorName.args, r.removeOperator))
	command("account create", answers(r, "account create", AccountWish.args, r.createAccount))
	command("account list", answers(r, "account list", nothing, r.listAccounts))
	command("account show", answers(r, "account show", AccountID.args, r.showAccount))
	command("account suspend", answers(r, "account suspend", AccountID.args, r.suspendAccount))
	command("account activate", answers(r, "account activate", AccountID.args, r.activateAccount))
	command("account close", answers(r, "account close", AccountID.args, r.closeAccount))
	command("account root-key", answers(r, "account root-key", AccountID.args, r.newRootKey))
	command("log", answers(r, "log", RecordFilter.args, r.listRecords))
	command("usage", answers(r, "usage", UsageFilter.args, r.bucketUsage))
	command("why", answers(r, "why", Question.args, r.why))
	command("network explain", answers(r, "network explain", Way.args, r.explainNetwork))

	down := streams(r, "down", nothing, r.drain)
	mux.HandleFunc("POST /down", func(w http.ResponseWriter, req *http.Request) {
		if down(w, req) == nil {
			r.stop() // only now: the outcome is in the record
		}
	})
	return mux
}

// pathOf is the path of a command, e.g. "/account/suspend".
func pathOf(command string) string { return "/" + strings.ReplaceAll(command, " ", "/") }

// handler serves a command, and returns what became of it.
type handler func(w http.ResponseWriter, req *http.Request) error

// answers makes a command that answers with one value. args are what of its input
// is recorded: never secrets.
func answers[In, Out any](r *running, name string, args func(In) map[string]string, do func(context.Context, In) (Out, error)) handler {
	return func(w http.ResponseWriter, req *http.Request) error {
		var in In
		var out Out
		err := r.command(req, name, &in, func() map[string]string { return args(in) }, func(ctx context.Context) (err error) {
			out, err = do(ctx, in)
			return err
		})
		if err != nil {
			refuse(w, err)
			return err
		}
		writeJSON(w, out)
		return nil
	}
}

// streams makes a command that tells its progress: one JSON value a line.
func streams[In any](r *running, name string, args func(In) map[string]string, do func(context.Context, In, func(Progress)) error) handler {
	return func(w http.ResponseWriter, req *http.Request) error {
		var in In
		var tell func(Progress)
		err := r.command(req, name, &in, func() map[string]string { return args(in) }, func(ctx context.Context) error {
			tell = stream(w)
			return do(ctx, in, tell)
		})
		switch {
		case tell == nil: // it never began
			refuse(w, err)
		case err != nil:
			tell(Progress{Error: err.Error()})
		default:
			tell(Progress{Done: true})
		}
		return err
	}
}

// nothing is the input of a command that takes none, or what is recorded of it.
func nothing(struct{}) map[string]string { return nil }

// maxCommand bounds the input of a command, in bytes.
const maxCommand = 1 << 20

// command is the one way to every command: it proves the operator, records what is
// about to happen, has it happen, and records what became of it. A command that
// cannot be recorded does not happen.
func (r *running) command(req *http.Request, name string, in any, args func() map[string]string, act func(context.Context) error) error {
	malformed := json.NewDecoder(http.MaxBytesReader(nil, req.Body, maxCommand)).Decode(in)
	token, _ := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	return r.record(req.Context(), token, peerUID(req.Context()), name, args(), func(ctx context.Context) error {
		if malformed != nil {
			return fmt.Errorf("read the command: %w", malformed)
		}
		return act(ctx)
	})
}

// failure is the answer to a command that failed.
type failure struct {
	Error string `json:"error"`
}

func refuse(w http.ResponseWriter, err error) {
	status := http.StatusBadRequest
	if errors.Is(err, errRefused) {
		status = http.StatusUnauthorized
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(failure{err.Error()}) // the client went away
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client went away
}

// stream begins an answer of one JSON value a line.
func stream(w http.ResponseWriter) (tell func(Progress)) {
	w.Header().Set("Content-Type", "application/jsonl")
	enc, last := json.NewEncoder(w), ""
	return func(p Progress) {
		if p.Message != "" && p.Message == last {
			return
		}
		last = p.Message
		_ = enc.Encode(p) // the client went away
		_ = http.NewResponseController(w).Flush()
	}
}

// drain shuts the guests down.
func (r *running) drain(ctx context.Context, _ struct{}, tell func(Progress)) error {
	return r.agent.Drain(ctx, r.cfg.StopGrace, func(n int) {
		tell(Progress{Message: fmt.Sprintf("%d guests still run", n)})
	})
}

// listenAdmin opens the operators' socket.
func (c Config) listenAdmin() (net.Listener, error) {
	if err := os.Remove(c.SocketPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "unix", c.SocketPath())
	if err != nil {
		return nil, fmt.Errorf("open the operators' socket: %w", err)
	}
	return l, os.Chmod(c.SocketPath(), 0o600)
}

// serveAdmin serves the operators' socket until ctx ends.
func serveAdmin(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ConnContext: withPeer}
	done := make(chan error, 1)
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		done <- s.Shutdown(grace)
	}()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the operators' socket: %w", err)
	}
	return <-done
}
