package order

import (
	"net/http"
	"strings"
)

// idempotencyHeader is the header of the IETF draft "The Idempotency-Key HTTP Header Field"
// (draft-ietf-httpapi-idempotency-key-header).
const idempotencyHeader = "Idempotency-Key"

// maxIdempotencyKey is the longest key taken; clients use UUIDs.
const maxIdempotencyKey = 255

// idempotencyKey reads the caller's key, or empty when there is none. By the draft it is a string of RFC 8941, in quotes;
// most clients leave the quotes out, and mean the same.
func idempotencyKey(header http.Header) (string, error) {
	values := header.Values(idempotencyHeader)
	if len(values) == 0 {
		return "", nil
	}
	key, ok := strings.Trim(values[0], " "), len(values) == 1
	if strings.HasPrefix(key, `"`) {
		key, ok = unquote(key)
		ok = ok && len(values) == 1
	}
	if !ok || key == "" || len(key) > maxIdempotencyKey || !printable(key) || strings.Contains(key, " ") {
		return "", invalid(idempotencyHeader, "%s must be given once, with 1 to %d visible ASCII characters", idempotencyHeader, maxIdempotencyKey)
	}
	return key, nil
}

// unquote reads a string of RFC 8941: only the quote and the backslash can be escaped.
func unquote(text string) (string, bool) {
	text, closed := strings.CutSuffix(text[1:], `"`)
	var plain strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '"' {
			return "", false
		}
		if c == '\\' {
			i++
			if i == len(text) || text[i] != '"' && text[i] != '\\' {
				return "", false
			}
			c = text[i]
		}
		plain.WriteByte(c)
	}
	return plain.String(), closed
}
