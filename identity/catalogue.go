package identity

import (
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"
)

//go:embed catalogue/*.json
var catalogueFiles embed.FS

// Managed is a managed policy that the cloud itself brings, under the name that
// AWS gives one for the same purpose, so that tools find it.
type Managed struct {
	ID          string // "ANPA…"; the same in every cloud
	Name        string
	Path        string // "/", "/service-role/", "/job-function/", "/aws-service-role/"
	Description string
	Document    string // compact JSON
	Created     time.Time
}

// ARN is the name that it is attached by, e.g. "arn:aws:iam::aws:policy/ReadOnlyAccess".
func (m Managed) ARN() string { return "arn:aws:iam::aws:policy" + m.Path + m.Name }

// ManagedPolicies are all that the cloud brings.
type ManagedPolicies struct {
	list  []Managed // by name
	byARN map[string]Managed
}

// Find returns the policy of that ARN.
func (c *ManagedPolicies) Find(arn string) (Managed, bool) {
	m, ok := c.byARN[arn]
	return m, ok
}

// All returns the policies by name. The slice must not be changed.
func (c *ManagedPolicies) All() []Managed { return c.list }

// Catalogue returns the managed policies that the cloud brings.
var Catalogue = sync.OnceValue(func() *ManagedPolicies {
	c := &ManagedPolicies{byARN: map[string]Managed{}}
	files, err := catalogueFiles.ReadDir("catalogue")
	if err != nil {
		panic(err) // they are part of the binary
	}
	for _, f := range files {
		m, err := readManaged(path.Join("catalogue", f.Name()))
		if err != nil {
			panic(fmt.Sprintf("identity: %s: %v", f.Name(), err)) // a test reads them all
		}
		c.list = append(c.list, m)
		c.byARN[m.ARN()] = m
	}
	return c
})

func readManaged(file string) (m Managed, err error) {
	text, err := catalogueFiles.ReadFile(file)
	if err != nil {
		return m, err
	}
	var in struct {
		ID, Path, Description string
		Created               time.Time
		Document              json.RawMessage
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return m, err
	}
	document, err := json.Marshal(in.Document)
	return Managed{in.ID, strings.TrimSuffix(path.Base(file), ".json"), in.Path, in.Description, string(document), in.Created}, err
}
