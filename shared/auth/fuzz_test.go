package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
)

// FuzzVerify: nothing but the token that was signed is ever accepted, and nothing panics.
func FuzzVerify(f *testing.F) {
	clk := clock.NewFake(start())
	verifier := newVerifier(f, secretKeys(f), nil, clk)
	good := signHS256(secret, goodHeader().text(), goodClaims().text())
	parts := strings.Split(good, ".")
	for _, seed := range []string{
		"", ".", "..", "...", good[:len(good)-1], good + "=", good + "A", parts[0] + "." + parts[1] + ".",
		encode(`{"alg":"none"}`) + "." + parts[1] + ".", encode("null") + "." + encode("null") + ".",
		encode(`{"alg":"HS256","kid":{}}`) + "." + encode(`[[[[`) + "." + parts[2], "\x00.\xff.\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if claims, err := verifier.Verify(t.Context(), token); (err == nil || claims != nil) && token != good {
			t.Fatalf("accepted %q", token)
		}
	})
}

// FuzzSignedClaims: whatever a holder of the key signs, an accepted token has an account and is in its time.
func FuzzSignedClaims(f *testing.F) {
	clk := clock.NewFake(start())
	f.Add(goodHeader().text(), goodClaims().text())
	f.Add(`{"alg":"HS256"}`, outsideClaims().text())
	f.Add(`{"alg":"HS256","kid":null,"typ":null}`, goodClaims().with("exp", 1e18).text())
	verifier, proofs := newVerifier(f, secretKeys(f), nil, clk), newProofVerifier(f, clk)
	f.Fuzz(func(t *testing.T, header, claims string) {
		got, err := verifier.Verify(t.Context(), signHS256(secret, header, claims))
		if err == nil && (got.AccountID == "" || !got.ExpiresAt.After(clk.Now()) || got.IssuedAt.After(clk.Now().Add(time.Minute))) {
			t.Fatalf("accepted %q as %+v", claims, got)
		}
		proof, err := proofs.Verify(t.Context(), signHS256(alpacaSecret, header, claims), eventID, eventType, []byte(payload))
		if err == nil && (proof.AccountID != account || proof.EventID != eventID || proof.ExpiresAt.After(clk.Now().Add(5*time.Minute))) {
			t.Fatalf("accepted %q as %+v", claims, proof)
		}
	})
}
