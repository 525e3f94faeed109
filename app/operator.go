package app

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"regexp"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// localOperator is the operator that a new cloud starts with. Its token is in the
// data folder, for root on the machine.
const localOperator = "local"

// ensureOperator makes the first operator of a cloud that has none, and gives it a
// new token on a cloud whose operators have lost theirs (Config.NewOperator). The
// file comes first: after a crash in between, the next start does the same again.
func (r *running) ensureOperator(ctx context.Context) error {
	if operators.Count(r.db.View(), "") > 0 && !r.cfg.NewOperator {
		return nil
	}
	token := newToken()
	if err := r.cfg.writeOwnToken(OperatorToken{localOperator, token}); err != nil {
		return err
	}
	now := r.now().UTC()
	return r.db.Update(ctx, func(tx *store.Tx) error {
		o, ok := operators.Get(tx, localOperator)
		if !ok {
			o = cloud.Operator{Name: localOperator, Created: now}
		}
		o.Token = hashOf(token)
		if err := operators.Put(tx, o); err != nil {
			return err
		}
		return records.Put(tx, cloud.OperatorRecord{
			ID: recordID(now) + "-start", Time: now, Command: "operator add", Args: map[string]string{"name": localOperator}, Outcome: "ok", UID: os.Getuid(),
		})
	})
}

// newToken returns a token: 256 random bits, after a prefix by which scanners for
// leaked secrets find it.
func newToken() string { return "vauban_op_" + base64.RawURLEncoding.EncodeToString(random(32)) }

func hashOf(token string) []byte {
	hash := sha256.Sum256([]byte(token))
	return hash[:]
}

// OperatorName names an operator.
type OperatorName struct {
	Name string `json:"name"`
}

func (n OperatorName) args() map[string]string { return map[string]string{"name": n.Name} }

// OperatorInfo is an operator.
type OperatorInfo struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	By      string    `json:"by,omitempty"`  // the operator who added this one; empty: the cloud itself
	Seen    time.Time `json:"seen,omitzero"` // last command, to the minute
}

var operatorForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._@-]{0,62}$`)

// addOperator makes an operator. Its token is in the answer alone.
func (r *running) addOperator(ctx context.Context, in OperatorName) (OperatorToken, error) {
	out := OperatorToken{in.Name, newToken()}
	if !operatorForm.MatchString(in.Name) {
		return out, fmt.Errorf("%q cannot be an operator's name: use up to 63 of a-z, 0-9, '.', '_', '@' and '-', and begin with a letter or digit", in.Name)
	}
	return out, r.db.Update(ctx, func(tx *store.Tx) error {
		if _, ok := operators.Get(tx, in.Name); ok {
			return fmt.Errorf("there is an operator %s: choose another name, or remove that one first", in.Name)
		}
		return operators.Create(tx, cloud.Operator{Name: in.Name, Token: hashOf(out.Token), Created: r.now().UTC(), By: operatorFrom(ctx)})
	})
}

// listOperators lists the operators by name.
func (r *running) listOperators(context.Context, struct{}) ([]OperatorInfo, error) {
	out := []OperatorInfo{}
	for o := range operators.All(r.db.View()) {
		out = append(out, OperatorInfo{o.Name, o.Created, o.By, o.Seen})
	}
	return out, nil
}

// removeOperator removes an operator, whose token means nothing from then on.
func (r *running) removeOperator(ctx context.Context, in OperatorName) (struct{}, error) {
	err := r.db.Update(ctx, func(tx *store.Tx) error {
		if _, ok := operators.Get(tx, in.Name); !ok {
			return fmt.Errorf("there is no operator %q: see `vauban admin operator list`", in.Name)
		}
		if operators.Count(tx, "") == 1 {
			return fmt.Errorf("%s is the last operator, and without one nobody could run the cloud: add another first", in.Name)
		}
		return operators.Delete(tx, in.Name)
	})
	if err == nil && in.Name == localOperator {
		if err = os.Remove(r.cfg.ownTokenPath()); errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	}
	return struct{}{}, err
}
