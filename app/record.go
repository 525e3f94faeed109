package app

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// errRefused says that a command came without the token of any operator.
var errRefused = errors.New("no operator has this token: set VAUBAN_OPERATOR_TOKEN to yours, or run the command as root on the cloud's machine")

// record has an operator's command happen, between two writes: one before it that
// says what is about to happen, one after it with the outcome. Commands of those
// who prove themselves nobody do not happen, and are recorded as nobody's.
func (r *running) record(ctx context.Context, token string, uid int, name string, args map[string]string, act func(context.Context) error) error {
	rec := cloud.OperatorRecord{
		ID: recordID(r.now()) + "-" + hex.EncodeToString(random(4)), Time: r.now().UTC(), Command: name, Args: shorten(args), UID: uid,
	}
	operator, ok := r.operatorOf(token)
	if !ok {
		rec.Outcome = "refused"
		return errors.Join(errRefused, r.write(ctx, rec))
	}
	rec.Operator = operator
	if err := r.write(ctx, rec); err != nil {
		return fmt.Errorf("record the command, which did not happen: %w", err)
	}
	err := act(context.WithValue(ctx, operatorKey{}, operator))
	rec.Outcome = "ok"
	if err != nil {
		rec.Outcome = "error: " + shortened(err.Error())
	}
	if lost := r.write(context.WithoutCancel(ctx), rec); lost != nil {
		r.log.Error("record the outcome of a command", "command", name, "operator", operator, "outcome", rec.Outcome, "err", lost)
	}
	return err
}

type operatorKey struct{}

// operatorFrom returns whose command is under way.
func operatorFrom(ctx context.Context) string {
	name, _ := ctx.Value(operatorKey{}).(string)
	return name
}

// operatorOf returns the operator whose token it is. It compares with every
// operator, each in constant time, so that time tells nothing of any token.
func (r *running) operatorOf(token string) (name string, ok bool) {
	hash := sha256.Sum256([]byte(token))
	for o := range operators.All(r.db.View()) {
		if subtle.ConstantTimeCompare(hash[:], o.Token) == 1 {
			name, ok = o.Name, true
		}
	}
	return name, ok
}

// write writes a record, and when its operator was seen.
func (r *running) write(ctx context.Context, rec cloud.OperatorRecord) error {
	return r.db.Update(ctx, func(tx *store.Tx) error {
		if o, ok := operators.Get(tx, rec.Operator); ok {
			o.Seen = rec.Time.Truncate(time.Minute)
			if err := operators.Put(tx, o); err != nil {
				return err
			}
		}
		return records.Put(tx, rec)
	})
}

// recordID begins the ID of a record: IDs sort by time.
func recordID(t time.Time) string { return t.UTC().Format("20060102T150405.000000000") }

// maxRecorded bounds a text in a record, in bytes.
const maxRecorded = 1024

func shortened(s string) string {
	if len(s) > maxRecorded {
		s = s[:maxRecorded] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func shorten(args map[string]string) map[string]string {
	short := make(map[string]string, len(args))
	for k, v := range args {
		if v != "" {
			short[k] = shortened(v)
		}
	}
	return short
}

// RecordFilter says which records to list.
type RecordFilter struct {
	Operator string    `json:"operator,omitempty"` // of this operator alone
	Since    time.Time `json:"since,omitzero"`
}

func (f RecordFilter) args() map[string]string {
	args := map[string]string{"operator": f.Operator}
	if !f.Since.IsZero() {
		args["since"] = f.Since.UTC().Format(time.RFC3339)
	}
	return args
}

// RecordInfo is one command of an operator.
type RecordInfo struct {
	Time     time.Time         `json:"time"`
	Operator string            `json:"operator"` // empty: refused
	UID      int               `json:"uid"`      // Unix user at the other end of the socket; -1: not known
	Command  string            `json:"command"`
	Args     map[string]string `json:"args,omitempty"`
	Outcome  string            `json:"outcome,omitempty"` // "ok", "refused", "error: …"; empty: under way, or the cloud ended in the middle
}

// listRecords lists records, oldest first.
func (r *running) listRecords(_ context.Context, f RecordFilter) ([]RecordInfo, error) {
	label, after, out := "", "", []RecordInfo{}
	if f.Operator != "" {
		label = cloud.OperatorRecord{Operator: f.Operator}.Labels()[0]
	}
	if !f.Since.IsZero() {
		after = recordID(f.Since)
	}
	for rec := range records.From(r.db.View(), label, after) {
		out = append(out, RecordInfo{rec.Time, rec.Operator, rec.UID, rec.Command, rec.Args, rec.Outcome})
	}
	return out, nil
}
