package auth

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// maximumTokenBytes is checked before anything is parsed. Ours are about 500 bytes.
const maximumTokenBytes = 4 << 10

// signedParser parses and verifies one sort of JWT. what is "token" or "proof", for messages.
type signedParser struct {
	what       string
	algorithms []string
	parser     *jwt.Parser
}

func newSignedParser(what string, algorithms []string, options ...jwt.ParserOption) signedParser {
	options = append(options, jwt.WithValidMethods(algorithms), jwt.WithStrictDecoding())
	return signedParser{what: what, algorithms: algorithms, parser: jwt.NewParser(options...)}
}

// parse fills claims; nothing in them may be believed when it returns an error.
func (p signedParser) parse(raw string, claims jwt.Claims, find jwt.Keyfunc) error {
	if len(raw) > maximumTokenBytes {
		return refuse(ErrTooLarge, "%s is larger than %d bytes", p.what, maximumTokenBytes)
	}
	token, err := p.parser.ParseWithClaims(raw, claims, find)
	if err == nil {
		return nil
	}
	// The library reports a method that is not allowed as a wrong signature.
	if token != nil && token.Method != nil && !slices.Contains(p.algorithms, token.Method.Alg()) {
		return refuseBecause(ErrAlgorithm, err, "%s algorithm is not allowed", p.what)
	}
	return translate(err, p.what)
}

type header struct{ kid, typ string }

// readHeader reads the header again, strictly. crit would demand extensions that nobody here knows (RFC 7515,
// 4.1.11); jku, jwk and x5u are never looked at.
func readHeader(token *jwt.Token, what string) (header, error) {
	segment, _, _ := strings.Cut(token.Raw, ".")
	decoded, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		return header{}, refuseBecause(ErrMalformed, err, "%s is malformed", what)
	}
	fields, err := parseMembers(decoded)
	if err != nil {
		return header{}, refuseBecause(ErrMalformed, err, "%s header is malformed", what)
	}
	typ := strings.TrimPrefix(strings.ToLower(fields.text("typ")), "application/")
	read := header{kid: fields.text("kid"), typ: typ}
	if fields.err != nil {
		return header{}, refuseBecause(ErrMalformed, fields.err, "%s header is malformed", what)
	}
	if fields.has("crit") {
		return header{}, refuse(ErrMalformed, "%s header has crit, which is not supported", what)
	}
	return read, nil
}
