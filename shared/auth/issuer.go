package auth

import (
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
)

// DefaultTTL is how long a token lives unless the Issuer is told otherwise.
const DefaultTTL = 24 * time.Hour

// Issuer signs tokens and proofs with the signing key. It may be used concurrently.
type Issuer struct {
	key *key
	ttl time.Duration
	clk clock.Clock
}

// NewIssuer returns an Issuer of tokens that live for ttl (0 means DefaultTTL). It fails, wrapping ErrKeys, when
// it is not clear which key signs.
func NewIssuer(keys *Keys, ttl time.Duration, clk clock.Clock) (*Issuer, error) {
	if keys == nil || clk == nil {
		return nil, errors.New("auth: an issuer needs keys and a clock")
	}
	if ttl == 0 {
		ttl = DefaultTTL
	}
	if ttl < time.Second {
		return nil, fmt.Errorf("auth: token lifetime %s is under a second", ttl)
	}
	signer, err := keys.signer()
	if err != nil {
		return nil, err
	}
	return &Issuer{key: signer, ttl: ttl, clk: clk}, nil
}

// Issue signs a token for the account. An empty subject means the account itself. It returns an INVALID_REQUEST
// that names the field when accountID or permissions can't be put into a token.
func (i *Issuer) Issue(accountID, subject string, permissions []Permission) (token string, claims *Claims, err error) {
	if err := errors.Join(checkAccountID(accountID), checkPermissions(permissions)); err != nil {
		return "", nil, err
	}
	if subject == "" {
		subject = accountID
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return "", nil, fmt.Errorf("make a token ID: %w", err)
	}
	issuedAt := i.clk.Now().Truncate(time.Second) // a NumericDate of whole seconds
	claims = &Claims{
		AccountID: accountID, Permissions: append([]Permission(nil), permissions...), Subject: subject, ID: id.String(),
		IssuedAt: issuedAt, ExpiresAt: issuedAt.Add(i.ttl).Truncate(time.Second),
	}
	token, err = i.key.sign(typeToken, jwt.MapClaims{
		"iss": issuerName, "aud": audienceAPI, "sub": subject, "jti": claims.ID,
		"iat": claims.IssuedAt.Unix(), "exp": claims.ExpiresAt.Unix(),
		"account_id": accountID, "permissions": permissionNames(permissions),
	})
	if err != nil {
		return "", nil, err
	}
	if len(token) > maximumTokenBytes {
		return "", nil, fmt.Errorf("auth: token of %d bytes is over the limit of %d: subject is too long", len(token), maximumTokenBytes)
	}
	return token, claims, nil
}

// sign returns the compact JWT.
func (k *key) sign(typ string, claims jwt.MapClaims) (string, error) {
	unsigned := jwt.NewWithClaims(k.method, claims)
	unsigned.Header["typ"] = typ
	if k.id != "" {
		unsigned.Header["kid"] = k.id
	}
	signed, err := unsigned.SignedString(k.signing)
	if err != nil {
		return "", fmt.Errorf("sign with key %q: %w", k.id, err)
	}
	return signed, nil
}
