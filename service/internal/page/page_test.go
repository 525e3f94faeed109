package page_test

import (
	"testing"

	"github.com/vauban-cloud/vauban/service/internal/page"
)

func TestTokens(t *testing.T) {
	key, scope := []byte("a key"), page.Scope{"000000000001", "ListUsers"}
	token := page.Seal(key, scope, "carol")
	if mark, ok := page.Open(key, scope, token); !ok || mark != "carol" {
		t.Errorf("%q, %v", mark, ok)
	}
	for name, open := range map[string]func() (string, bool){
		"another key":       func() (string, bool) { return page.Open([]byte("b"), scope, token) },
		"another account":   func() (string, bool) { return page.Open(key, page.Scope{"000000000002", "ListUsers"}, token) },
		"another operation": func() (string, bool) { return page.Open(key, page.Scope{"000000000001", "ListRoles"}, token) },
		"longer scope":      func() (string, bool) { return page.Open(key, append(scope, "x"), token) },
		"cut":               func() (string, bool) { return page.Open(key, scope, token[:len(token)-1]) },
		"longer":            func() (string, bool) { return page.Open(key, scope, token+"A") },
		"padded":            func() (string, bool) { return page.Open(key, scope, token+"=") },
		"broken in two":     func() (string, bool) { return page.Open(key, scope, token[:4]+"\n"+token[4:]) },
		"empty":             func() (string, bool) { return page.Open(key, scope, "") },
		"without a mark":    func() (string, bool) { return page.Open(key, scope, page.Seal(key, scope, "")) },
	} {
		if mark, ok := open(); ok {
			t.Errorf("%s: opened, and gave %q", name, mark)
		}
	}
}
