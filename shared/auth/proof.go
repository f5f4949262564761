package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

const (
	// MaximumProofTTL is how far away the exp of a proof may be.
	MaximumProofTTL = 5 * time.Minute
	audienceEvents  = "trading-events"
	typeProof       = "event-proof+jwt"
)

// Proof is what a verified proof says: this account, with these permissions, wants this one event to be acted on.
type Proof struct {
	AccountID   string
	Permissions []Permission
	// EventID and EventType are the id and type of the CloudEvent.
	EventID, EventType string
	ExpiresAt          time.Time
}

// SignProof signs a proof with the token key, for an event of our own. data is exactly the event's payload bytes;
// ttl is over a second and at most MaximumProofTTL.
func (i *Issuer) SignProof(accountID string, permissions []Permission, eventID, eventType string, data []byte,
	ttl time.Duration,
) (string, error) {
	claims, err := proofClaimsFor(accountID, permissions, eventID, eventType, data, ttl, i.clk)
	if err != nil {
		return "", err
	}
	return i.key.sign(typeProof, claims)
}

// SignProofWithSecret signs a proof with the account's own Alpaca secret (HS256), as a producer outside does. Such
// a proof speaks for that account only and can't carry admin.
func SignProofWithSecret(accountID, alpacaSecret string, permissions []Permission, eventID, eventType string,
	data []byte, ttl time.Duration, clk clock.Clock,
) (string, error) {
	if alpacaSecret == "" {
		return "", errors.New("auth: the account's Alpaca secret is empty")
	}
	for _, permission := range permissions {
		if permission == PermissionAdmin {
			return "", problem.InvalidRequest.New("an account's secret can't grant admin").Field("permissions")
		}
	}
	claims, err := proofClaimsFor(accountID, permissions, eventID, eventType, data, ttl, clk)
	if err != nil {
		return "", err
	}
	own := key{id: accountKeyPrefix + accountID, method: jwt.SigningMethodHS256, signing: []byte(alpacaSecret)}
	return own.sign(typeProof, claims)
}

func proofClaimsFor(accountID string, permissions []Permission, eventID, eventType string, data []byte,
	ttl time.Duration, clk clock.Clock,
) (jwt.MapClaims, error) {
	if err := errors.Join(checkAccountID(accountID), checkPermissions(permissions)); err != nil {
		return nil, err
	}
	if eventID == "" || eventType == "" {
		return nil, errors.New("auth: a proof needs the id and the type of its event")
	}
	if ttl < time.Second || ttl > MaximumProofTTL {
		return nil, fmt.Errorf("auth: proof lifetime %s is not between 1s and %s", ttl, MaximumProofTTL)
	}
	sum := sha256.Sum256(data)
	return jwt.MapClaims{
		"iss": issuerName, "aud": audienceEvents, "exp": clk.Now().Add(ttl).Unix(),
		"account_id": accountID, "permissions": permissionNames(permissions),
		"ce_id": eventID, "ce_type": eventType, "data_sha256": hex.EncodeToString(sum[:]),
	}, nil
}
