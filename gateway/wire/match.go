package wire

import (
	"cmp"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// Match finds the operation that a request asks for, and the protocol that it
// speaks. REST paths are taken as path-style. The error is an *Error that
// EncodeError can write in the returned protocol.
func (s *Service) Match(r *http.Request, body []byte) (*Operation, Protocol, error) {
	p := s.protocol(r)
	body, err := uncompress(p, r, body)
	if err != nil {
		return nil, p, err
	}
	var name string
	switch p {
	case RESTXML, RESTJSON:
		op := s.route(r)
		if op == nil {
			return nil, p, &Error{Code: "MethodNotAllowed", Message: "The specified method is not allowed against this resource.", Status: http.StatusMethodNotAllowed}
		}
		return op, p, nil
	case CBOR: // /service/NAME/operation/NAME, with any prefix
		var service string
		parts := strings.Split(r.URL.Path, "/")
		if n := len(parts); n >= 4 && parts[n-4] == "service" && parts[n-2] == "operation" {
			service, name = parts[n-3], parts[n-1]
		}
		if service != s.TargetPrefix {
			name = ""
		}
	case JSON10, JSON11:
		// Some clients write the prefix with its Java package.
		target := r.Header.Get("X-Amz-Target")
		dot := strings.LastIndexByte(target, '.')
		if prefix := target[:max(dot, 0)]; prefix == s.TargetPrefix || strings.HasSuffix(prefix, "."+s.TargetPrefix) {
			name = target[dot+1:]
		}
	default:
		name = formValue(string(body), "Action")
		if name == "" {
			name = formValue(r.URL.RawQuery, "Action")
		}
		if name == "" {
			return nil, p, badRequest("MissingAction", "The request must contain the parameter Action")
		}
	}
	op := s.Operation(name)
	if op == nil {
		return nil, p, unknownOperation(p, name)
	}
	return op, p, nil
}

// protocol chooses among the accepted protocols by the marks of each.
func (s *Service) protocol(r *http.Request) Protocol {
	for _, p := range s.Protocols {
		switch p {
		case CBOR:
			if r.Header.Get("Smithy-Protocol") == "rpc-v2-cbor" {
				return p
			}
		case JSON10, JSON11:
			if r.Header.Get("X-Amz-Target") != "" {
				return p
			}
		default:
			return p
		}
	}
	return s.Protocols[0]
}

func unknownOperation(p Protocol, name string) *Error {
	name = shorten(name, maxRepeated)
	switch p {
	case EC2Query, Query:
		return badRequest("InvalidAction", "The action "+name+" is not valid for this web service.")
	default:
		return badRequest("UnknownOperationException", "The operation "+name+" is unknown.")
	}
}

// Unsupported is the error for an operation that the model has but nobody
// implements, in the words of the protocol.
func Unsupported(p Protocol, op *Operation) *Error {
	switch p {
	case EC2Query:
		return badRequest("UnsupportedOperation", "The operation "+op.Name+" is not supported.")
	case RESTXML, RESTJSON:
		return &Error{Code: "NotImplemented", Message: "A header you provided implies functionality that is not implemented: " + op.Name + ".", Status: http.StatusNotImplemented}
	default:
		return unknownOperation(p, op.Name)
	}
}

// formValue returns the first value of the key in a form-encoded text.
func formValue(form, key string) string {
	for pair := range strings.SplitSeq(form, "&") {
		if k, v, _ := strings.Cut(pair, "="); k == key {
			v, _ = url.QueryUnescape(v)
			return v
		}
	}
	return ""
}

// route is a REST operation with the query parameters that lead to it.
type route struct {
	op       *Operation
	path     string   // the path's template, without its query
	literals []string // "acl", "list-type=2": part of the path's template
	required []*field // members in the query or headers that must be there
}

// routes are those of a method, sorted so that the first one that fits is the most
// specific.
func (s *Service) routes(method string) []route {
	s.routing.Do(func() {
		s.table = map[string][]route{}
		for _, op := range s.Operations {
			path, query, ok := strings.Cut(op.Path, "?")
			rt := route{op: op, path: path}
			if ok {
				for literal := range strings.SplitSeq(query, "&") {
					if !strings.HasPrefix(literal, "x-id=") { // names the operation for log readers
						rt.literals = append(rt.literals, literal)
					}
				}
			}
			for _, f := range planOf(reflect.TypeOf(op.In).Elem()).get().members {
				if f.required && (f.at == inQuery || f.at == inHeader) {
					rt.required = append(rt.required, f)
				}
			}
			s.table[op.Method] = append(s.table[op.Method], rt)
		}
		for _, list := range s.table {
			slices.SortStableFunc(list, func(a, b route) int {
				return cmp.Or(cmp.Compare(len(b.literals), len(a.literals)), cmp.Compare(len(b.required), len(a.required)))
			})
		}
	})
	return s.table[method]
}

// route finds the operation by method, path and query. Operations that differ
// only in required members are told apart by the presence of those; the one
// without any comes last.
func (s *Service) route(r *http.Request) *Operation {
	var query url.Values // most have none
	if r.URL.RawQuery != "" {
		query = r.URL.Query()
	}
	path := r.URL.EscapedPath()
	var incomplete *route
	all := s.routes(r.Method)
	for i := range all {
		rt := &all[i]
		if incomplete != nil && len(rt.literals) < len(incomplete.literals) {
			continue
		}
		if !hasLiterals(query, rt.literals) || !matchPath(rt.path, path, nil) {
			continue
		}
		complete := !slices.ContainsFunc(rt.required, func(f *field) bool {
			return f.at == inQuery && !query.Has(f.name) || f.at == inHeader && r.Header.Get(f.header) == ""
		})
		if complete {
			return rt.op
		}
		incomplete = rt
	}
	if incomplete == nil {
		return nil
	}
	return incomplete.op
}

func hasLiterals(query url.Values, literals []string) bool {
	for _, literal := range literals {
		key, value, ok := strings.Cut(literal, "=")
		if !query.Has(key) || ok && query.Get(key) != value {
			return false
		}
	}
	return true
}

// matchPath matches an escaped path against a template such as
// "/{Bucket}/{Key+}?acl", and keeps the values of its labels if labels is not nil.
func matchPath(template, path string, labels map[string]string) bool {
	template, _, _ = strings.Cut(template, "?")
	template, path = strings.TrimPrefix(template, "/"), strings.TrimPrefix(path, "/")
	for {
		want, moreTemplate, more := strings.Cut(template, "/")
		if name, ok := strings.CutSuffix(want, "+}"); ok { // greedy: all that is left
			return matchLabel(name[1:], path, labels)
		}
		have, morePath, moreHave := strings.Cut(path, "/")
		if strings.HasPrefix(want, "{") {
			if !matchLabel(want[1:len(want)-1], have, labels) {
				return false
			}
		} else if want != have {
			return false
		}
		if !more || !moreHave {
			return more == moreHave || !more && morePath == ""
		}
		template, path = moreTemplate, morePath
	}
}

func matchLabel(name, escaped string, labels map[string]string) bool {
	value, err := url.PathUnescape(escaped)
	if err != nil || value == "" {
		return false
	}
	if labels != nil {
		labels[name] = value
	}
	return true
}
