package auth

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
)

const (
	// RevokedChannel is where each revocation is published: until when it is remembered, in Unix seconds, a space, the jti.
	RevokedChannel = "auth.revoked"
	// RevokedKey is the Redis key of the revoked tokens: a sorted set of jti, by when each may be forgotten in Unix seconds.
	RevokedKey = "revoked-tokens"
	// maximumLeeway bounds how long after exp a Verifier may still accept a token, and so how long a revocation
	// has to be remembered after it.
	maximumLeeway = time.Minute
	// What Redis has is compared with what is known here by number each second, and wholly each minute.
	countEvery   = time.Second
	compareEvery = time.Minute
)

// Revocations knows which tokens were revoked. Implementations may be used concurrently and should honour ctx.
type Revocations interface {
	// Revoked reports whether the token with that jti was revoked; an error means that nobody can tell now.
	Revoked(ctx context.Context, jti string) (bool, error)
}

// announcements is what a Revocations may also offer, so that a Verifier hears of revocations at once. Watch
// returns when ctx ends; revoked is called for each, and missed whenever some may not have been heard.
type announcements interface {
	Watch(ctx context.Context, revoked func(jti string), missed func()) error
}

// Redis is what RedisRevocations needs of a client.
type Redis interface {
	Publish(ctx context.Context, channel string, message any) *redis.IntCmd
	Subscribe(ctx context.Context, channels ...string) *redis.PubSub
	ZAdd(ctx context.Context, key string, members ...redis.Z) *redis.IntCmd
	ZCard(ctx context.Context, key string) *redis.IntCmd
	ZRangeWithScores(ctx context.Context, key string, start, stop int64) *redis.ZSliceCmd
	ZRemRangeByScore(ctx context.Context, key, minimum, maximum string) *redis.IntCmd
	ZScore(ctx context.Context, key, member string) *redis.FloatCmd
}

// RedisRevocations keeps revoked tokens in Redis, and a copy of them while Watch runs: a Redis that lost its data gets them
// back from whatever instance still runs. It may be used concurrently.
type RedisRevocations struct {
	client Redis
	clock  clock.Clock

	mu    sync.RWMutex
	known map[string]int64 // jti to when it may be forgotten, in Unix seconds
}

// NewRedisRevocations returns a RedisRevocations on client, which stays the caller's to close.
func NewRedisRevocations(client Redis, clk clock.Clock) *RedisRevocations {
	return &RedisRevocations{client: client, clock: clk, known: make(map[string]int64)}
}

// Revoked reports whether Revoke was called for that jti.
func (r *RedisRevocations) Revoked(ctx context.Context, jti string) (bool, error) {
	r.mu.RLock()
	_, known := r.known[jti]
	r.mu.RUnlock()
	if known {
		return true, nil
	}
	err := r.client.ZScore(ctx, RevokedKey, jti).Err()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look up revocation of token %q: %w", jti, err)
	}
	return true, nil
}

// Revoke ends a token before its exp, and tells every instance. On an error the token may or may not be revoked:
// call it again, it is idempotent. It is not bounded in time except by ctx.
func (r *RedisRevocations) Revoke(ctx context.Context, jti string, exp time.Time) error {
	if jti == "" {
		return errors.New("auth: a token without jti can't be revoked")
	}
	forgetAt := exp.Add(maximumLeeway + time.Second).Unix() // a second, because Unix cuts
	if err := r.client.ZAdd(ctx, RevokedKey, redis.Z{Score: float64(forgetAt), Member: jti}).Err(); err != nil {
		return fmt.Errorf("store revocation of token %q: %w", jti, err)
	}
	r.learn(jti, forgetAt)
	if err := r.client.Publish(ctx, RevokedChannel, strconv.FormatInt(forgetAt, 10)+" "+jti).Err(); err != nil {
		return fmt.Errorf("announce revocation of token %q: %w", jti, err)
	}
	return nil
}

func (r *RedisRevocations) learn(jti string, forgetAt int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[jti] = forgetAt
}

// Watch calls revoked for each announced jti until ctx ends. go-redis reconnects by itself and Redis confirms every
// new subscription; what was announced in between is lost, so missed is called for each confirmation.
func (r *RedisRevocations) Watch(ctx context.Context, revoked func(jti string), missed func()) error {
	subscription := r.client.Subscribe(ctx, RevokedChannel)
	defer func() { _ = subscription.Close() }() // nothing is left to be done about an error
	messages := subscription.ChannelWithSubscriptions()
	count, compare := time.NewTicker(countEvery), time.NewTicker(compareEvery)
	defer count.Stop()
	defer compare.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-count.C:
			r.compareIfFewer(ctx)
		case <-compare.C:
			r.compare(ctx)
		case message, open := <-messages:
			if !open {
				return fmt.Errorf("subscription to %s ended: %w", RevokedChannel, redis.ErrClosed)
			}
			switch message := message.(type) {
			case *redis.Message:
				revoked(r.announced(message.Payload))
			case *redis.Subscription:
				r.compare(ctx)
				missed()
			}
		}
	}
}

// announced learns from an announcement and returns its jti.
func (r *RedisRevocations) announced(payload string) string {
	until, jti, ok := strings.Cut(payload, " ")
	forgetAt, err := strconv.ParseInt(until, 10, 64)
	if !ok || err != nil {
		return payload // of nobody here: whatever it names is looked up again
	}
	r.learn(jti, forgetAt)
	return jti
}

// compareIfFewer compares when Redis has another number of revocations than are known here.
func (r *RedisRevocations) compareIfFewer(ctx context.Context) {
	r.mu.RLock()
	known := int64(len(r.known))
	r.mu.RUnlock()
	if stored, err := r.client.ZCard(ctx, RevokedKey).Result(); err == nil && stored != known {
		r.compare(ctx)
	}
}

// compare learns what Redis has, gives it back what it lost, and forgets what has passed. Without an answer nothing
// changes: the next tick, or the next subscription, compares again.
func (r *RedisRevocations) compare(ctx context.Context) {
	stored, err := r.client.ZRangeWithScores(ctx, RevokedKey, 0, -1).Result()
	if err != nil {
		return
	}
	now := r.clock.Now().Unix()
	found := make(map[string]bool, len(stored))
	var lost []redis.Z
	r.mu.Lock()
	for _, z := range stored {
		jti, _ := z.Member.(string) // Redis has strings only
		found[jti] = true
		r.known[jti] = int64(z.Score)
	}
	for jti, forgetAt := range r.known {
		switch {
		case forgetAt < now:
			delete(r.known, jti)
		case !found[jti]:
			lost = append(lost, redis.Z{Score: float64(forgetAt), Member: jti})
		}
	}
	r.mu.Unlock()
	if len(lost) > 0 {
		_ = r.client.ZAdd(ctx, RevokedKey, lost...).Err() // the next comparison finds what is missing still
	}
	_ = r.client.ZRemRangeByScore(ctx, RevokedKey, "-inf", "("+strconv.FormatInt(now, 10)).Err() // or the next
}
