package auth_test

import (
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
)

// BenchmarkVerify: "hit" is what nearly every request pays, "miss" what one in a minute pays besides Redis.
func BenchmarkVerify(b *testing.B) {
	token, _ := issue(b, newIssuer(b, secretKeys(b), clock.System{}), auth.PermissionTrade, auth.PermissionMarketData)
	b.Run("hit", func(b *testing.B) {
		verifier := newVerifier(b, secretKeys(b), nil, clock.System{})
		b.ReportAllocs()
		for b.Loop() {
			if _, err := verifier.Verify(b.Context(), token); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("miss", func(b *testing.B) {
		// Between exp and the leeway a token is good, and never in the cache.
		clk := clock.NewFake(start())
		token, claims := issue(b, newIssuer(b, secretKeys(b), clk), auth.PermissionTrade, auth.PermissionMarketData)
		clk.Set(claims.ExpiresAt)
		verifier := newVerifier(b, secretKeys(b), nil, clk, auth.WithLeeway(time.Second))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := verifier.Verify(b.Context(), token); err != nil {
				b.Fatal(err)
			}
		}
	})
}
