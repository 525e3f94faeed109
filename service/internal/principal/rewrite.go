package principal

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Rewrite returns a policy document with each AWS principal replaced by
// what fn returns, and all else as it was written.
func Rewrite(document string, fn func(string) (string, error)) (string, error) {
	w := rewriter{text: document, decoder: json.NewDecoder(strings.NewReader(document)), fn: fn}
	if err := w.value(""); err != nil {
		return "", err
	}
	w.out.WriteString(document[w.copied:])
	return w.out.String(), nil
}

// rewriter walks through a document.
type rewriter struct {
	text    string
	decoder *json.Decoder
	fn      func(string) (string, error)
	out     strings.Builder
	copied  int64 // of text, to out
}

// value reads one value; path has the names that lead to it.
func (w *rewriter) value(path string) error {
	before := w.decoder.InputOffset()
	token, err := w.decoder.Token()
	if err != nil {
		return fmt.Errorf("read policy document: %w", err)
	}
	switch token := token.(type) {
	case json.Delim:
		return w.below(path, token)
	case string:
		if path == "/Statement/Principal/AWS" || path == "/Statement/NotPrincipal/AWS" {
			return w.replace(token, before)
		}
	}
	return nil
}

// below reads what an object or an array holds, and its end.
func (w *rewriter) below(path string, open json.Delim) error {
	for w.decoder.More() {
		below := path
		if open == '{' {
			name, err := w.decoder.Token()
			if err != nil {
				return fmt.Errorf("read policy document: %w", err)
			}
			below += fmt.Sprint("/", name)
		}
		if err := w.value(below); err != nil {
			return err
		}
	}
	_, err := w.decoder.Token()
	return err
}

// replace writes what stands in the place of a principal that was just read, and
// that begins after an offset.
func (w *rewriter) replace(principal string, after int64) error {
	other, err := w.fn(principal)
	if err != nil || other == principal {
		return err
	}
	quoted, err := json.Marshal(other)
	if err != nil {
		return err
	}
	start := after + int64(strings.IndexByte(w.text[after:], '"'))
	w.out.WriteString(w.text[w.copied:start])
	w.out.Write(quoted)
	w.copied = w.decoder.InputOffset()
	return nil
}
