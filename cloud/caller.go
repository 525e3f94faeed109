package cloud

import "context"

// Caller is who makes a request, as the gateway has verified it.
type Caller struct {
	Account   string // 12 digits
	ARN       string // e.g. "arn:aws:iam::000000000001:root"
	UserID    string // the unique ID of the principal; the account for its root
	AccessKey string // access key ID that signed the request
	RequestID string
	SourceIP  string
	Region    string // the region of the credential scope
}

type callerKey struct{}

// WithCaller returns a context that carries the caller.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerFrom returns the caller, the zero Caller for an anonymous request.
func CallerFrom(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}
