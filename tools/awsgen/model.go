package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
)

// modelModule carries the service models; it is read, never linked in.
const modelModule = "github.com/aws/aws-sdk-go@v1.55.8"

// model is a service model, in the form of the published api-2.json.
type model struct {
	Metadata struct {
		APIVersion     string
		EndpointPrefix string
		SigningName    string
		GlobalEndpoint string
		TargetPrefix   string
		XMLNamespace   string
	}
	Operations map[string]*operation
	Shapes     map[string]*shape
}

type operation struct {
	HTTP struct {
		Method, RequestURI string
		ResponseCode       int
	}
	Input, Output *ref
	Errors        []ref
}

type shape struct {
	Type            string
	Members         map[string]*ref
	Required        []string
	Member          *ref // of a list
	Key, Value      *ref // of a map
	Flattened       bool
	Enum            []string
	Payload         string
	TimestampFormat string
	Exception       bool
	Eventstream     bool
	Error           struct {
		Code           string
		HTTPStatusCode int
	}
	XMLNamespace namespace
	Fault        bool
}

// ref is the use of a shape by a member, with the traits of that use.
type ref struct {
	Shape           string
	LocationName    string
	QueryName       string
	Location        string
	Flattened       bool
	Streaming       bool
	XMLAttribute    bool
	TimestampFormat string
	XMLNamespace    namespace
}

// namespace is of the form {"prefix": ..., "uri": ...}.
type namespace struct{ Prefix, URI string }

// UnmarshalJSON takes the short form, a bare URI, too.
func (n *namespace) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		return json.Unmarshal(b, &n.URI)
	}
	type plain namespace
	return json.Unmarshal(b, (*plain)(n))
}

// modelDir returns the folder of the models in the module cache.
func modelDir() (string, error) {
	out, err := exec.Command("go", "mod", "download", "-json", modelModule).Output()
	if err != nil {
		return "", fmt.Errorf("download %s: %w: %s", modelModule, err, out)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return "", fmt.Errorf("locate %s: %w", modelModule, err)
	}
	return filepath.Join(module.Dir, "models", "apis"), nil
}

func load(dir, name string) (*model, error) {
	b, err := os.ReadFile(filepath.Join(dir, name, "api-2.json"))
	if err != nil {
		return nil, err
	}
	m := new(model)
	return m, json.Unmarshal(b, m)
}

// sorted returns the keys of m in order.
func sorted[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
