package wire_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/vauban-cloud/vauban/gateway/wire"
)

var update = flag.Bool("update", false, "rewrite the expected parts of the golden files")

// TestGolden exchanges the requests in testdata. A case is an archive with a
// request, as HTTP writes it (its body in hexadecimal if it is CBOR); what it
// is decoded as; and the response to an output or error that the case may
// give. The flag -update rewrites what is decoded and the response.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("find cases: %v, %d files", err, len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			parts := map[string]string{}
			for _, f := range archive.Files {
				parts[f.Name] = string(f.Data)
			}
			decoded, response := exchange(t, parts)
			if *update {
				archive.Files = []txtar.File{{Name: "request", Data: []byte(parts["request"])}, {Name: "decoded", Data: []byte(decoded)}}
				for _, given := range []string{"output", "error"} {
					if parts[given] != "" {
						archive.Files = append(archive.Files, txtar.File{Name: given, Data: []byte(parts[given])})
					}
				}
				archive.Files = append(archive.Files, txtar.File{Name: "response", Data: []byte(response)})
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if decoded != parts["decoded"] {
				t.Errorf("decoded\n%s\nnot\n%s", decoded, parts["decoded"])
			}
			if response != parts["response"] {
				t.Errorf("response\n%s\nnot\n%s", response, parts["response"])
			}
		})
	}
}

// exchange serves the request of a case. Without an output or error of the
// case, the answer is the operation's empty output.
func exchange(t *testing.T, parts map[string]string) (decoded, response string) {
	t.Helper()
	head, content, _ := strings.Cut(parts["request"], "\n\n")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(strings.TrimSuffix(content, "\n"))
	if r.Header.Get("Content-Type") == "application/cbor" {
		if body, err = hex.DecodeString(string(body)); err != nil {
			t.Fatal(err)
		}
	}
	var api *wire.Service
	for _, s := range services {
		if s.Name == r.Host {
			api = s
		}
	}
	w := httptest.NewRecorder()
	op, p, err := api.Match(r, body)
	var in any
	if err == nil {
		in, err = wire.Decode(p, op, r, body)
	}
	refusal := new(wire.Error)
	switch {
	case errors.As(err, &refusal):
		decoded = err.Error() + "\n"
	case err != nil:
		t.Fatalf("not an Error: %v", err)
	default:
		decoded = op.Name + " " + string(p) + "\n" + indent(t, in)
	}
	if parts["error"] != "" {
		if err := json.Unmarshal([]byte(parts["error"]), refusal); err != nil {
			t.Fatal(err)
		}
	}
	if refusal.Code != "" {
		wire.EncodeError(w, api, p, op, refusal, "request-id")
	} else {
		out := op.NewOutput()
		if parts["output"] != "" {
			if err := json.Unmarshal([]byte(parts["output"]), out); err != nil {
				t.Fatal(err)
			}
		}
		if err := wire.Encode(w, api, p, op, out, "request-id"); err != nil {
			t.Fatal(err)
		}
	}
	return decoded, show(t, w.Result())
}

// indent writes v without what is not set.
func indent(t *testing.T, v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	if text, err = json.MarshalIndent(prune(tree), "", "  "); err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

func prune(tree any) any {
	switch v := tree.(type) {
	case map[string]any:
		maps.DeleteFunc(v, func(_ string, item any) bool { return prune(item) == nil })
	case []any:
		for _, item := range v {
			prune(item)
		}
	}
	return tree
}

// show writes a response readably: a line per XML element, CBOR in the
// diagnostic notation of RFC 8949.
func show(t *testing.T, r *http.Response) string {
	var b bytes.Buffer
	fmt.Fprintln(&b, r.Status)
	for _, k := range slices.Sorted(maps.Keys(r.Header)) {
		fmt.Fprintf(&b, "%s: %s\n", k, strings.Join(r.Header[k], ", "))
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	text := string(body)
	switch {
	case r.Header.Get("Content-Type") == "application/cbor":
		if text, err = cbor.Diagnose(body); err != nil {
			t.Fatal(err)
		}
	case strings.Contains(r.Header.Get("Content-Type"), "xml"):
		text = strings.ReplaceAll(text, "><", ">\n<")
	}
	fmt.Fprintf(&b, "\n%s\n", text)
	return b.String()
}
