package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// OperatorToken is how an operator proves itself.
type OperatorToken struct {
	Name  string `json:"name"`
	Token string `json:"token"`
}

// ownTokenPath is the token of the operator that the cloud started with.
func (c Config) ownTokenPath() string { return filepath.Join(c.Data, "operator.json") }

func (c Config) writeOwnToken(t OperatorToken) error {
	b, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(c.ownTokenPath(), append(b, '\n'))
}

// TokenVariable is the variable of the environment that may hold an operator's token.
const TokenVariable = "VAUBAN_OPERATOR_TOKEN" //nolint:gosec // its name, not its value

// FindToken returns the token that a command is to use: that of the environment,
// else the one that the caller saved for this cloud, else the one in the data
// folder. Empty if there is none that the caller can read.
func (c Config) FindToken(getenv func(string) string) (string, error) {
	if token := getenv(TokenVariable); token != "" {
		return token, nil
	}
	saved, err := c.savedTokens(getenv)
	if err != nil {
		return "", err
	}
	if t, ok := saved[c.tokenKey()]; ok {
		return t.Token, nil
	}
	own, err := readPrivate[OperatorToken](c.ownTokenPath())
	if errors.Is(err, os.ErrPermission) {
		err = nil // the cloud will say what to do
	}
	return own.Token, err
}

// SaveToken keeps a token for the caller's commands on this cloud, and returns the
// file that it is in.
func (c Config) SaveToken(getenv func(string) string, t OperatorToken) (string, error) {
	saved, err := c.savedTokens(getenv)
	if err != nil {
		return "", err
	}
	path, key := savedTokensPath(getenv), c.tokenKey()
	if path == "" || key == "" {
		return "", fmt.Errorf("there is no place to save the token: set HOME, and see that %s can be read", c.idPath())
	}
	if saved == nil {
		saved = map[string]OperatorToken{}
	}
	saved[key] = t
	b, err := json.MarshalIndent(saved, "", "  ")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	return path, writeFile(path, append(b, '\n'))
}

// tokenKey tells the clouds apart whose tokens a caller saved: the short ID and the
// data folder, since neither is unique for ever. Empty if the caller cannot read it.
func (c Config) tokenKey() string {
	b, err := os.ReadFile(c.idPath())
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b)) + " " + c.Data
}

// savedTokensPath is where a caller keeps tokens by cloud; empty without a home.
func savedTokensPath(getenv func(string) string) string {
	dir := getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home := getenv("HOME")
		if home == "" {
			return ""
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "vauban", "operator.json")
}

func (c Config) savedTokens(getenv func(string) string) (map[string]OperatorToken, error) {
	path := savedTokensPath(getenv)
	if path == "" {
		return nil, nil
	}
	return readPrivate[map[string]OperatorToken](path)
}

// readPrivate reads a file of secrets, and refuses one that others can read. A file
// that is not there is empty.
func readPrivate[T any](path string) (v T, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return v, nil
	}
	if err != nil {
		return v, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return v, fmt.Errorf("%s may be read by others (mode %04o): if nobody did, run chmod 600 %s", path, mode, path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return v, fmt.Errorf("read %s: %w", path, err)
	}
	return v, nil
}
