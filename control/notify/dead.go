package notify

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
)

// tries is how often a message is sent that the webhook refuses, before it is dead.
const tries = 10

// maxDead is how many bytes of dead messages a file holds, of which each destination
// has two: the older is dropped for the next.
const maxDead = 64 << 20

// refusal is the answer of a webhook that will not take a message, whenever it comes.
type refusal struct{ error }

// refuses reports whether a status says that it is of no use to send the message again:
// https://www.rfc-editor.org/rfc/rfc9110#section-15.5
func refuses(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status/100 == 4
}

// dead reports whether the first message of a queue has been refused often enough.
// Once one was, each of those behind it is sent just once, until one is taken: a webhook
// that refuses everything holds up nothing.
func (q *queue) dead(sent int, err error) bool {
	if sent > 0 {
		q.refused = 0
	}
	if _, ok := errors.AsType[refusal](err); !ok {
		return false
	}
	q.refused++
	return q.refused >= tries
}

// deadPath is the file of a destination's dead messages, one a line.
func (c *Courier) deadPath(name string) string { return filepath.Join(c.Dead, name+".jsonl") }

// bury keeps messages that were not delivered, as they would have been sent.
func (c *Courier) bury(name string, messages [][]byte) error {
	path := c.deadPath(name)
	if i, err := os.Stat(path); err == nil && i.Size() >= maxDead {
		if err := os.Rename(path, path+".old"); err != nil {
			return err
		}
	}
	err := appendLines(path, messages)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(c.Dead, 0o700); err != nil {
			return err
		}
		err = appendLines(path, messages)
	}
	return err
}

// Undelivered returns the files of messages that were not delivered.
func (c *Courier) Undelivered() []string {
	list, _ := filepath.Glob(filepath.Join(c.Dead, "*.jsonl*")) // its only error is of the pattern
	return list
}
