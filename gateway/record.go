package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
)

// Record is what an audit keeps of a request. It holds nothing that the caller
// sent but names.
type Record struct {
	Time      time.Time // of arrival
	RequestID string
	Caller    cloud.Caller // zero unless the signature was verified
	Service   string       // "ec2"; empty if the request was for none
	Operation string       // "RunInstances"; empty if unknown
	Resources []string     // ARNs, as far as known
	Code      string       // of the error that was answered; empty if none
	Status    int          // HTTP
	Latency   time.Duration
	SourceIP  string
	UserAgent string
	HTTP      Exchange // of requests for S3
}

// record writes the request's log line and its audit record.
func (q *request) record() {
	rec := Record{
		Time: q.start, RequestID: q.id, Caller: q.caller, Service: q.endpoint.api.Name, Code: q.code, Status: q.w.status,
		Latency: q.cfg.Now().Sub(q.start), SourceIP: q.source, UserAgent: q.r.UserAgent(),
	}
	if q.op != nil {
		rec.Operation = q.op.Name
	}
	if rec.Service == s3 && q.cfg.Audit != nil {
		rec.HTTP = q.exchange()
	}
	ctx := context.WithoutCancel(q.r.Context())
	if q.cfg.Audit != nil {
		q.cfg.Audit(ctx, rec)
	}
	level := slog.LevelInfo
	if q.failed {
		level = slog.LevelError
	}
	if !q.cfg.Log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 14)
	attrs = append(attrs,
		slog.String("request", rec.RequestID), slog.String("service", rec.Service), slog.String("operation", rec.Operation),
		slog.String("account", rec.Caller.Account), slog.String("principal", rec.Caller.ARN), slog.String("key", q.key[:min(len(q.key), 128)]),
		slog.Int("status", rec.Status), slog.String("code", rec.Code), slog.Duration("latency", rec.Latency),
		slog.String("source", rec.SourceIP), slog.Int64("bytes", q.w.written))
	if q.cause != nil {
		attrs = append(attrs, slog.Any("error", q.cause))
	}
	if q.stack != nil {
		attrs = append(attrs, slog.String("stack", string(q.stack)))
	}
	q.cfg.Log.LogAttrs(ctx, level, "request", attrs...)
}

// newRequestID returns a random UUID: https://www.rfc-editor.org/rfc/rfc9562#section-5.4
func newRequestID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var text [36]byte
	hex.Encode(text[:], b[:4])
	hex.Encode(text[9:], b[4:6])
	hex.Encode(text[14:], b[6:8])
	hex.Encode(text[19:], b[8:10])
	hex.Encode(text[24:], b[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}
