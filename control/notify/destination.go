package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Destination is whom buckets may notify.
type Destination struct {
	Name    string
	Account string // whose buckets may name it; "": every account's
	url     *url.URL
}

var name = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// Parse reads a destination as operators write it: NAME[@ACCOUNT]=URL, whose URL is
// http://…, https://… (with user:password@, if it wants them) or file:///….
func Parse(text string) (Destination, error) {
	head, target, ok := strings.Cut(text, "=")
	d := Destination{}
	d.Name, d.Account, _ = strings.Cut(head, "@")
	if !ok || !name.MatchString(d.Name) {
		return d, fmt.Errorf("notification destination %q is not NAME=URL, with a name of letters, digits, - and _", head)
	}
	if strings.Contains(head, "@") && (len(d.Account) != 12 || strings.Trim(d.Account, "0123456789") != "") {
		return d, fmt.Errorf("the account of notification destination %s is not 12 digits: write NAME@123456789012=URL", d.Name)
	}
	u, err := url.Parse(target)
	switch {
	case err != nil: // the error would show a password
		return d, fmt.Errorf("the URL of notification destination %s cannot be read", d.Name)
	case u.Scheme == "file" && u.Host == "" && filepath.IsAbs(u.Path):
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
	default:
		return d, fmt.Errorf("the URL of notification destination %s is not https://HOST/PATH, http://HOST/PATH or file:///PATH", d.Name)
	}
	d.url = u
	return d, nil
}

// String is the destination without its password.
func (d *Destination) String() string { return d.Name + "=" + d.url.Redacted() }

// patience is how long a webhook may take.
const patience = 30 * time.Second

// client follows no redirects: they would lead where the operator did not say.
var client = &http.Client{ //nolint:gochecknoglobals // never changed
	Timeout:       patience,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// send delivers messages in order, and returns how many were taken.
func (d *Destination) send(ctx context.Context, messages [][]byte) (int, error) {
	if d.url.Scheme == "file" {
		if err := appendLines(d.url.Path, messages); err != nil {
			return 0, err
		}
		return len(messages), nil
	}
	for k, m := range messages {
		if err := d.post(ctx, m); err != nil {
			return k, err
		}
	}
	return len(messages), nil
}

// post sends one message to a webhook, which takes it by answering 2xx.
func (d *Destination) post(ctx context.Context, message []byte) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url.String(), bytes.NewReader(message))
	if err != nil {
		return fmt.Errorf("notification destination %s: its URL is of no use", d.Name)
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("User-Agent", "vauban")
	res, err := client.Do(q)
	if err != nil {
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err // without the URL, which may hold a password
		}
		return fmt.Errorf("%s: %w", d.url.Host, err)
	}
	defer res.Body.Close()
	io.CopyN(io.Discard, res.Body, 64<<10) //nolint:errcheck // so that the connection can be used again
	switch err := fmt.Errorf("%s answered %s", d.url.Host, res.Status); {
	case res.StatusCode/100 == 2:
		return nil
	case refuses(res.StatusCode):
		return refusal{err}
	default:
		return err
	}
}

// appendLines adds a line for each message to a file, and syncs it. A line that a crash has
// left without its end is ended first: readers skip what is no JSON. The operator may
// move the file away at any time.
func appendLines(path string, messages [][]byte) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var lines []byte
	if size, err := f.Seek(0, io.SeekEnd); err != nil {
		return err
	} else if last := make([]byte, 1); size > 0 {
		if _, err := f.ReadAt(last, size-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			lines = append(lines, '\n')
		}
	}
	for _, m := range messages {
		lines = append(append(lines, m...), '\n')
	}
	if _, err := f.Write(lines); err != nil {
		return err
	}
	return f.Sync()
}
