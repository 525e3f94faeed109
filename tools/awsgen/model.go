package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
)

// model is a service model, in the form of the published api-2.json.
type model struct {
	Metadata struct {
		APIVersion   string
		TargetPrefix string
		XMLNamespace string
		QueryErrors  bool
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
}

type shape struct {
	Type            string
	Members         map[string]*ref
	Required        []string
	Member          *ref // of a list
	Key, Value      *ref // of a map
	Enum            []string
	Payload         string
	TimestampFormat string
	Exception       bool
	Error           struct {
		Code           string // in the query protocols
		HTTPStatusCode int
		Fault          int // 400 or 500
	}
	XMLName      string
	XMLNamespace namespace
}

// ref is the use of a shape by a member, with the traits of that use.
type ref struct {
	Shape        string
	LocationName string
	QueryName    string
	Location     string
	Flattened    bool
	Streaming    bool
	XMLAttribute bool
	XMLNamespace namespace
}

// namespace is of the form {"prefix": ..., "uri": ...}, or a bare URI.
type namespace struct{ Prefix, URI string }

func (n *namespace) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		return json.Unmarshal(b, &n.URI)
	}
	type plain namespace
	return json.Unmarshal(b, (*plain)(n))
}

//go:embed schema.mjs
var schemaScript string

// firstSDK is the module with the models in their published form.
const firstSDK = "github.com/aws/aws-sdk-go@v1.55.8"

// load returns the model in an npm package of the AWS SDK, e.g. "client-ebs@3.1138.0", or in
// a folder of the published ones, e.g. "rbin/2021-06-15".
func load(name string) (*model, error) {
	if strings.Contains(name, "/") {
		return loadPublished(name)
	}
	dir, err := download(name)
	if err != nil {
		return nil, err
	}
	out, err := output("node", "--input-type=module", "--eval", schemaScript, "-", dir)
	if err != nil {
		return nil, err
	}
	m := new(model)
	return m, json.Unmarshal(out, m)
}

// newer are the members that shapes got after the first SDK ended, with their shapes.
var newer = map[string]map[string]map[string]string{
	"rbin/2021-06-15": {
		"CreateRuleRequest": exclusions, "CreateRuleResponse": exclusions, "GetRuleResponse": exclusions, "ListRulesRequest": exclusions,
		"LockRuleResponse": exclusions, "UnlockRuleResponse": exclusions, "UpdateRuleRequest": exclusions, "UpdateRuleResponse": exclusions,
	},
}

var exclusions = map[string]string{"ExcludeResourceTags": "ResourceTags"}

func loadPublished(folder string) (*model, error) {
	dir, err := moduleDir(firstSDK)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "models/apis", folder, "api-2.json"))
	if err != nil {
		return nil, err
	}
	m := new(model)
	if err := json.Unmarshal(text, m); err != nil {
		return nil, err
	}
	for name, members := range newer[folder] {
		for member, of := range members {
			m.Shapes[name].Members[member] = &ref{Shape: of}
		}
	}
	// The parts of a path have the names of the members here, as in the packages.
	for _, o := range m.Operations {
		if o.Input == nil {
			continue
		}
		for name, r := range m.Shapes[o.Input.Shape].Members {
			if r.Location == "uri" {
				o.HTTP.RequestURI = strings.ReplaceAll(o.HTTP.RequestURI, "{"+r.LocationName+"}", "{"+name+"}")
			}
		}
	}
	for _, sh := range m.Shapes {
		for _, r := range sh.Members {
			if r.Location == "uri" {
				r.LocationName = ""
			}
		}
	}
	return m, nil
}

// download unpacks the npm package into the cache, and returns its folder.
func download(npm string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "vauban-awsgen", npm)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "unpack-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	out, err := output("npm", "pack", "--silent", "--pack-destination", tmp, "@aws-sdk/"+npm)
	if err != nil {
		return "", err
	}
	archive := filepath.Join(tmp, filepath.Base(lastLine(out)))
	if _, err := output("tar", "-xzf", archive, "-C", tmp, "package/dist-es", "package/package.json"); err != nil {
		return "", err
	}
	return dir, os.Rename(filepath.Join(tmp, "package"), dir)
}

func lastLine(out []byte) string {
	text := strings.TrimSpace(string(out))
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// output runs a command, and returns what it prints.
func output(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run %s %s: %w", name, args[len(args)-1], err)
	}
	return out, nil
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
