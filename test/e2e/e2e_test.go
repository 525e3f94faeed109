package e2e_test

import (
	"errors"
	"fmt"
	"strings"
)

var errSame = errors.New("nothing has changed")

// contains is an error unless the text has the part.
func contains(text, part string) error {
	if strings.Contains(text, part) {
		return nil
	}
	return fmt.Errorf("%q does not contain %q", text, part)
}
