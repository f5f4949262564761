package auth

import (
	"errors"
	"fmt"

	"github.com/golang-jwt/jwt/v5"

	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// Why a token or a proof was refused. Each comes wrapped in a *problem.Error of kind problem.InvalidToken, whose
// message may be shown to the caller.
var (
	ErrMissing        = errors.New("auth: no bearer token")
	ErrTooLarge       = errors.New("auth: too large")
	ErrMalformed      = errors.New("auth: malformed")
	ErrType           = errors.New("auth: wrong typ")
	ErrAlgorithm      = errors.New("auth: algorithm not allowed")
	ErrKeyID          = errors.New("auth: unknown key")
	ErrSignature      = errors.New("auth: wrong signature")
	ErrMissingClaim   = errors.New("auth: claim is missing")
	ErrClaim          = errors.New("auth: claim has a wrong value")
	ErrIssuer         = errors.New("auth: wrong issuer")
	ErrAudience       = errors.New("auth: wrong audience")
	ErrExpired        = errors.New("auth: expired")
	ErrNotYetValid    = errors.New("auth: not valid yet")
	ErrIssuedInFuture = errors.New("auth: issued in the future")
	ErrRevoked        = errors.New("auth: revoked")
	// ErrLifetime: a proof that is valid for longer than MaximumProofTTL.
	ErrLifetime = errors.New("auth: lifetime too long")
	// ErrEventMismatch: a proof for another event, or for other data.
	ErrEventMismatch = errors.New("auth: proof is for another event")
	// ErrPermission: a proof with a permission that is unknown, or that its signer can't give.
	ErrPermission = errors.New("auth: permission can't be granted")
)

// refuse returns the 401 with a public message; errors.Is finds the sentinel in it.
func refuse(sentinel error, format string, args ...any) *problem.Error {
	return problem.InvalidToken.New(format, args...).Because(sentinel)
}

// refuseBecause is refuse with a private cause, for the log.
func refuseBecause(sentinel, cause error, format string, args ...any) *problem.Error {
	return problem.InvalidToken.New(format, args...).Because(fmt.Errorf("%w: %w", sentinel, cause))
}

// translate turns an error of the JWT library into ours. what is "token" or "proof".
func translate(err error, what string) error {
	if own, ok := errors.AsType[*problem.Error](err); ok {
		return own
	}
	for _, known := range []struct {
		theirs, ours error
		message      string
	}{
		{jwt.ErrTokenMalformed, ErrMalformed, "%s is malformed"},
		{jwt.ErrTokenSignatureInvalid, ErrSignature, "%s signature is invalid"},
		{jwt.ErrTokenUnverifiable, ErrAlgorithm, "%s algorithm is not allowed"},
		{jwt.ErrTokenInvalidIssuer, ErrIssuer, "%s issuer is not " + issuerName},
		{jwt.ErrTokenInvalidAudience, ErrAudience, "%s audience is not " + audienceAPI},
		{jwt.ErrTokenExpired, ErrExpired, "%s has expired"},
		{jwt.ErrTokenNotValidYet, ErrNotYetValid, "%s is not valid yet"},
	} {
		if errors.Is(err, known.theirs) {
			return refuseBecause(known.ours, err, known.message, what)
		}
	}
	return refuseBecause(ErrMalformed, err, "%s is malformed", what)
}
