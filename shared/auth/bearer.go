package auth

import (
	"net/http"
	"strings"
)

// Bearer returns the token of "Authorization: Bearer <token>" (RFC 6750; the scheme in any case). Without exactly
// one such header it returns an INVALID_TOKEN that wraps ErrMissing.
func Bearer(r *http.Request) (string, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) == 0 {
		return "", refuse(ErrMissing, "Authorization header is missing")
	}
	if len(headers) > 1 {
		return "", refuse(ErrMissing, "more than one Authorization header")
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	token = strings.Trim(token, " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" || strings.ContainsAny(token, " \t") {
		return "", refuse(ErrMissing, "Authorization header must be: Bearer <token>")
	}
	return token, nil
}
