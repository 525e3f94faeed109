package wire

import (
	"encoding/base64"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// timeFormat is the textual form of a timestamp; zero is the protocol's own.
type timeFormat uint8

const (
	ownTime  timeFormat = iota
	isoTime             // 2006-01-02T15:04:05.000Z, RFC 3339
	httpTime            // Mon, 02 Jan 2006 15:04:05 GMT, RFC 9110 section 5.6.7
	unixTime            // seconds, with a fraction where there is one
)

var timeFormats = map[string]timeFormat{"iso8601": isoTime, "rfc822": httpTime, "unixTimestamp": unixTime}

func (t timeFormat) or(own timeFormat) timeFormat {
	if t == ownTime {
		return own
	}
	return t
}

// appendTime appends v in the format, with milliseconds where the format has
// them and, but for EC2's, where v has them.
func appendTime(b []byte, v time.Time, format timeFormat, millis bool) []byte {
	v = v.UTC()
	switch format {
	case httpTime:
		return v.AppendFormat(b, http.TimeFormat)
	case unixTime:
		b = strconv.AppendInt(b, v.Unix(), 10)
		if ms := v.Nanosecond() / 1e6; ms != 0 {
			b = append(b, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
		}
		return b
	default:
		b = v.AppendFormat(b, time.RFC3339) // several times as fast as other layouts
		if ms := v.Nanosecond() / 1e6; millis || ms != 0 {
			b = append(b[:len(b)-1], '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
		}
		return b
	}
}

// parseTime takes any of the formats: a client that errs in the choice of the
// format is understood all the same.
func parseTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02", http.TimeFormat, time.RFC1123Z} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	if seconds, err := strconv.ParseFloat(s, 64); err == nil {
		return unixSeconds(seconds)
	}
	return time.Time{}, false
}

// unixSeconds refuses what is beyond the year 9999, which no format can write.
func unixSeconds(seconds float64) (time.Time, bool) {
	if !(math.Abs(seconds) < 253402300800) {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(math.Round(seconds * 1000))).UTC(), true
}

// appendScalar appends the text of v; v is not a pointer.
func appendScalar(b []byte, f *field, v reflect.Value, own timeFormat, millis bool) []byte {
	switch f.kind {
	case boolKind:
		return strconv.AppendBool(b, v.Bool())
	case intKind:
		return strconv.AppendInt(b, v.Int(), 10)
	case floatKind:
		return appendFloat(b, v.Float(), f.typ.Bits())
	case timeKind:
		return appendTime(b, timeOf(v), f.time.or(own), millis)
	case blobKind:
		return base64.StdEncoding.AppendEncode(b, v.Bytes())
	default:
		return append(b, v.String()...)
	}
}

// timeOf reads a time.Time, without an allocation where v has an address.
func timeOf(v reflect.Value) time.Time {
	if v.CanAddr() {
		return *v.Addr().Interface().(*time.Time)
	}
	return v.Interface().(time.Time)
}

func appendFloat(b []byte, v float64, bits int) []byte {
	switch {
	case math.IsNaN(v):
		return append(b, "NaN"...)
	case math.IsInf(v, 1):
		return append(b, "Infinity"...)
	case math.IsInf(v, -1):
		return append(b, "-Infinity"...)
	}
	return strconv.AppendFloat(b, v, 'g', -1, bits)
}

// parseScalar sets v, not a pointer, from its text. It returns what was
// expected when the text is not that.
func parseScalar(f *field, v reflect.Value, s string) (expected string) {
	switch f.kind {
	case stringKind:
		v.SetString(s)
	case boolKind:
		switch strings.ToLower(s) {
		case "true":
			v.SetBool(true)
		case "false":
			v.SetBool(false)
		default:
			return "a boolean"
		}
	case intKind:
		n, err := strconv.ParseInt(s, 10, f.typ.Bits())
		if err != nil {
			return "an integer"
		}
		v.SetInt(n)
	case floatKind:
		n, err := strconv.ParseFloat(s, f.typ.Bits())
		if err != nil {
			return "a number"
		}
		v.SetFloat(n)
	case timeKind:
		t, ok := parseTime(s)
		if !ok {
			return "a timestamp"
		}
		v.Set(reflect.ValueOf(t))
	case blobKind:
		data, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return "base64"
		}
		v.SetBytes(data)
	default:
		return "a structure"
	}
	return ""
}
