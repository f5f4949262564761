package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// RevokedChannel is where the jti of every revoked token is published.
	RevokedChannel = "auth.revoked"
	revokedPrefix  = "revoked:"
	// maximumLeeway bounds how long after exp a Verifier may still accept a token, and so how long a revocation
	// has to be remembered after it.
	maximumLeeway = time.Minute
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

// RevokedKey returns the Redis key that exists while the token with that jti is revoked.
func RevokedKey(jti string) string { return revokedPrefix + jti }

// Redis is what RedisRevocations needs of a client.
type Redis interface {
	Exists(ctx context.Context, keys ...string) *redis.IntCmd
	Publish(ctx context.Context, channel string, message any) *redis.IntCmd
	SetArgs(ctx context.Context, key string, value any, a redis.SetArgs) *redis.StatusCmd
	Subscribe(ctx context.Context, channels ...string) *redis.PubSub
}

// RedisRevocations keeps revoked tokens in Redis. It may be used concurrently.
type RedisRevocations struct {
	client Redis
}

// NewRedisRevocations returns a RedisRevocations on client, which stays the caller's to close.
func NewRedisRevocations(client Redis) *RedisRevocations {
	return &RedisRevocations{client: client}
}

// Revoked reports whether Revoke was called for that jti.
func (r *RedisRevocations) Revoked(ctx context.Context, jti string) (bool, error) {
	found, err := r.client.Exists(ctx, RevokedKey(jti)).Result()
	if err != nil {
		return false, fmt.Errorf("look up revocation of token %q: %w", jti, err)
	}
	return found > 0, nil
}

// Revoke ends a token before its exp, and tells every instance. On an error the token may or may not be revoked:
// call it again, it is idempotent. It is not bounded in time except by ctx.
func (r *RedisRevocations) Revoke(ctx context.Context, jti string, exp time.Time) error {
	if jti == "" {
		return errors.New("auth: a token without jti can't be revoked")
	}
	forgetAt := exp.Add(maximumLeeway + time.Second) // EXPIREAT cuts to whole seconds
	if err := r.client.SetArgs(ctx, RevokedKey(jti), 1, redis.SetArgs{ExpireAt: forgetAt}).Err(); err != nil {
		return fmt.Errorf("store revocation of token %q: %w", jti, err)
	}
	if err := r.client.Publish(ctx, RevokedChannel, jti).Err(); err != nil {
		return fmt.Errorf("announce revocation of token %q: %w", jti, err)
	}
	return nil
}

// Watch calls revoked for each announced jti until ctx ends. go-redis reconnects by itself and Redis confirms every
// new subscription; what was announced in between is lost, so missed is called for each confirmation.
func (r *RedisRevocations) Watch(ctx context.Context, revoked func(jti string), missed func()) error {
	subscription := r.client.Subscribe(ctx, RevokedChannel)
	defer func() { _ = subscription.Close() }() // nothing is left to be done about an error
	messages := subscription.ChannelWithSubscriptions()
	for {
		select {
		case <-ctx.Done():
			return nil
		case message, open := <-messages:
			if !open {
				return fmt.Errorf("subscription to %s ended: %w", RevokedChannel, redis.ErrClosed)
			}
			switch message := message.(type) {
			case *redis.Message:
				revoked(message.Payload)
			case *redis.Subscription:
				missed()
			}
		}
	}
}
