package auth

import "github.com/golang-jwt/jwt/v5"

// proofClaims is what the JWT library reads a proof into.
type proofClaims struct {
	issuer, accountID, eventID, eventType, dataDigest string
	audience                                          jwt.ClaimStrings
	permissions                                       []string
	issuedAt, expiresAt, notBefore                    *jwt.NumericDate
}

// UnmarshalJSON reads the members by their exact names and refuses duplicates.
func (c *proofClaims) UnmarshalJSON(data []byte) error {
	fields, err := parseMembers(data)
	if err != nil {
		return err
	}
	*c = proofClaims{
		issuer: fields.text("iss"), accountID: fields.text("account_id"), audience: fields.audience(),
		eventID: fields.text("ce_id"), eventType: fields.text("ce_type"), dataDigest: fields.text("data_sha256"),
		permissions: fields.texts("permissions"), issuedAt: fields.instant("iat"),
		expiresAt: fields.instant("exp"), notBefore: fields.instant("nbf"),
	}
	return fields.err
}

// Validate refuses absent claims and malformed account IDs.
func (c *proofClaims) Validate() error {
	for _, required := range []struct {
		name    string
		present bool
	}{
		{"exp", c.expiresAt != nil},
		{"account_id", c.accountID != ""},
		{"permissions", len(c.permissions) > 0},
		{"ce_id", c.eventID != ""},
		{"ce_type", c.eventType != ""},
		{"data_sha256", c.dataDigest != ""},
	} {
		if !required.present {
			return refuse(ErrMissingClaim, "proof has no %s", required.name).Field(required.name)
		}
	}
	if !isAccountID(c.accountID) {
		return refuse(ErrClaim, "proof account_id is malformed").Field("account_id")
	}
	return nil
}

// The methods that make proofClaims a jwt.Claims.

func (c *proofClaims) GetExpirationTime() (*jwt.NumericDate, error) { return c.expiresAt, nil }
func (c *proofClaims) GetIssuedAt() (*jwt.NumericDate, error)       { return c.issuedAt, nil }
func (c *proofClaims) GetNotBefore() (*jwt.NumericDate, error)      { return c.notBefore, nil }
func (c *proofClaims) GetIssuer() (string, error)                   { return c.issuer, nil }
func (c *proofClaims) GetSubject() (string, error)                  { return c.accountID, nil }
func (c *proofClaims) GetAudience() (jwt.ClaimStrings, error)       { return c.audience, nil }

var _ jwt.ClaimsValidator = (*proofClaims)(nil)
