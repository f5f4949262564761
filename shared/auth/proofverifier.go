package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// Secrets finds the Alpaca secret of an account; the vault implements it. It returns an error that wraps
// problem.AccountNotFound for an unknown account; any other error means "not now".
type Secrets interface {
	SecretKey(ctx context.Context, accountID string) (string, error)
}

// ProofVerifier verifies proofs. It may be used concurrently.
type ProofVerifier struct {
	keys    *Keys
	secrets Secrets
	clk     clock.Clock
	signed  signedParser
}

// NewProofVerifier returns a ProofVerifier. With nil secrets only proofs signed by token keys are accepted.
func NewProofVerifier(keys *Keys, secrets Secrets, clk clock.Clock) (*ProofVerifier, error) {
	if keys == nil || clk == nil {
		return nil, errors.New("auth: a proof verifier needs keys and a clock")
	}
	algorithms := keys.algorithms()
	if !slices.Contains(algorithms, "HS256") {
		algorithms = append(algorithms, "HS256") // the accounts' own secrets
	}
	signed := newSignedParser("proof", algorithms, jwt.WithExpirationRequired(), jwt.WithTimeFunc(clk.Now))
	return &ProofVerifier{keys: keys, secrets: secrets, clk: clk, signed: signed}, nil
}

// Verify returns the proof when it is genuine, in its time, and for exactly this event and these payload bytes.
// Otherwise the error is a *problem.Error: INVALID_TOKEN wrapping one of this package's errors (poison: it never
// gets better), or problem.Unavailable when the account's secret can't be read now.
func (v *ProofVerifier) Verify(ctx context.Context, proof string, eventID, eventType string, data []byte) (*Proof, error) {
	claims := &proofClaims{}
	byAccount := false
	err := v.signed.parse(proof, claims, func(token *jwt.Token) (verification any, err error) {
		byAccount, verification, err = v.verificationKey(ctx, token, claims)
		return verification, err
	})
	if err != nil {
		return nil, err
	}
	if err := v.checkClaims(claims, byAccount); err != nil {
		return nil, err
	}
	if err := claims.checkEvent(eventID, eventType, data); err != nil {
		return nil, err
	}
	permissions, err := claims.grants(byAccount)
	if err != nil {
		return nil, err
	}
	return &Proof{
		AccountID: claims.accountID, Permissions: permissions,
		EventID: claims.eventID, EventType: claims.eventType, ExpiresAt: claims.expiresAt.Time,
	}, nil
}

// verificationKey decides by kid who signed: "account:<id>" or none is the account's own secret, everything else a
// token key. The claims are not verified yet: the account they name only says whose secret has to fit.
func (v *ProofVerifier) verificationKey(ctx context.Context, token *jwt.Token, claims *proofClaims) (bool, any, error) {
	header, err := readHeader(token, "proof")
	if err != nil {
		return false, nil, err
	}
	if header.typ != "" && header.typ != "jwt" && header.typ != typeProof {
		return false, nil, refuse(ErrType, "proof typ is not %s", typeProof)
	}
	account, byAccount := strings.CutPrefix(header.kid, accountKeyPrefix)
	if !byAccount && header.kid != "" {
		found, err := v.keys.lookup(header.kid, token.Method.Alg(), "proof")
		return false, found, err
	}
	if token.Method.Alg() != "HS256" {
		return false, nil, refuse(ErrAlgorithm, "proof algorithm is not that of its key")
	}
	if byAccount && account != claims.accountID {
		return false, nil, refuse(ErrKeyID, "proof kid is not that of its account")
	}
	secret, err := v.secretOf(ctx, claims.accountID)
	return true, secret, err
}

func (v *ProofVerifier) secretOf(ctx context.Context, accountID string) ([]byte, error) {
	if v.secrets == nil || !isAccountID(accountID) {
		return nil, unknownKey("proof")
	}
	secret, err := v.secrets.SecretKey(ctx, accountID)
	if errors.Is(err, problem.AccountNotFound) {
		return nil, refuseBecause(ErrKeyID, err, "proof is signed with an unknown key")
	}
	if err != nil {
		return nil, problem.Unavailable.New("proof can't be verified right now").Because(err)
	}
	if secret == "" { // an HMAC with an empty key is one that everybody can make
		return nil, unknownKey("proof")
	}
	return []byte(secret), nil
}

func (v *ProofVerifier) checkClaims(claims *proofClaims, byAccount bool) error {
	if claims.expiresAt.After(v.clk.Now().Add(MaximumProofTTL)) {
		return refuse(ErrLifetime, "proof exp is more than %s away", MaximumProofTTL)
	}
	if len(claims.audience) == 0 && byAccount {
		return nil
	}
	if len(claims.audience) != 1 || claims.audience[0] != audienceEvents {
		return refuse(ErrAudience, "proof audience is not %s", audienceEvents)
	}
	return nil
}

// checkEvent compares the digest in constant time.
func (c *proofClaims) checkEvent(eventID, eventType string, data []byte) error {
	if c.eventID != eventID {
		return refuse(ErrEventMismatch, "proof is for another event").Field("ce_id")
	}
	if c.eventType != eventType {
		return refuse(ErrEventMismatch, "proof is for another event type").Field("ce_type")
	}
	want := sha256.Sum256(data)
	got, err := hex.DecodeString(c.dataDigest)
	if err != nil || subtle.ConstantTimeCompare(got, want[:]) != 1 {
		return refuse(ErrEventMismatch, "proof is for other data").Field("data_sha256")
	}
	return nil
}

// grants returns the permissions; every name must be known, and an account's own secret can't make an admin.
func (c *proofClaims) grants(byAccount bool) ([]Permission, error) {
	granted := make([]Permission, 0, len(c.permissions))
	for _, name := range c.permissions {
		permission, err := ParsePermission(name)
		if err != nil {
			return nil, refuseBecause(ErrPermission, err, "proof has an unknown permission").Field("permissions")
		}
		if byAccount && permission == PermissionAdmin {
			return nil, refuse(ErrPermission, "an account's secret can't grant admin").Field("permissions")
		}
		granted = append(granted, permission)
	}
	return granted, nil
}
