package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
)

// numberTypes are the types of the Go SDK for the numbers of the models.
var numberTypes = map[string]string{"int32": "integer", "int64": "long", "float32": "float", "float64": "double"}

// setWidths replaces every use of the type "number" by the one that the Go SDK
// has for that member.
func (m *model) setWidths(goModule string) error {
	types, err := sdkNumbers(goModule)
	if err != nil {
		return err
	}
	for _, t := range numberTypes {
		m.Shapes[t] = &shape{Type: t}
	}
	roles := map[string][]string{} // the Go SDK's names of a shape
	for name, o := range m.Operations {
		if o.Input != nil {
			roles[o.Input.Shape] = append(roles[o.Input.Shape], name+"Input")
		}
		if o.Output != nil {
			roles[o.Output.Shape] = append(roles[o.Output.Shape], name+"Output")
		}
	}
	for _, name := range sorted(m.Shapes) {
		sh := m.Shapes[name]
		if sh.Exception {
			continue
		}
		for _, member := range sorted(sh.Members) {
			number := m.number(sh.Members[member])
			if number == nil {
				continue
			}
			for _, role := range append([]string{name}, roles[name]...) {
				if t := types[export(role)+"."+export(member)]; t != "" {
					number.Shape = t
				}
			}
			if m.Shapes[number.Shape].Type == "number" {
				return fmt.Errorf("the Go SDK has no number %s.%s", name, member)
			}
		}
	}
	return nil
}

// number returns the use of "number" at or below r, if there is one. Lists of
// numbers have no shape of their own in the schemas: each use gets one.
func (m *model) number(r *ref) *ref {
	sh := *m.Shapes[r.Shape]
	for _, inner := range []**ref{&sh.Member, &sh.Value} {
		if *inner == nil {
			continue
		}
		use := **inner
		*inner = &use
		if n := m.number(&use); n != nil {
			r.Shape = fmt.Sprintf("%s:%d", r.Shape, len(m.Shapes))
			m.Shapes[r.Shape] = &sh
			return n
		}
	}
	if sh.Type == "number" {
		return r
	}
	return nil
}

// sdkNumbers maps "Struct.Field" to the type of the field, if it is a number
// or a list or map of them.
func sdkNumbers(goModule string) (map[string]string, error) {
	dir, err := moduleDir("github.com/aws/aws-sdk-go-v2/service/" + goModule)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, pattern := range []string{"api_op_*.go", "types/types.go"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			ast.Inspect(f, func(n ast.Node) bool {
				spec, ok := n.(*ast.TypeSpec)
				if !ok {
					return true
				}
				if st, ok := spec.Type.(*ast.StructType); ok {
					for _, field := range st.Fields.List {
						if t := numberTypes[leaf(field.Type)]; t != "" && len(field.Names) == 1 {
							found[spec.Name.Name+"."+strings.TrimSuffix(field.Names[0].Name, "_")] = t
						}
					}
				}
				return false
			})
		}
	}
	return found, nil
}

// moduleDir downloads a Go module, and returns its folder.
func moduleDir(path string) (string, error) {
	out, err := output("go", "mod", "download", "-json", path)
	if err != nil {
		return "", err
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return "", fmt.Errorf("locate %s: %w", path, err)
	}
	return module.Dir, nil
}

// leaf returns the name of the type that pointers, lists and maps lead to.
func leaf(e ast.Expr) string {
	switch t := e.(type) {
	case *ast.StarExpr:
		return leaf(t.X)
	case *ast.ArrayType:
		return leaf(t.Elt)
	case *ast.MapType:
		return leaf(t.Value)
	case *ast.Ident:
		return t.Name
	}
	return ""
}
