package metadata

import (
	"slices"
	"strings"
)

// node is a directory or a value of the tree.
type node struct {
	children []child // of a directory
	value    string  // of a leaf
	raw      bool    // the value is bytes, not text
	leaf     bool
	// fetch gives the value of a leaf that is looked up only when it is asked for.
	fetch func() (string, error)
}

// child is a named entry of a directory.
type child struct {
	name   string
	listed string // how the directory lists it
	node   node
}

// text is a leaf.
func text(s string) node { return node{value: s, leaf: true} }

// fetched is a leaf that is looked up when it is asked for.
func fetched(fetch func() (string, error)) node { return node{leaf: true, fetch: fetch} }

// lines is a leaf with one value a line.
func lines(s ...string) node { return text(strings.Join(s, "\n")) }

// add puts a node under a name; a directory is listed with a slash. Empty leaves
// and directories are left out: EC2 does not list what has no value.
func (n *node) add(name string, c node) {
	if c.leaf && c.value == "" && c.fetch == nil || !c.leaf && len(c.children) == 0 {
		return
	}
	listed := name
	if !c.leaf {
		listed += "/"
	}
	n.children = append(n.children, child{name: name, listed: listed, node: c})
}

// find walks down from n.
func find(n node, path []string) (node, bool) {
	for _, name := range path {
		i := slices.IndexFunc(n.children, func(c child) bool { return c.name == name })
		if i < 0 {
			return node{}, false
		}
		n = n.children[i].node
	}
	return n, true
}

// content returns the bytes of a leaf, or the sorted listing of a directory, one
// name a line without a newline at the end, and the content type.
func (n node) content() (body []byte, contentType string, err error) {
	switch {
	case n.fetch != nil:
		value, err := n.fetch()
		return []byte(value), "text/plain", err
	case n.raw:
		return []byte(n.value), "application/octet-stream", nil
	case n.leaf:
		return []byte(n.value), "text/plain", nil
	}
	names := make([]string, len(n.children))
	for i, c := range n.children {
		names[i] = c.listed
	}
	slices.Sort(names)
	return []byte(strings.Join(names, "\n")), "text/plain", nil
}
