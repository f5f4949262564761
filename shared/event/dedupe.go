package event

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Defaults of DeduperConfig.
const (
	DefaultDedupeLease   = 30 * time.Second
	DefaultDedupeTTL     = 25 * time.Hour
	DefaultDedupeTimeout = time.Second
)

// State is what a Deduper knows about an event.
type State int

const (
	// StateNew means that nobody handles the event; the caller now does, until its lease ends.
	StateNew State = iota
	// StateDone means that the event was handled.
	StateDone
	// StateInProgress means that somebody else handles the event right now.
	StateInProgress
)

// Token proves who holds the lease that Begin gave.
type Token string

// doneMark is the value of a handled event; a token is never equal to it because tokens are 32 characters.
const doneMark = "done"

// The scripts touch one key each, so they work on a Redis Cluster. The key expires by itself in every state.
const (
	beginLua = `
local held = redis.call('GET', KEYS[1])
if held then return held end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ''`
	releaseLua = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`
)

// KeyDedupe returns the Redis key under which a consumer remembers an event. Source and ID are hashed because
// producers choose them; all of the key is its hash tag.
func KeyDedupe(consumer, source, id string) string {
	sum := sha256.Sum256([]byte(source + "\x00" + id))
	return "dedupe:{" + consumer + ":" + hex.EncodeToString(sum[:])[:32] + "}"
}

// DeduperConfig sets times; the zero value means the defaults.
type DeduperConfig struct {
	// Lease is how long an event counts as in progress before another instance may take it over.
	Lease time.Duration
	// TTL is how long a handled event is remembered; it must outlive every redelivery.
	TTL time.Duration
	// Timeout bounds each call to Redis.
	Timeout time.Duration
}

// Redis is what a Deduper needs of a client.
type Redis interface {
	redis.Scripter
	Set(ctx context.Context, key string, value any, expiration time.Duration) *redis.StatusCmd
}

// Deduper remembers in Redis which consumer has handled which event. It may be used concurrently.
type Deduper struct {
	redis          Redis
	config         DeduperConfig
	begin, release *redis.Script
}

// NewDeduper returns a Deduper on the given Redis.
func NewDeduper(client Redis, config DeduperConfig) *Deduper {
	if config.Lease <= 0 {
		config.Lease = DefaultDedupeLease
	}
	if config.TTL <= 0 {
		config.TTL = DefaultDedupeTTL
	}
	if config.Timeout <= 0 {
		config.Timeout = DefaultDedupeTimeout
	}
	return &Deduper{redis: client, config: config, begin: redis.NewScript(beginLua), release: redis.NewScript(releaseLua)}
}

// Begin takes the lease of an event for a consumer, unless the event is done or in progress. With StateNew the
// caller must end with Done or Release. An error means that Redis did not answer.
func (d *Deduper) Begin(ctx context.Context, consumer, source, id string) (Token, State, error) {
	ctx, cancel := context.WithTimeout(ctx, d.config.Timeout)
	defer cancel()
	token := Token(rand.Text() + rand.Text())[:32]
	held, err := d.begin.Run(ctx, d.redis, []string{KeyDedupe(consumer, source, id)},
		string(token), d.config.Lease.Milliseconds()).Text()
	switch {
	case err != nil:
		// The script may have run: a lease that nobody works under would hold redeliveries up until it ends.
		_ = d.Release(context.WithoutCancel(ctx), consumer, source, id, token)
		return "", StateNew, fmt.Errorf("begin event %s for %s: %w", id, consumer, err)
	case held == doneMark:
		return "", StateDone, nil
	case held == "", held == string(token): // our own: the client repeats a script whose answer it did not get in time
		return token, StateNew, nil
	default:
		return "", StateInProgress, nil
	}
}

// Done marks the event handled. It does so even when the lease has passed to somebody else: the work is done,
// and the other holder's Release then does nothing.
func (d *Deduper) Done(ctx context.Context, consumer, source, id string) error {
	ctx, cancel := context.WithTimeout(ctx, d.config.Timeout)
	defer cancel()
	err := d.redis.Set(ctx, KeyDedupe(consumer, source, id), doneMark, d.config.TTL).Err()
	if err != nil {
		return fmt.Errorf("finish event %s for %s: %w", id, consumer, err)
	}
	return nil
}

// Release gives the lease back after a failure, so that a redelivery is handled at once. It does nothing when
// the token no longer holds the lease.
func (d *Deduper) Release(ctx context.Context, consumer, source, id string, token Token) error {
	ctx, cancel := context.WithTimeout(ctx, d.config.Timeout)
	defer cancel()
	err := d.release.Run(ctx, d.redis, []string{KeyDedupe(consumer, source, id)}, string(token)).Err()
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("release event %s for %s: %w", id, consumer, err)
	}
	return nil
}
