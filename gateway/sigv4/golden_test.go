package sigv4_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/vauban-cloud/vauban/gateway/sigv4"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// TestGoldens judges the requests in testdata. The comment of each file says
// what it is about, then "name: value" settings; the section "want" holds the
// verdict: "ok", or the answers of every dialect.
func TestGoldens(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 30 {
		t.Fatalf("found %d goldens, want 30 at least (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { golden(t, file) })
	}
}

func golden(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{
		"service": "service", "region": "us-east-1", "now": "20150830T123600Z", "secret": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
	}
	for line := range strings.Lines(string(archive.Comment)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && settings[name] != "" {
			settings[name] = value
		}
	}
	sections := map[string]string{}
	for _, f := range archive.Files {
		sections[f.Name] = string(f.Data)
	}
	canonical, want := judge(t, sections["request"], settings)
	if *update {
		archive.Files = []txtar.File{{Name: "request", Data: []byte(sections["request"])}}
		if canonical != "" {
			archive.Files = append(archive.Files, txtar.File{Name: "canonical", Data: []byte(canonical)})
		}
		archive.Files = append(archive.Files, txtar.File{Name: "want", Data: []byte(want)})
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if canonical != sections["canonical"] {
		t.Errorf("canonical request:\n%s\nwant:\n%s", canonical, sections["canonical"])
	}
	if want != sections["want"] {
		t.Errorf("verdict:\n%s\nwant:\n%s", want, sections["want"])
	}
}

// judge returns the canonical request, if it came to that, and the verdict.
func judge(t *testing.T, request string, settings map[string]string) (canonical, verdict string) {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(request + "\n"))) // ends the head of a request without body
	if err != nil {
		t.Fatal(err)
	}
	now, err := time.Parse("20060102T150405Z", settings["now"])
	if err != nil {
		t.Fatal(err)
	}
	v := sigv4.NewVerifier(func() time.Time { return now })
	scope := sigv4.Scope{Service: settings["service"], Regions: []string{settings["region"]}}
	dialects := []string{"query", "json", "ec2"}
	if scope.Service == "s3" {
		dialects = []string{"s3"}
	}
	verdictOf := func(t *testing.T, err error) string { return verdictOf(t, err, dialects) }
	claim, err := sigv4.Parse(r)
	if err != nil {
		return "", verdictOf(t, err)
	}
	if err := v.Check(r, claim, scope); err != nil {
		return "", verdictOf(t, err)
	}
	if scope.Service == "s3" {
		hash := r.Header.Get("X-Amz-Content-Sha256")
		if hash == "" {
			hash = "UNSIGNED-PAYLOAD"
		}
		c, err := claim.Canonical(r, hash)
		if err == nil {
			canonical = string(c) + "\n"
		}
		body, err := v.Open(r, claim, settings["secret"])
		if err != nil {
			return canonical, verdictOf(t, err)
		}
		_, err = io.Copy(io.Discard, body)
		return canonical, verdictOf(t, err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(body)
	if c, err := claim.Canonical(r, hex.EncodeToString(sum[:])); err == nil {
		canonical = string(c) + "\n"
	}
	return canonical, verdictOf(t, v.Verify(r, claim, settings["secret"], body))
}

func verdictOf(t *testing.T, err error, dialects []string) string {
	if err == nil {
		return "ok\n"
	}
	var f *sigv4.Failure
	if !errors.As(err, &f) {
		t.Fatalf("%v is not a *Failure", err)
	}
	names := map[string]sigv4.Dialect{"query": sigv4.Query, "json": sigv4.JSON, "ec2": sigv4.EC2, "s3": sigv4.S3}
	var b strings.Builder
	for _, name := range dialects {
		a := f.Answer(names[name])
		fmt.Fprintf(&b, "%s %d %s: %s\n", name, a.Status, a.Code, a.Message)
	}
	return b.String()
}
