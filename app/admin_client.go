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

	"github.com/vauban-cloud/vauban/driver/network/explain"
)

// Admin is a client of the operators' socket.
type Admin struct {
	http  *http.Client
	path  string
	token string
}

// ErrNotRunning says that no cloud runs on the data folder.
var ErrNotRunning = errors.New("no cloud runs on this data folder: start it with `vauban up`")

// NewAdmin returns a client for the cloud with that configuration, which acts as
// the operator of the token.
func NewAdmin(c Config, token string) *Admin {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", c.SocketPath())
	}
	return &Admin{http: &http.Client{Transport: &http.Transport{DialContext: dial}}, path: c.SocketPath(), token: token}
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
	req.Header.Set("Authorization", "Bearer "+a.token)
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
		var f failure
		if err := json.NewDecoder(res.Body).Decode(&f); err != nil || f.Error == "" {
			return nil, fmt.Errorf("ask the cloud: %s", res.Status)
		}
		return nil, errors.New(f.Error)
	}
	return res, nil
}

// call runs a command that answers with one value.
func call[Out any](ctx context.Context, a *Admin, method, path string, in any) (out Out, err error) {
	res, err := a.do(ctx, method, path, in)
	if err != nil {
		return out, err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		return out, fmt.Errorf("read the cloud's answer: %w", err)
	}
	return out, nil
}

// command runs a command by its name.
func command[Out any](ctx context.Context, a *Admin, name string, in any) (Out, error) {
	return call[Out](ctx, a, http.MethodPost, pathOf(name), in)
}

// none is the input of commands that take none.
type none = struct{}

// Status asks for the health of every part. It needs no token.
func (a *Admin) Status(ctx context.Context) (Status, error) {
	return call[Status](ctx, a, http.MethodGet, "/status", none{})
}

// Images lists the catalogue.
func (a *Admin) Images(ctx context.Context, f ImageFilter) ([]ImageInfo, error) {
	return command[[]ImageInfo](ctx, a, "image list", f)
}

// Image does one thing with an image of the catalogue: "public", "private" or "retire".
func (a *Admin) Image(ctx context.Context, verb, image string) (ImageInfo, error) {
	return command[ImageInfo](ctx, a, "image "+verb, ImageName{image})
}

// DescribeImage tells all of an image of the catalogue.
func (a *Admin) DescribeImage(ctx context.Context, image string) (ImageDetails, error) {
	return command[ImageDetails](ctx, a, "image describe", ImageName{image})
}

// Import takes an image into the catalogue.
func (a *Admin) Import(ctx context.Context, in ImportRequest, tell func(string)) (ImageInfo, error) {
	p, err := a.follow(ctx, "image import", in, tell)
	if err != nil || p.Image == nil {
		return ImageInfo{}, err
	}
	return *p.Image, nil
}

// FirstGuest returns what the first guest is launched with.
func (a *Admin) FirstGuest(ctx context.Context) (Credentials, error) {
	return command[Credentials](ctx, a, "first-guest", none{})
}

// Down shuts the guests down and ends the cloud.
func (a *Admin) Down(ctx context.Context, tell func(string)) error {
	_, err := a.follow(ctx, "down", none{}, tell)
	return err
}

// AddOperator makes an operator, and returns its token.
func (a *Admin) AddOperator(ctx context.Context, name string) (OperatorToken, error) {
	return command[OperatorToken](ctx, a, "operator add", OperatorName{name})
}

// Operators lists the operators.
func (a *Admin) Operators(ctx context.Context) ([]OperatorInfo, error) {
	return command[[]OperatorInfo](ctx, a, "operator list", none{})
}

// RemoveOperator removes an operator.
func (a *Admin) RemoveOperator(ctx context.Context, name string) error {
	_, err := command[none](ctx, a, "operator remove", OperatorName{name})
	return err
}

// CreateAccount makes an account.
func (a *Admin) CreateAccount(ctx context.Context, in AccountWish) (NewAccount, error) {
	return command[NewAccount](ctx, a, "account create", in)
}

// Accounts lists the accounts.
func (a *Admin) Accounts(ctx context.Context) ([]AccountInfo, error) {
	return command[[]AccountInfo](ctx, a, "account list", none{})
}

// Account does one thing with an account: "show", "suspend", "activate" or "close".
func (a *Admin) Account(ctx context.Context, verb, id string) (AccountInfo, error) {
	return command[AccountInfo](ctx, a, "account "+verb, AccountID{id})
}

// NewRootKey makes another access key of the root of an account.
func (a *Admin) NewRootKey(ctx context.Context, id string) (Credentials, error) {
	return command[Credentials](ctx, a, "account root-key", AccountID{id})
}

// Records lists what operators did, oldest first.
func (a *Admin) Records(ctx context.Context, f RecordFilter) ([]RecordInfo, error) {
	return command[[]RecordInfo](ctx, a, "log", f)
}

// Usage tells what buckets hold.
func (a *Admin) Usage(ctx context.Context, f UsageFilter) ([]BucketUsage, error) {
	return command[[]BucketUsage](ctx, a, "usage", f)
}

// Why asks why a principal may do something, or may not.
func (a *Admin) Why(ctx context.Context, q Question) (Answer, error) {
	return command[Answer](ctx, a, "why", q)
}

// ExplainNetwork asks what becomes of a packet in the networks.
func (a *Admin) ExplainNetwork(ctx context.Context, q Way) (explain.Verdict, error) {
	return command[explain.Verdict](ctx, a, "network explain", q)
}

// follow reads the progress of a long command; it returns the line with the result.
func (a *Admin) follow(ctx context.Context, name string, in any, tell func(string)) (result Progress, err error) {
	res, err := a.do(ctx, http.MethodPost, pathOf(name), in)
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
