package auth_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

const (
	alpacaSecret = "PsecretOfTheAccount0000000000000000000000"
	eventID      = "01JDC0000000000000000000"
	eventType    = "ai.opitios.order.requested"
	payload      = `{"symbol":"AAPL","qty":"1"}`
)

type secretsStub map[string]string

func (s secretsStub) SecretKey(_ context.Context, accountID string) (string, error) {
	switch accountID {
	case "vault-down":
		return "", errors.New("connection refused")
	case "empty":
		return "", nil
	}
	if found, ok := s[accountID]; ok {
		return found, nil
	}
	return "", problem.AccountNotFound.New("no account %s", accountID)
}

func newProofVerifier(t testing.TB, clk clock.Clock) *auth.ProofVerifier {
	t.Helper()
	verifier, err := auth.NewProofVerifier(secretKeys(t), secretsStub{account: alpacaSecret, "other": "another secret"}, clk)
	if err != nil {
		t.Fatal(err)
	}
	return verifier
}

func signProofs(t *testing.T, clk clock.Clock, ttl time.Duration) map[string]string {
	t.Helper()
	permissions := []auth.Permission{auth.PermissionTrade}
	own, err := newIssuer(t, secretKeys(t), clk).SignProof(account, permissions, eventID, eventType, []byte(payload), ttl)
	if err != nil {
		t.Fatal(err)
	}
	outside, err := auth.SignProofWithSecret(account, alpacaSecret, permissions, eventID, eventType, []byte(payload), ttl, clk)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"own": own, "outside": outside}
}

func TestProofIsForOneEventUntilItsExpiry(t *testing.T) {
	t.Parallel()
	clk := clock.NewFake(start().Add(900 * time.Millisecond))
	verifier := newProofVerifier(t, clk)
	for name, proof := range signProofs(t, clk, auth.MaximumProofTTL) {
		got, err := verifier.Verify(t.Context(), proof, eventID, eventType, []byte(payload))
		if err != nil || got.AccountID != account || len(got.Permissions) != 1 || got.Permissions[0] != auth.PermissionTrade ||
			got.EventID != eventID || got.EventType != eventType {
			t.Fatalf("%s: got %+v, %v", name, got, err)
		}
		_, err = verifier.Verify(t.Context(), proof, "other", eventType, []byte(payload))
		mustRefuse(t, err, auth.ErrEventMismatch)
		_, err = verifier.Verify(t.Context(), proof, eventID, "other", []byte(payload))
		mustRefuse(t, err, auth.ErrEventMismatch)
		_, err = verifier.Verify(t.Context(), proof, eventID, eventType, []byte(payload+" "))
		mustRefuse(t, err, auth.ErrEventMismatch)
	}
	proofs := signProofs(t, clk, auth.MaximumProofTTL)
	clk.Advance(auth.MaximumProofTTL)
	for _, proof := range proofs {
		_, err := verifier.Verify(t.Context(), proof, eventID, eventType, []byte(payload))
		mustRefuse(t, err, auth.ErrExpired)
	}
}

func TestTokensAndProofsAreNotInterchangeable(t *testing.T) {
	t.Parallel()
	clk := clock.NewFake(start())
	for _, proof := range signProofs(t, clk, time.Minute) {
		if _, err := newVerifier(t, secretKeys(t), nil, clk).Verify(t.Context(), proof); !errors.Is(err, problem.InvalidToken) {
			t.Fatalf("a proof is a token: %v", err)
		}
	}
	token, _ := issue(t, newIssuer(t, secretKeys(t), clk), auth.PermissionTrade)
	_, err := newProofVerifier(t, clk).Verify(t.Context(), token, eventID, eventType, []byte(payload))
	mustRefuse(t, err, auth.ErrType)
}

// outsideClaims is the least that an outside producer has to send.
func outsideClaims() object {
	sum := sha256.Sum256([]byte(payload))
	return object{
		"account_id": account, "permissions": []string{"trade"}, "ce_id": eventID, "ce_type": eventType,
		"data_sha256": hex.EncodeToString(sum[:]), "exp": start().Add(time.Minute).Unix(),
	}
}

func TestOutsideProducersProofs(t *testing.T) {
	t.Parallel()
	plain := object{"alg": "HS256", "typ": "JWT"}
	for name, proof := range map[string]string{
		"no kid":          signHS256(alpacaSecret, plain.text(), outsideClaims().text()),
		"kid of account":  signHS256(alpacaSecret, plain.with("kid", "account:"+account).text(), outsideClaims().text()),
		"no typ":          signHS256(alpacaSecret, `{"alg":"HS256"}`, outsideClaims().text()),
		"with audience":   signHS256(alpacaSecret, plain.text(), outsideClaims().with("aud", "trading-events").text()),
		"capitals in hex": signHS256(alpacaSecret, plain.text(), outsideClaims().with("data_sha256", strings.ToUpper(outsideClaims()["data_sha256"].(string))).text()),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := newProofVerifier(t, clock.NewFake(start())).Verify(t.Context(), proof, eventID, eventType, []byte(payload))
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestProofVerifierRefuses(t *testing.T) {
	t.Parallel()
	header, claims := object{"alg": "HS256", "typ": "JWT"}, outsideClaims()
	ours := object{"alg": "HS256", "typ": "event-proof+jwt", "kid": "default"}
	by := func(key string, h, c object) string { return signHS256(key, h.text(), c.text()) }
	for name, test := range map[string]struct {
		proof string
		want  error
	}{
		"empty":                       {"", auth.ErrMalformed},
		"oversize":                    {by(alpacaSecret, header, claims.with("pad", strings.Repeat("x", 4096))), auth.ErrTooLarge},
		"alg none":                    {encode(header.with("alg", "none").text()) + "." + encode(claims.text()) + ".", auth.ErrAlgorithm},
		"HS512 by an account":         {by(alpacaSecret, header.with("alg", "HS512"), claims), auth.ErrAlgorithm},
		"another account's secret":    {by("another secret", header, claims), auth.ErrSignature},
		"kid of another account":      {by("another secret", header.with("kid", "account:other"), claims), auth.ErrKeyID},
		"unknown account":             {by("x", header, claims.with("account_id", "nobody")), auth.ErrKeyID},
		"account without secret":      {by("", header, claims.with("account_id", "empty")), auth.ErrKeyID},
		"malformed account":           {by("x", header, claims.with("account_id", "{}")), auth.ErrKeyID},
		"unknown kid":                 {by(alpacaSecret, header.with("kid", "../keys"), claims), auth.ErrKeyID},
		"admin by an account":         {by(alpacaSecret, header, claims.with("permissions", []string{"trade", "admin"})), auth.ErrPermission},
		"unknown permission":          {by(alpacaSecret, header, claims.with("permissions", []string{"trade", "fly"})), auth.ErrPermission},
		"no permission":               {by(alpacaSecret, header, claims.without("permissions")), auth.ErrMissingClaim},
		"no exp":                      {by(alpacaSecret, header, claims.without("exp")), auth.ErrMissingClaim},
		"no ce_id":                    {by(alpacaSecret, header, claims.without("ce_id")), auth.ErrMissingClaim},
		"no ce_type":                  {by(alpacaSecret, header, claims.without("ce_type")), auth.ErrMissingClaim},
		"no data_sha256":              {by(alpacaSecret, header, claims.without("data_sha256")), auth.ErrMissingClaim},
		"data_sha256 cut":             {by(alpacaSecret, header, claims.with("data_sha256", "ab")), auth.ErrEventMismatch},
		"data_sha256 not hex":         {by(alpacaSecret, header, claims.with("data_sha256", "zz")), auth.ErrEventMismatch},
		"over five minutes":           {by(alpacaSecret, header, claims.with("exp", start().Unix()+301)), auth.ErrLifetime},
		"expired":                     {by(alpacaSecret, header, claims.with("exp", start().Unix())), auth.ErrExpired},
		"audience of the API":         {by(alpacaSecret, header, claims.with("aud", "trading-api")), auth.ErrAudience},
		"both audiences":              {by(alpacaSecret, header, claims.with("aud", []string{"trading-events", "trading-api"})), auth.ErrAudience},
		"our key, no audience":        {by(secret, ours, claims), auth.ErrAudience},
		"our key, typ of a token":     {by(secret, ours.with("typ", "at+jwt"), claims.with("aud", "trading-events")), auth.ErrType},
		"our key without its kid":     {by(secret, ours.without("kid"), claims.with("aud", "trading-events")), auth.ErrSignature},
		"account's secret as our key": {by(alpacaSecret, ours, claims.with("aud", "trading-events")), auth.ErrSignature},
		"claim twice":                 {signHS256(alpacaSecret, header.text(), `{"account_id":"other",`+claims.text()[1:]), auth.ErrMalformed},
		"crit":                        {by(alpacaSecret, header.with("crit", []string{"x"}), claims), auth.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			verifier := newProofVerifier(t, clock.NewFake(start()))
			_, err := verifier.Verify(t.Context(), test.proof, eventID, eventType, []byte(payload))
			mustRefuse(t, err, test.want)
		})
	}
}

func TestOurOwnProofsMayCarryAdmin(t *testing.T) {
	t.Parallel()
	clk := clock.NewFake(start())
	proof, err := newIssuer(t, secretKeys(t), clk).
		SignProof(account, []auth.Permission{auth.PermissionAdmin}, eventID, eventType, nil, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	got, err := newProofVerifier(t, clk).Verify(t.Context(), proof, eventID, eventType, nil)
	if err != nil || got.Permissions[0] != auth.PermissionAdmin {
		t.Fatalf("got %v, %v", got, err)
	}
}

func TestVaultOutageIsNotPoison(t *testing.T) {
	t.Parallel()
	proof := signHS256("x", `{"alg":"HS256"}`, outsideClaims().with("account_id", "vault-down").text())
	_, err := newProofVerifier(t, clock.NewFake(start())).Verify(t.Context(), proof, eventID, eventType, []byte(payload))
	if !errors.Is(err, problem.Unavailable) {
		t.Fatalf("got %v", err)
	}
}

func TestWithoutSecretsOnlyOurOwnProofsCount(t *testing.T) {
	t.Parallel()
	clk := clock.NewFake(start())
	verifier, err := auth.NewProofVerifier(secretKeys(t), nil, clk)
	if err != nil {
		t.Fatal(err)
	}
	proofs := signProofs(t, clk, time.Minute)
	if _, err := verifier.Verify(t.Context(), proofs["own"], eventID, eventType, []byte(payload)); err != nil {
		t.Fatal(err)
	}
	_, err = verifier.Verify(t.Context(), proofs["outside"], eventID, eventType, []byte(payload))
	mustRefuse(t, err, auth.ErrKeyID)
}

func TestSignProofRefuses(t *testing.T) {
	t.Parallel()
	clk := clock.NewFake(start())
	issuer, trade := newIssuer(t, secretKeys(t), clk), []auth.Permission{auth.PermissionTrade}
	_, tooLong := issuer.SignProof(account, trade, eventID, eventType, nil, auth.MaximumProofTTL+1)
	_, tooShort := issuer.SignProof(account, trade, eventID, eventType, nil, 0)
	_, noEvent := issuer.SignProof(account, trade, "", eventType, nil, time.Minute)
	_, noAccount := issuer.SignProof("", trade, eventID, eventType, nil, time.Minute)
	_, unknown := issuer.SignProof(account, []auth.Permission{"fly"}, eventID, eventType, nil, time.Minute)
	_, admin := auth.SignProofWithSecret(account, alpacaSecret, []auth.Permission{"admin"}, eventID, eventType, nil, time.Minute, clk)
	_, noSecret := auth.SignProofWithSecret(account, "", trade, eventID, eventType, nil, time.Minute, clk)
	for i, err := range []error{tooLong, tooShort, noEvent, noAccount, unknown, admin, noSecret} {
		if err == nil {
			t.Errorf("%d: signed", i)
		}
	}
}
