package wire

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
)

// decodeREST fills v, the struct of an input, from the path, query, headers
// and body of a request. Only the body is refused for what the model does not
// know: any client may add headers and query parameters.
func decodeREST(p Protocol, op *Operation, v reflect.Value, r *http.Request, body []byte) error {
	labels := make(map[string]string, 2)
	if !matchPath(op.Path, r.URL.EscapedPath(), labels) {
		return malformedf("The path does not fit %s", op.Path)
	}
	var query url.Values // most have none
	if r.URL.RawQuery != "" {
		var err error
		if query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
			return &fault{invalid, "query", "The query string contains a syntax error"}
		}
	}
	plan := planOf(v.Type()).get()
	for _, f := range plan.members {
		if err := decodeBinding(f, v.Field(f.index), labels, query, r.Header); err != nil {
			return err
		}
	}
	if err := decodeBody(p, op, plan, v, r, body); err != nil {
		return err
	}
	return checkRequired(plan, v, "", func(f *field) string { return f.name })
}

// decodeBinding sets v from the path, the query or the headers.
func decodeBinding(f *field, v reflect.Value, labels map[string]string, query url.Values, header http.Header) error {
	var values []string
	switch f.at {
	case inURI:
		if label, ok := labels[f.name]; ok {
			values = []string{label}
		}
	case inQuery:
		if f.kind == mapKind {
			return decodeQueryMap(f, v, query)
		}
		values = query[f.name]
	case inHeader:
		if values = header[f.header]; f.kind == listKind {
			values = splitHeader(values)
		}
	case inHeaders:
		return decodeHeaderMap(f, v, header)
	default: // in the body
	}
	if len(values) == 0 {
		return nil
	}
	if f.kind == listKind {
		v.Set(reflect.MakeSlice(v.Type(), len(values), len(values)))
		for i, s := range values {
			if expected := parseScalar(f.elem, v.Index(i), s); expected != "" {
				return invalidValue(f.name, s, expected)
			}
		}
		return nil
	}
	if expected := parseScalar(f, f.target(v), values[0]); expected != "" {
		return invalidValue(f.name, values[0], expected)
	}
	return nil
}

// splitHeader splits values at commas outside quotes.
func splitHeader(values []string) []string {
	var all []string
	for _, value := range values {
		quoted := false
		for _, part := range strings.FieldsFunc(value, func(r rune) bool {
			if r == '"' {
				quoted = !quoted
			}
			return r == ',' && !quoted
		}) {
			all = append(all, strings.TrimSpace(part))
		}
	}
	return all
}

// decodeQueryMap collects the parameters, whose values are strings or lists of them.
func decodeQueryMap(f *field, v reflect.Value, query url.Values) error {
	v.Set(reflect.MakeMap(v.Type()))
	for key, values := range query {
		if f.elem.kind == listKind {
			v.SetMapIndex(reflect.ValueOf(key), reflect.ValueOf(values))
		} else if len(values) > 0 {
			v.SetMapIndex(reflect.ValueOf(key), reflect.ValueOf(values[0]))
		}
	}
	return nil
}

func decodeHeaderMap(f *field, v reflect.Value, header http.Header) error {
	for key, values := range header {
		if rest, ok := strings.CutPrefix(key, f.header); ok && rest != "" {
			if v.IsNil() {
				v.Set(reflect.MakeMap(v.Type()))
			}
			v.SetMapIndex(reflect.ValueOf(strings.ToLower(rest)), reflect.ValueOf(strings.Join(values, ",")))
		}
	}
	return nil
}

// decodeBody decodes the payload, or the members that live in the body.
func decodeBody(p Protocol, op *Operation, plan *structPlan, v reflect.Value, r *http.Request, body []byte) error {
	f := plan.payload
	if f == nil {
		if len(body) == 0 || len(plan.byName) == 0 {
			return nil
		}
		if p == RESTJSON {
			return decodeJSON(body, plan, v)
		}
		return decodeXML(body, op.Root, plan, v)
	}
	fv := v.Field(f.index)
	switch f.kind {
	case streamKind:
		var stream io.Reader = r.Body
		if body != nil || r.Body == nil {
			stream = bytes.NewReader(body)
		}
		fv.Set(reflect.ValueOf(stream))
		return nil
	case blobKind:
		if len(body) > 0 {
			fv.SetBytes(body)
		}
		return nil
	case stringKind:
		if len(body) > 0 {
			f.target(fv).SetString(string(body))
		}
		return nil
	default:
		if len(body) == 0 {
			return nil
		}
		if p == RESTJSON {
			return decodeJSON(body, f.fields, f.target(fv))
		}
		return decodeXML(body, f.name, f.fields, f.target(fv))
	}
}

// encodeREST writes the status, headers and body of an output. It encodes into b, and
// returns that for its next use.
func encodeREST(w http.ResponseWriter, s *Service, p Protocol, op *Operation, plan *structPlan, v reflect.Value, b []byte) ([]byte, error) {
	status := op.Status
	if status == 0 {
		status = http.StatusOK
	}
	header := w.Header()
	texts := make([]string, 0, usualHeaders)
	for _, f := range plan.get().members {
		fv := v.Field(f.index)
		if f.empty(fv) {
			continue
		}
		switch f.at {
		case inHeader:
			// Most answers take one allocation for all of their headers.
			texts = append(texts, headerText(f, fv))
			header[f.header] = texts[len(texts)-1:][:1:1]
		case inHeaders:
			for _, key := range sortedKeys(fv) {
				// As they are: clients read the key out of the header's name.
				header[f.name+key.String()] = []string{fv.MapIndex(key).String()}
			}
		case inStatus:
			status = int(fv.Elem().Int())
		default: // in the body
		}
	}
	if status == http.StatusOK && header["Content-Range"] != nil {
		status = http.StatusPartialContent // the models do not say so: RFC 9110, 15.3.7
	}
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return b, nil
	}
	body, stream, err := restBody(s, p, op, plan, v, header, b)
	if err != nil {
		return b, err
	}
	if stream == nil && op.Method != http.MethodHead {
		header["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	w.WriteHeader(status)
	if stream != nil {
		if closer, ok := stream.(io.Closer); ok {
			defer closer.Close()
		}
		_, err = io.Copy(w, stream)
		return b, err
	}
	_, err = w.Write(body)
	return body, err
}

// usualHeaders is how many of its own an answer seldom exceeds.
const usualHeaders = 12

func headerText(f *field, v reflect.Value) string {
	if f.kind == listKind {
		var parts []string
		for i := range v.Len() {
			parts = append(parts, headerText(f.elem, v.Index(i)))
		}
		return strings.Join(parts, ",")
	}
	if f.pointer {
		v = v.Elem()
	}
	if f.kind == stringKind {
		return v.String()
	}
	var room [64]byte
	return string(appendScalar(room[:0], f, v, httpTime, false))
}

// restBody returns the body of an output, as bytes that are appended to b or as a
// stream.
func restBody(s *Service, p Protocol, op *Operation, plan *structPlan, v reflect.Value, header http.Header, b []byte) ([]byte, io.Reader, error) {
	contentType := func(t string) {
		if known := header["Content-Type"]; len(known) == 0 || known[0] == "" {
			header["Content-Type"] = []string{t}
		}
	}
	f := plan.payload
	if f != nil && f.empty(v.Field(f.index)) {
		return b, nil, nil
	}
	if f != nil {
		fv := v.Field(f.index)
		switch f.kind {
		case streamKind:
			contentType("application/octet-stream")
			return b, fv.Interface().(io.Reader), nil
		case blobKind:
			contentType("application/octet-stream")
			return append(b, fv.Bytes()...), nil, nil
		case stringKind:
			contentType("text/plain")
			return append(b, fv.Elem().String()...), nil, nil
		case structKind:
			plan, v = f.fields.get(), fv.Elem()
		default:
			return b, nil, fmt.Errorf("encode %s: no payload of this kind", op.Name)
		}
	}
	if p == RESTJSON {
		contentType("application/json")
		return appendJSONOutput(b, plan, v), nil, nil
	}
	if f == nil && len(plan.byName) == 0 {
		return b, nil, nil
	}
	contentType("application/xml")
	root := op.OutRoot
	if root == "" && f != nil {
		root = f.name
	}
	if root == "" {
		root = op.Name + "Result"
	}
	b = append(append(b, xml10...), '<')
	b = append(append(b, root...), ` xmlns="`...)
	b = append(append(b, s.Namespace...), `">`...)
	if only := plan.byName[root]; only != nil && len(plan.byName) == 1 && only.kind == stringKind {
		if v = v.Field(only.index); !v.IsNil() { // the document is this member's element
			b = appendXMLText(b, v.Elem().String())
		}
	} else {
		b = xmlEncoder{millis: true}.output(b, plan, v)
	}
	return appendClose(b, root), nil, nil
}
