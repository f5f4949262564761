package auth

import (
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
)

const (
	issuerName  = "opitios-alpaca"
	audienceAPI = "trading-api"
	typeToken   = "at+jwt" // RFC 9068
	// maximumIssuedAhead is how far in the future iat may be: clocks differ, but not by more.
	maximumIssuedAhead = time.Minute
)

// accessClaims is what the JWT library reads a token into. The signature is verified before Validate.
type accessClaims struct {
	issuer, subject, id, accountID string
	audience                       jwt.ClaimStrings
	permissions                    []string
	issuedAt, expiresAt, notBefore *jwt.NumericDate
}

// UnmarshalJSON reads the members by their exact names and refuses duplicates.
func (c *accessClaims) UnmarshalJSON(data []byte) error {
	fields, err := parseMembers(data)
	if err != nil {
		return err
	}
	*c = accessClaims{
		issuer: fields.text("iss"), subject: fields.text("sub"), id: fields.text("jti"),
		accountID: fields.text("account_id"), audience: fields.audience(), permissions: fields.texts("permissions"),
		issuedAt: fields.instant("iat"), expiresAt: fields.instant("exp"), notBefore: fields.instant("nbf"),
	}
	return fields.err
}

// Validate refuses what the library would let pass: absent claims and malformed account IDs.
func (c *accessClaims) Validate() error {
	for _, required := range []struct {
		name    string
		present bool
	}{
		{"iss", c.issuer != ""},
		{"aud", len(c.audience) > 0},
		{"exp", c.expiresAt != nil},
		{"iat", c.issuedAt != nil},
		{"account_id", c.accountID != ""},
		{"jti", c.id != ""}, // a token without one could never be revoked
	} {
		if !required.present {
			return refuse(ErrMissingClaim, "token has no %s", required.name).Field(required.name)
		}
	}
	if !isAccountID(c.accountID) {
		return refuse(ErrClaim, "token account_id is malformed").Field("account_id")
	}
	return nil
}

// The methods that make accessClaims a jwt.Claims.

func (c *accessClaims) GetExpirationTime() (*jwt.NumericDate, error) { return c.expiresAt, nil }
func (c *accessClaims) GetIssuedAt() (*jwt.NumericDate, error)       { return c.issuedAt, nil }
func (c *accessClaims) GetNotBefore() (*jwt.NumericDate, error)      { return c.notBefore, nil }
func (c *accessClaims) GetIssuer() (string, error)                   { return c.issuer, nil }
func (c *accessClaims) GetSubject() (string, error)                  { return c.subject, nil }
func (c *accessClaims) GetAudience() (jwt.ClaimStrings, error)       { return c.audience, nil }

var _ jwt.ClaimsValidator = (*accessClaims)(nil)

func (c *accessClaims) public() *Claims {
	return &Claims{
		AccountID: c.accountID, Permissions: knownPermissions(c.permissions), Subject: c.subject, ID: c.id,
		IssuedAt: c.issuedAt.Time, ExpiresAt: c.expiresAt.Time,
	}
}

// tokenParser verifies everything about a token except its revocation.
type tokenParser struct {
	keys   *Keys
	clk    clock.Clock
	signed signedParser
}

func newTokenParser(keys *Keys, clk clock.Clock, leeway time.Duration) tokenParser {
	return tokenParser{keys: keys, clk: clk, signed: newSignedParser("token", keys.algorithms(),
		jwt.WithExpirationRequired(), jwt.WithIssuer(issuerName), jwt.WithAudience(audienceAPI),
		jwt.WithTimeFunc(clk.Now), jwt.WithLeeway(leeway),
	)}
}

func (p tokenParser) parse(raw string) (*Claims, error) {
	var claims accessClaims
	if err := p.signed.parse(raw, &claims, p.verificationKey); err != nil {
		return nil, err
	}
	if claims.issuedAt.After(p.clk.Now().Add(maximumIssuedAhead)) {
		return nil, refuse(ErrIssuedInFuture, "token was issued in the future")
	}
	return claims.public(), nil
}

func (p tokenParser) verificationKey(token *jwt.Token) (any, error) {
	header, err := readHeader(token, "token")
	if err != nil {
		return nil, err
	}
	switch header.typ {
	case "", "jwt", typeToken:
		return p.keys.lookup(header.kid, token.Method.Alg(), "token")
	}
	return nil, refuse(ErrType, "token typ is not %s", typeToken)
}
