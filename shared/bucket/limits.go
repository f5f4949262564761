package bucket

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

const (
	// leaseSpan is what one instance takes at a time: as many tokens as the limit yields in this time, so that small
	// limits are taken one by one.
	leaseSpan = 50 * time.Millisecond
	// leaseLife is how long leased tokens may be spent: it bounds what a quiet instance withholds from the others. It is
	// ten times leaseSpan, so that a client that leaves tokens to expire loses no more than a tenth of its limit.
	leaseLife = 10 * leaseSpan
	// leaseTimeout bounds what a request waits for its limit, so that with all else an order is refused within 200 ms while
	// Redis does not answer.
	leaseTimeout = 40 * time.Millisecond
	// askAgain is how long Redis is left alone after it did not answer: requests must not line up behind it.
	askAgain = time.Second
	// maxSubjects bounds the memory; beyond it the idle subjects are forgotten.
	maxSubjects = 20_000
	// fallbackInstances is how many instances share a limit while Redis can't tell.
	fallbackInstances = 4
)

// Limits are the native API's request limits per subject, by scope. Busy subjects are served from leases of a few
// tokens, so that most requests cost no round trip. While Redis is away each instance allows a share of the limit:
// reads go on, and no limit is lifted. Safe for concurrent use.
type Limits struct {
	bucket *Bucket
	rates  func(scope, subject string) (Rate, bool)
	clock  clock.Clock
	logger *zap.Logger
	// patience is what a request waits for its limit.
	patience time.Duration
	away     atomic.Int64 // Unix nanoseconds until which Redis is not asked

	mu       sync.Mutex
	subjects map[subjectKey]*lease
}

var _ serve.Limits = (*Limits)(nil)

type subjectKey struct{ scope, subject string }

// lease is what this instance holds of one subject's bucket.
type lease struct {
	mu      sync.Mutex
	tokens  int
	grant   Grant
	rate    Rate // of the tokens
	expires time.Time
	denied  time.Time // until then the bucket is known to be empty
	local   time.Time // theoretical arrival time of the fallback
	used    time.Time
}

// LimitsConfig is what Limits need. All fields but Patience are required.
type LimitsConfig struct {
	// Rates has the rate of a scope and subject; it is asked for every request.
	Rates  func(scope, subject string) (Rate, bool)
	Clock  clock.Clock
	Logger *zap.Logger
	// Patience is what a request waits for its limit; 0 is 40 ms.
	Patience time.Duration
}

// NewLimits returns limits on the buckets.
func NewLimits(bucket *Bucket, config LimitsConfig) *Limits {
	if config.Patience == 0 {
		config.Patience = leaseTimeout
	}
	return &Limits{
		bucket: bucket, rates: config.Rates, clock: config.Clock, logger: config.Logger, patience: config.Patience,
		subjects: make(map[subjectKey]*lease),
	}
}

// Take takes one token of scope for subject.
func (l *Limits) Take(ctx context.Context, scope, subject string) (serve.Decision, error) {
	rate, ok := l.rates(scope, subject)
	if !ok {
		return serve.Decision{}, fmt.Errorf("no rate limit named %q", scope)
	}
	now := l.clock.Now()
	held := l.lease(subjectKey{scope, subject}, now)
	held.mu.Lock()
	defer held.mu.Unlock()
	held.used = now
	if held.tokens > 0 && now.Before(held.expires) {
		held.tokens--
		return held.decision(rate, true), nil
	}
	if now.Before(held.denied) {
		held.grant.RetryAfter = held.denied.Sub(now)
		return held.decision(rate, false), nil
	}
	if now.UnixNano() < l.away.Load() {
		return held.fallback(rate, now), nil
	}
	asked, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	grant, err := l.bucket.Lease(asked, store.BucketKey(subject, scope), rate, rate.in(leaseSpan))
	if err != nil {
		l.noteAway(ctx, now, err)
		return held.fallback(rate, now), nil
	}
	held.grant, held.rate = grant, rate
	if grant.Granted == 0 {
		held.tokens, held.denied = 0, now.Add(grant.RetryAfter)
		return held.decision(rate, false), nil
	}
	held.tokens, held.expires = grant.Granted-1, now.Add(leaseLife)
	return held.decision(rate, true), nil
}

// noteAway keeps requests from asking a Redis that did not answer. A caller that has gone says nothing about Redis.
func (l *Limits) noteAway(ctx context.Context, now time.Time, err error) {
	if ctx.Err() != nil {
		return
	}
	l.away.Store(now.Add(askAgain).UnixNano())
	l.logger.Warn("rate limits from the local share: redis is away", zap.Error(err))
}

// Refund gives the leased tokens that were not spent back to their buckets, so that those who stay have them; the next
// request leases anew.
func (l *Limits) Refund(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	for key, held := range l.subjects {
		held.mu.Lock()
		tokens, rate := held.tokens, held.rate
		spendable := now.Before(held.expires)
		held.tokens = 0
		held.mu.Unlock()
		if tokens == 0 || !spendable {
			continue
		}
		if err := l.bucket.Refund(ctx, store.BucketKey(key.subject, key.scope), rate, tokens); err != nil {
			return err // Redis is away: the others would fail as well
		}
	}
	return nil
}

func (h *lease) decision(rate Rate, allowed bool) serve.Decision {
	return serve.Decision{
		Allowed: allowed, Limit: rate.Limit, Remaining: h.grant.Remaining + h.tokens,
		Reset: h.grant.Reset, RetryAfter: h.grant.RetryAfter,
	}
}

// fallback admits this instance's share of the limit by the same algorithm, in memory.
func (h *lease) fallback(rate Rate, now time.Time) serve.Decision {
	limit := max(1, rate.Limit/fallbackInstances)
	interval := rate.Period / time.Duration(limit)
	if h.local.Before(now) {
		h.local = now
	}
	wait := h.local.Add(interval).Sub(now.Add(rate.Period))
	if wait > 0 {
		return serve.Decision{Limit: limit, Reset: h.local.Sub(now), RetryAfter: wait}
	}
	h.local = h.local.Add(interval)
	return serve.Decision{Allowed: true, Limit: limit, Remaining: int(-wait / interval), Reset: h.local.Sub(now)}
}

func (l *Limits) lease(key subjectKey, now time.Time) *lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	held, ok := l.subjects[key]
	if !ok {
		if len(l.subjects) >= maxSubjects {
			l.forget(now)
		}
		held = &lease{used: now}
		l.subjects[key] = held
	}
	return held
}

// forget drops the subjects that no request named for a minute, or all when that is none: their leases were spent
// from the bucket already, so that nobody gets more by it.
func (l *Limits) forget(now time.Time) {
	for key, held := range l.subjects {
		if held.mu.TryLock() {
			if now.Sub(held.used) > time.Minute {
				delete(l.subjects, key)
			}
			held.mu.Unlock()
		}
	}
	if len(l.subjects) >= maxSubjects {
		clear(l.subjects)
	}
}
