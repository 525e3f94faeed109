package ec2

import (
	"errors"
	command "flag"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/gateway/wire"
)

var update = command.Bool("update", false, "rewrite the responses in the golden files")

// TestGolden plays the archives in testdata/golden on a new cloud each: a file
// "request" is a request's parameters, one a line; "response" is what must come
// back, as it goes over the wire, with a line break between tags; "hosts" lets the
// hosts start what was launched. IDs count up and the clock stands still, but for
// a minute at "hosts". The flag -update rewrites the responses.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("find archives: %v, %d files", err, len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r := newGuestRigWith(t, countingIDs())
			played := &txtar.Archive{Comment: archive.Comment}
			for _, f := range archive.Files {
				switch f.Name {
				case "hosts":
					r.tick(time.Minute)
					for i := range instanceTable.Select(r.DB.View(), cloud.AccountLabel(alice)) {
						if i.State() == cloud.InstancePending {
							r.runs(i.ID)
						}
					}
				case "request":
					played.Files = append(played.Files, f, txtar.File{Name: "response", Data: []byte(r.exchange(string(f.Data)))})
					continue
				case "response":
					continue
				default:
					t.Fatalf("unknown file %q", f.Name)
				}
				played.Files = append(played.Files, f)
			}
			got := txtar.Format(played)
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := txtar.Format(archive); string(got) != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// countingIDs are IDs that count up from 1, of each kind.
func countingIDs() func(string) string {
	counts := map[string]int{}
	return func(prefix string) string {
		counts[prefix]++
		return fmt.Sprintf("%s-%017x", prefix, counts[prefix])
	}
}

// exchange sends a request as a client does and returns the status and body of
// the answer.
func (r *rig) exchange(parameters string) string {
	r.Helper()
	form := url.Values{"Version": {"2016-11-15"}}
	for line := range strings.Lines(parameters) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		form.Set(name, value)
	}
	body := form.Encode()
	request := httptest.NewRequest("POST", "/", strings.NewReader(body))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	api := ec2.API()
	answer := httptest.NewRecorder()
	op, protocol, err := api.Match(request, []byte(body))
	var in, out any
	if err == nil {
		in, err = wire.Decode(protocol, op, request, []byte(body))
	}
	if err == nil {
		out, err = op.Bind(r.Service)(r.ctx, in)
	}
	if err == nil {
		err = wire.Encode(answer, api, protocol, op, out, "the-request")
	}
	var failed *cloud.Error
	var badRequest *wire.Error
	switch {
	case err == nil:
	case errors.As(err, &failed):
		wire.EncodeError(answer, api, protocol, op, &wire.Error{Code: failed.Code, Message: failed.Message, Status: failed.HTTPStatus()}, "the-request")
	case errors.As(err, &badRequest):
		wire.EncodeError(answer, api, protocol, op, badRequest, "the-request")
	default:
		r.Fatal(err)
	}
	return fmt.Sprintf("%d\n%s\n", answer.Code, strings.ReplaceAll(answer.Body.String(), "><", ">\n<"))
}
