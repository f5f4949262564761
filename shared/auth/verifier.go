package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// revocationTimeout bounds the look-up that a token pays for when it is not cached.
const revocationTimeout = 100 * time.Millisecond

// tokenBuffer is over the size of an HS256 token of ours; a longer token is hashed from the heap.
const tokenBuffer = 768

// Verifier verifies access tokens. It may be used concurrently.
type Verifier struct {
	parser      tokenParser
	cache       *tokenCache
	revocations Revocations
	clk         clock.Clock
	log         *zap.Logger
	metrics     metrics
	// unchecked: the last look-up of a revocation failed. It keeps an outage to two log lines.
	unchecked atomic.Bool
}

// VerifierOption changes one setting of NewVerifier.
type VerifierOption func(*verifierSettings)

type verifierSettings struct {
	leeway     time.Duration
	log        *zap.Logger
	registerer prometheus.Registerer
}

// WithLeeway accepts tokens for that long after exp and before nbf, for clocks that differ: 0 (the default) to 60 s.
func WithLeeway(leeway time.Duration) VerifierOption {
	return func(s *verifierSettings) { s.leeway = leeway }
}

// WithLogger logs when revocation can't be checked, and when it can again.
func WithLogger(log *zap.Logger) VerifierOption {
	return func(s *verifierSettings) { s.log = log }
}

// WithMetrics registers auth_token_verifications_total and auth_revocation_unchecked_total. Verifiers of one process
// may share a registerer.
func WithMetrics(registerer prometheus.Registerer) VerifierOption {
	return func(s *verifierSettings) { s.registerer = registerer }
}

// NewVerifier returns a Verifier. With nil revocations no token can be revoked before its exp.
func NewVerifier(keys *Keys, revocations Revocations, clk clock.Clock, opts ...VerifierOption) (*Verifier, error) {
	if keys == nil || clk == nil {
		return nil, errors.New("auth: a verifier needs keys and a clock")
	}
	settings := verifierSettings{log: zap.NewNop()}
	for _, option := range opts {
		option(&settings)
	}
	if settings.leeway < 0 || settings.leeway > maximumLeeway {
		return nil, fmt.Errorf("auth: leeway %s is not between 0 and %s", settings.leeway, maximumLeeway)
	}
	cache, err := newTokenCache()
	if err != nil {
		return nil, fmt.Errorf("make the token cache: %w", err)
	}
	counters, err := newMetrics(settings.registerer)
	if err != nil {
		return nil, err
	}
	return &Verifier{
		parser: newTokenParser(keys, clk, settings.leeway), cache: cache, revocations: revocations,
		clk: clk, log: settings.log, metrics: counters,
	}, nil
}

// Verify returns the claims of a token that is genuine, meant for this API, in its time and not revoked. Otherwise
// the error is a *problem.Error: INVALID_TOKEN wrapping one of this package's errors, or problem.Unavailable for a
// token with admin whose revocation can't be checked now. The claims are shared: do not change them.
func (v *Verifier) Verify(ctx context.Context, token string) (*Claims, error) {
	if len(token) > maximumTokenBytes {
		v.metrics.refused.Inc()
		return nil, refuse(ErrTooLarge, "token is larger than %d bytes", maximumTokenBytes)
	}
	var buffer [tokenBuffer]byte // a token of the usual size is hashed without an allocation
	key := sha256.Sum256(append(buffer[:0], token...))
	if claims, ok := v.cache.get(key, v.clk.Now()); ok {
		v.metrics.cached.Inc()
		return claims, nil
	}
	claims, err := v.verify(ctx, token, key)
	if err != nil {
		v.metrics.refused.Inc()
		return nil, err
	}
	v.metrics.verified.Inc()
	return claims, nil
}

func (v *Verifier) verify(ctx context.Context, token string, key digest) (*Claims, error) {
	claims, err := v.parser.parse(token)
	if err != nil {
		return nil, err
	}
	at := v.cache.position(claims.ID)
	trusted, err := v.checkRevocation(ctx, claims)
	if err != nil {
		return nil, err
	}
	v.cache.put(key, claims, at, v.clk.Now().Add(trusted))
	return claims, nil
}

// checkRevocation returns for how long the answer may be believed. The package documentation says why tokens pass
// while Redis is away.
func (v *Verifier) checkRevocation(ctx context.Context, claims *Claims) (time.Duration, error) {
	if v.revocations == nil || claims.ID == "" {
		return cacheFor, nil
	}
	revoked, err := v.lookUp(ctx, claims.ID)
	if err == nil && revoked {
		return 0, refuse(ErrRevoked, "token has been revoked")
	}
	if err == nil {
		if v.unchecked.CompareAndSwap(true, false) {
			v.log.Info("token revocation can be checked again")
		}
		return cacheFor, nil
	}
	if ctx.Err() != nil { // the caller has gone: that says nothing about Redis
		return 0, problem.Unavailable.New("request ended before its token was verified").Because(ctx.Err())
	}
	return v.withoutCheck(claims, err)
}

func (v *Verifier) withoutCheck(claims *Claims, cause error) (time.Duration, error) {
	if v.unchecked.CompareAndSwap(false, true) {
		v.log.Warn("token revocation can't be checked: refusing admin tokens, accepting others", zap.Error(cause))
	}
	if slices.Contains(claims.Permissions, PermissionAdmin) {
		v.metrics.uncheckedRefused.Inc()
		return 0, problem.Unavailable.New("admin tokens can't be checked for revocation right now").
			Because(cause).After(uncheckedFor)
	}
	v.metrics.uncheckedAccepted.Inc()
	return uncheckedFor, nil
}

// lookUp asks on another goroutine: go-redis honours a context's deadline only when its client was told to.
func (v *Verifier) lookUp(ctx context.Context, jti string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, revocationTimeout)
	defer cancel()
	type answer struct {
		revoked bool
		err     error
	}
	answers := make(chan answer, 1)
	go func() {
		revoked, err := v.revocations.Revoked(ctx, jti)
		answers <- answer{revoked, err}
	}()
	select {
	case got := <-answers:
		return got.revoked, got.err
	case <-ctx.Done():
		return false, fmt.Errorf("look up revocation within %s: %w", revocationTimeout, ctx.Err())
	}
}

// Run listens for revocations until ctx ends, so that a revoked token is forgotten at once and not within 60
// seconds. It survives reconnects of Redis; it returns an error only when the client itself was closed.
func (v *Verifier) Run(ctx context.Context) error {
	announcing, ok := v.revocations.(announcements)
	if !ok {
		<-ctx.Done()
		return nil
	}
	return announcing.Watch(ctx, v.cache.forget, v.cache.forgetAll)
}
