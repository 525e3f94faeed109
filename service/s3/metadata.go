package s3

import (
	"encoding/base64"
	"mime"
	"strings"
)

// The values of metadata are text, and headers are ASCII: what is not goes in encoded words
// (RFC 2047), both ways. S3 takes other bytes of a header for Latin-1:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html#UserMetadata.

// metadataText is what headers with metadata say.
func metadataText(headers map[string]string) map[string]string { return each(headers, text) }

// metadataHeaders is the opposite of metadataText.
func metadataHeaders(texts map[string]string) map[string]string { return each(texts, header) }

func each(values map[string]string, change func(string) string) map[string]string {
	if values == nil {
		return nil
	}
	changed := make(map[string]string, len(values))
	for name, value := range values {
		changed[name] = change(value)
	}
	return changed
}

// text decodes the words of a header. What only looks like them is left as it is.
func text(header string) string {
	if !printable(header) {
		var b strings.Builder
		for _, octet := range []byte(header) {
			b.WriteRune(rune(octet))
		}
		header = b.String()
	}
	if !strings.Contains(header, "=?") {
		return header
	}
	decoded, err := new(mime.WordDecoder).DecodeHeader(header)
	if err != nil {
		return header
	}
	return decoded
}

// header is a text as it is, or as one encoded word.
func header(text string) string {
	if printable(text) {
		return text
	}
	return "=?UTF-8?B?" + base64.StdEncoding.EncodeToString([]byte(text)) + "?="
}

// printable reports whether a text can stand in a header.
func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r > '~' })
}
