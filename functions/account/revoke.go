package account

import (
	"context"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

const (
	// maxTokenIDBytes bounds a jti, which becomes part of a Redis key; ours have 36.
	maxTokenIDBytes = 128
	// minRevocationLife is how long a bare jti stays revoked at least: it does not say when its token expires, and
	// TOKEN_LIFE may have been longer when it was issued.
	minRevocationLife = 30 * 24 * time.Hour
)

// revocationLife is the life of the tokens that are issued now.
type revocationLife time.Duration

func (l revocationLife) after(now time.Time) time.Time {
	return now.Add(max(time.Duration(l), minRevocationLife))
}

// Revocation says which token was revoked.
type Revocation struct {
	TokenID string `json:"jti"`
	Revoked bool   `json:"revoked"`
}

// revokeToken verifies the token itself: an operation has one permission, and any token may revoke itself.
func (f *Function) revokeToken(ctx context.Context, r *serve.Request[serve.None]) (Revocation, error) {
	token, err := auth.Bearer(r.Request)
	if err != nil {
		return Revocation{}, err
	}
	claims, err := f.platform.Verifier.Verify(ctx, token)
	if err != nil {
		return Revocation{}, err
	}
	id, expires, err := f.toRevoke(claims, r.URL.Query().Get("jti"))
	if err != nil {
		return Revocation{}, err
	}
	if err := f.revocations.Revoke(ctx, id, expires); err != nil {
		return Revocation{}, problem.Unavailable.New("the token can't be revoked right now; try again").
			Because(err).After(time.Second)
	}
	return Revocation{TokenID: id, Revoked: true}, nil
}

// toRevoke decides which token goes, and until when that must be remembered.
func (f *Function) toRevoke(claims *auth.Claims, id string) (string, time.Time, error) {
	if id == "" || id == claims.ID {
		if claims.ID == "" {
			return "", time.Time{}, problem.InvalidRequest.New("a token without jti can't be revoked").Field("jti")
		}
		return claims.ID, claims.ExpiresAt, nil
	}
	if !claims.Allows(auth.PermissionAdmin) {
		return "", time.Time{}, problem.Forbidden.New("only an administrator may revoke another token")
	}
	if !validTokenID(id) {
		return "", time.Time{}, problem.InvalidRequest.
			New("jti must be 1 to %d printable characters without spaces and braces", maxTokenIDBytes).Field("jti")
	}
	return id, f.tokenLife.after(f.platform.Clock.Now()), nil
}

// validTokenID keeps out what would have a meaning in a Redis key or a log line.
func validTokenID(id string) bool {
	if len(id) > maxTokenIDBytes {
		return false
	}
	for _, c := range []byte(id) {
		if c <= ' ' || c > '~' || c == '{' || c == '}' {
			return false
		}
	}
	return true
}
