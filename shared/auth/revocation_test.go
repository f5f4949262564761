package auth_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// revocationStub counts look-ups and answers with what the test says.
type revocationStub struct {
	lookups int
	answer  func(ctx context.Context, jti string) (bool, error)
	forget  func(jti string)
}

func (s *revocationStub) Revoked(ctx context.Context, jti string) (bool, error) {
	s.lookups++
	if s.answer == nil {
		return false, nil
	}
	return s.answer(ctx, jti)
}

func (s *revocationStub) Watch(_ context.Context, revoked func(string), _ func()) error {
	s.forget = revoked
	return nil
}

func mustVerify(t *testing.T, verifier *auth.Verifier, token string) *auth.Claims {
	t.Helper()
	claims, err := verifier.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestVerifiedTokensAreCachedForAMinute(t *testing.T) {
	t.Parallel()
	stub, clk := &revocationStub{}, clock.NewFake(start())
	token, _ := issue(t, newIssuer(t, secretKeys(t), clk), auth.PermissionTrade)
	verifier := newVerifier(t, secretKeys(t), stub, clk)
	first := mustVerify(t, verifier, token)
	clk.Advance(time.Minute - 1)
	if mustVerify(t, verifier, token) != first || stub.lookups != 1 {
		t.Fatalf("%d look-ups within a minute", stub.lookups)
	}
	clk.Advance(1)
	if mustVerify(t, verifier, token); stub.lookups != 2 {
		t.Fatalf("%d look-ups after a minute", stub.lookups)
	}
}

func TestCacheNeverOutlivesTheToken(t *testing.T) {
	t.Parallel()
	clk := clock.NewFake(start())
	issuer, err := auth.NewIssuer(secretKeys(t), 10*time.Second, clk)
	if err != nil {
		t.Fatal(err)
	}
	token, _ := issue(t, issuer, auth.PermissionTrade)
	verifier := newVerifier(t, secretKeys(t), nil, clk)
	mustVerify(t, verifier, token)
	clk.Advance(10 * time.Second)
	_, err = verifier.Verify(t.Context(), token)
	mustRefuse(t, err, auth.ErrExpired)
}

func TestRevokedTokenIsRefused(t *testing.T) {
	t.Parallel()
	stub := &revocationStub{answer: func(context.Context, string) (bool, error) { return true, nil }}
	clk := clock.NewFake(start())
	token, _ := issue(t, newIssuer(t, secretKeys(t), clk), auth.PermissionTrade)
	_, err := newVerifier(t, secretKeys(t), stub, clk).Verify(t.Context(), token)
	mustRefuse(t, err, auth.ErrRevoked)
}

// TestRevocationDuringVerificationWins: the announcement arrives after the look-up has answered "not revoked" and
// before the token is in the cache.
func TestRevocationDuringVerificationWins(t *testing.T) {
	t.Parallel()
	stub, clk := &revocationStub{}, clock.NewFake(start())
	token, claims := issue(t, newIssuer(t, secretKeys(t), clk), auth.PermissionTrade)
	verifier := newVerifier(t, secretKeys(t), stub, clk)
	if err := verifier.Run(t.Context()); err != nil { // the stub's Watch only keeps the callback
		t.Fatal(err)
	}
	stub.answer = func(_ context.Context, jti string) (bool, error) {
		stub.forget(claims.ID)
		return false, nil
	}
	mustVerify(t, verifier, token)
	stub.answer = func(context.Context, string) (bool, error) { return true, nil }
	_, err := verifier.Verify(t.Context(), token)
	mustRefuse(t, err, auth.ErrRevoked)
}

func TestWithoutRedisOnlyAdminIsRefused(t *testing.T) {
	t.Parallel()
	down := errors.New("dial tcp: connection refused")
	stub := &revocationStub{answer: func(context.Context, string) (bool, error) { return false, down }}
	clk, registry := clock.NewFake(start()), prometheus.NewRegistry()
	core, logs := observer.New(zap.InfoLevel)
	verifier := newVerifier(t, secretKeys(t), stub, clk, auth.WithMetrics(registry), auth.WithLogger(zap.New(core)))
	issuer := newIssuer(t, secretKeys(t), clk)
	trader, _ := issue(t, issuer, auth.PermissionTrade)
	admin, _ := issue(t, issuer, auth.PermissionTrade, auth.PermissionAdmin)

	mustVerify(t, verifier, trader)
	if _, err := verifier.Verify(t.Context(), admin); !errors.Is(err, problem.Unavailable) || !errors.Is(err, down) {
		t.Fatalf("admin: %v", err)
	}
	if mustVerify(t, verifier, trader); stub.lookups != 2 {
		t.Fatalf("%d look-ups: every request waits for a dead Redis", stub.lookups)
	}
	clk.Advance(5 * time.Second)
	stub.answer = nil
	mustVerify(t, verifier, trader)
	mustVerify(t, verifier, admin)
	if stub.lookups != 4 || logs.Len() != 2 {
		t.Fatalf("%d look-ups, %d log lines", stub.lookups, logs.Len())
	}
	want := `
# HELP auth_revocation_unchecked_total Tokens whose revocation could not be checked, by outcome: accepted, or refused because of admin.
# TYPE auth_revocation_unchecked_total counter
auth_revocation_unchecked_total{outcome="accepted"} 1
auth_revocation_unchecked_total{outcome="refused"} 1
# HELP auth_token_verifications_total Access tokens seen, by result: cached, verified (not in the cache) or refused.
# TYPE auth_token_verifications_total counter
auth_token_verifications_total{result="cached"} 1
auth_token_verifications_total{result="refused"} 1
auth_token_verifications_total{result="verified"} 3
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Fatal(err)
	}
	newVerifier(t, secretKeys(t), nil, clk, auth.WithMetrics(registry)) // two functions of one process share it
}

func TestSlowRedisIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stub := &revocationStub{answer: func(ctx context.Context, _ string) (bool, error) {
			time.Sleep(3 * time.Second) // a client that does not honour the context; the bubble's time is not real
			return true, nil
		}}
		clk, began := clock.NewFake(start()), time.Now()
		token, _ := issue(t, newIssuer(t, secretKeys(t), clk), auth.PermissionTrade)
		mustVerify(t, newVerifier(t, secretKeys(t), stub, clk), token)
		if waited := time.Since(began); waited != 100*time.Millisecond {
			t.Fatalf("waited %s", waited)
		}
		time.Sleep(3 * time.Second)
	})
}

func TestCallerThatLeftIsNoOutage(t *testing.T) {
	t.Parallel()
	stub := &revocationStub{answer: func(ctx context.Context, _ string) (bool, error) { return false, ctx.Err() }}
	core, logs := observer.New(zap.InfoLevel)
	clk := clock.NewFake(start())
	token, _ := issue(t, newIssuer(t, secretKeys(t), clk), auth.PermissionTrade)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := newVerifier(t, secretKeys(t), stub, clk, auth.WithLogger(zap.New(core))).Verify(ctx, token)
	if !errors.Is(err, context.Canceled) || logs.Len() != 0 {
		t.Fatalf("got %v and %d log lines", err, logs.Len())
	}
}

// eventually polls, for conditions behind a real socket.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// onRedis returns a running Verifier on a miniredis, subscribed.
func onRedis(t *testing.T, clk clock.Clock) (*miniredis.Miniredis, *auth.RedisRevocations, *auth.Verifier) {
	t.Helper()
	server := miniredis.RunT(t)
	server.SetTime(clk.Now())
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	revocations := auth.NewRedisRevocations(client, clk)
	verifier := newVerifier(t, secretKeys(t), revocations, clk)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- verifier.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		_ = client.Close()
	})
	eventually(t, "the subscription", func() bool { return server.PubSubNumSub(auth.RevokedChannel)[auth.RevokedChannel] == 1 })
	return server, revocations, verifier
}

func isRevoked(t *testing.T, verifier *auth.Verifier, token string) func() bool {
	return func() bool {
		_, err := verifier.Verify(t.Context(), token)
		return errors.Is(err, auth.ErrRevoked)
	}
}

func TestRevokeReachesCachedTokens(t *testing.T) {
	t.Parallel()
	clk := clock.NewFake(start())
	server, revocations, verifier := onRedis(t, clk)
	issuer := newIssuer(t, secretKeys(t), clk)
	token, claims := issue(t, issuer, auth.PermissionTrade)
	other, _ := issue(t, issuer, auth.PermissionTrade)
	mustVerify(t, verifier, token)
	if err := revocations.Revoke(t.Context(), claims.ID, claims.ExpiresAt); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the revocation", isRevoked(t, verifier, token)) // the clock stands still: the cache does not expire
	mustVerify(t, verifier, other)
	until, err := server.ZScore(auth.RevokedKey, claims.ID)
	if ttl := time.Unix(int64(until), 0).Sub(clk.Now()); err != nil || ttl < 24*time.Hour || ttl > 24*time.Hour+2*time.Minute {
		t.Fatalf("remembered for %s, %v", ttl, err)
	}
	if err := revocations.Revoke(t.Context(), "", claims.ExpiresAt); err == nil {
		t.Fatal("revoked nothing without an error")
	}
}

func TestWatchHearsEachRevocation(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer func() { _ = client.Close() }()
	revocations := auth.NewRedisRevocations(client, clock.System{})
	ctx, cancel := context.WithCancel(t.Context())
	heard, missed, ended := make(chan string, 2), make(chan struct{}, 2), make(chan error, 1)
	go func() {
		ended <- revocations.Watch(ctx, func(jti string) { heard <- jti }, func() { missed <- struct{}{} })
	}()
	<-missed // the first subscription: nothing is known of what was before
	for _, jti := range []string{"one", "two"} {
		if err := revocations.Revoke(t.Context(), jti, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if got := <-heard; got != jti {
			t.Fatalf("heard %q, want %q", got, jti)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// TestMissedAnnouncementsAreMadeUpFor: Redis restarts, and the token is revoked while nobody is subscribed.
func TestMissedAnnouncementsAreMadeUpFor(t *testing.T) {
	t.Parallel()
	clk := clock.NewFake(start())
	server, _, verifier := onRedis(t, clk)
	token, claims := issue(t, newIssuer(t, secretKeys(t), clk), auth.PermissionTrade)
	mustVerify(t, verifier, token)
	server.Close()
	mustVerify(t, verifier, token)
	if _, err := server.ZAdd(auth.RevokedKey, float64(clk.Now().Add(time.Hour).Unix()), claims.ID); err != nil {
		t.Fatal(err)
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the revocation", isRevoked(t, verifier, token))
}

// TestRedisThatLostItsDataGetsTheRevocationsBack: an instance that runs has a copy, also of what was revoked before it
// started; one that starts afterwards asks Redis.
func TestRedisThatLostItsDataGetsTheRevocationsBack(t *testing.T) {
	t.Parallel()
	clk := clock.NewFake(time.Now())
	issuer := newIssuer(t, secretKeys(t), clk)
	token, claims := issue(t, issuer, auth.PermissionTrade, auth.PermissionAdmin)
	server, revocations, verifier := onRedis(t, clk)
	if err := revocations.Revoke(t.Context(), claims.ID, claims.ExpiresAt); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time the copy is what Redis got back
		server.FlushAll()
		if !isRevoked(t, verifier, token)() {
			t.Fatal("the running instance accepts it")
		}
		eventually(t, "the revocation is back in Redis", func() bool { return server.Exists(auth.RevokedKey) })
		client := redis.NewClient(&redis.Options{Addr: server.Addr()})
		later := auth.NewRedisRevocations(client, clk)
		if revoked, err := later.Revoked(t.Context(), claims.ID); err != nil || !revoked {
			t.Errorf("an instance that starts now: revoked %t, %v", revoked, err)
		}
		_ = client.Close()
	}
}

// TestRevocationsThatHavePassedAreForgotten: the set has no more than the tokens that could still be used.
func TestRevocationsThatHavePassedAreForgotten(t *testing.T) {
	t.Parallel()
	clk := clock.NewFake(time.Now())
	server, revocations, _ := onRedis(t, clk)
	if err := revocations.Revoke(t.Context(), "old", time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := server.ZAdd(auth.RevokedKey, 1, "older"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "forgetting", func() bool { return !server.Exists(auth.RevokedKey) })
}

func TestRedisErrorsAreReported(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1})
	defer func() { _ = client.Close() }()
	revocations := auth.NewRedisRevocations(client, clock.System{})
	server.SetError("LOADING Redis is loading the dataset in memory")
	if _, err := revocations.Revoked(t.Context(), "x"); err == nil {
		t.Error("Revoked hides the error")
	}
	if err := revocations.Revoke(t.Context(), "x", start()); err == nil {
		t.Error("Revoke hides the error")
	}
}

func TestRunWithoutAnnouncementsWaits(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newVerifier(t, secretKeys(t), nil, clock.System{}).Run(ctx); err != nil {
		t.Fatal(err)
	}
}
