package auth

import (
	"context"
	"slices"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// maximumAccountIDBytes bounds account IDs, which become parts of Redis keys. Alpaca's are UUIDs of 36 bytes.
const maximumAccountIDBytes = 128

// Claims is what a verified token says. It is cached and shared between requests: nobody may change it.
type Claims struct {
	// AccountID is the one account the token reaches; see CanReach.
	AccountID   string
	Permissions []Permission
	// Subject is the user or program that the token was issued to (sub).
	Subject string
	// ID is the jti, by which the token is revoked. Empty in a foreign token without jti: that one can't be revoked.
	ID        string
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// Allows reports whether the token carries exactly that permission, or admin. A nil Claims allows nothing.
func (c *Claims) Allows(p Permission) bool {
	return c != nil && (slices.Contains(c.Permissions, p) || slices.Contains(c.Permissions, PermissionAdmin))
}

// CanReach reports whether the token may touch the account: its own, or any with admin. A nil Claims reaches nothing.
func (c *Claims) CanReach(accountID string) bool {
	if c == nil || accountID == "" {
		return false
	}
	return c.AccountID == accountID || slices.Contains(c.Permissions, PermissionAdmin)
}

type claimsKey struct{}

// WithClaims returns a context that carries the claims of the request's token.
func WithClaims(ctx context.Context, claims *Claims) context.Context {
	return context.WithValue(ctx, claimsKey{}, claims)
}

// ClaimsFrom returns the claims that WithClaims put into the context, and whether there are any.
func ClaimsFrom(ctx context.Context) (*Claims, bool) {
	claims, ok := ctx.Value(claimsKey{}).(*Claims)
	return claims, ok && claims != nil
}

func checkAccountID(accountID string) error {
	if !isAccountID(accountID) {
		return problem.InvalidRequest.
			New("account_id must be 1 to %d letters, digits or - _ . : @", maximumAccountIDBytes).Field("account_id")
	}
	return nil
}

// isAccountID keeps out what would have a meaning in a Redis key ({, }, *) or a log line.
func isAccountID(accountID string) bool {
	if accountID == "" || len(accountID) > maximumAccountIDBytes {
		return false
	}
	for _, r := range accountID {
		if !isAccountIDRune(r) {
			return false
		}
	}
	return true
}

func isAccountIDRune(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return true
	case r == '-', r == '_', r == '.', r == ':', r == '@':
		return true
	}
	return false
}
