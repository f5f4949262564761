package access

import (
	"crypto/sha256"
	"net/http"
	"strings"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
)

// AllScopes are the scopes of Alpaca's OAuth tokens; reading is implied in each.
func AllScopes() []string { return []string{"account:write", "trading", "data"} }

// Token is an OAuth access token of the account with a key.
type Token struct {
	Value  string
	KeyID  string
	Scopes []string
}

// Tokens finds OAuth tokens by their digest, so that looking one up tells nothing about others by its duration. It is
// immutable and may be used concurrently; nil has no tokens.
type Tokens map[[sha256.Size]byte]Token

// NewTokens returns the tokens that have a value.
func NewTokens(list []Token) Tokens {
	tokens := make(Tokens, len(list))
	for _, token := range list {
		if token.Value != "" {
			tokens[sha256.Sum256([]byte(token.Value))] = token
		}
	}
	return tokens
}

// Authenticate returns the account of an OAuth token with the token's scopes, or, without a token, the account of a key pair
// with all scopes.
func (g *Gate) Authenticate(keyID, secretKey, token string) (*exchange.Account, []string, bool) {
	if token == "" {
		account, ok := g.Accounts.Authenticate(keyID, secretKey)
		return account, AllScopes(), ok
	}
	found, ok := g.Tokens[sha256.Sum256([]byte(token))]
	if !ok {
		return nil, nil, false
	}
	account, ok := g.Accounts.Account(found.KeyID)
	return account, found.Scopes, ok
}

// Credentials reads what a request claims: the header pair, HTTP Basic, or a bearer token. All are empty when there is none.
func Credentials(r *http.Request) (keyID, secretKey, token string) {
	if keyID, secretKey = credentials(r); keyID != "" {
		return keyID, secretKey, ""
	}
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", "", ""
	}
	return "", "", strings.TrimSpace(value)
}
