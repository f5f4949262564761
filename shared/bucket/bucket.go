// Package bucket holds the rate limits: exact across instances, because every take is one atomic step in Redis by
// Redis's own clock. The algorithm is the generic cell rate algorithm (shared/store/lua/gcra.lua).
package bucket

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/store"
)

// Rate is how many tokens a bucket holds and how long it takes to fill when empty.
type Rate struct {
	Limit  int
	Period time.Duration
}

// Valid reports whether r allows anything.
func (r Rate) Valid() bool { return r.Limit > 0 && r.Period > 0 }

// in is how many tokens come back in span, at least one.
func (r Rate) in(span time.Duration) int {
	return max(1, int(float64(r.Limit)*float64(span)/float64(r.Period)))
}

// Grant is what a bucket gave.
type Grant struct {
	// Granted is how many tokens were taken, 0 when refused.
	Granted int
	// Remaining is how many are left for this caller.
	Remaining int
	// Reset is how long until the bucket is full; RetryAfter how long to wait when refused.
	Reset, RetryAfter time.Duration
}

// Bucket takes tokens in Redis. Safe for concurrent use.
type Bucket struct {
	client       redis.Scripter
	take, refund *redis.Script
}

// New returns a Bucket on client.
func New(client redis.Scripter) *Bucket {
	return &Bucket{client: client, take: store.NewScript(`
local granted, remaining, reset, wait = gcra(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]),
  tonumber(ARGV[4]), tonumber(ARGV[5]), now_us(), 0)
return {granted, remaining, reset, wait}`), refund: store.NewScript(`
local now, tat = now_us(), tonumber(redis.call('GET', KEYS[1]) or '')
if not tat or tat <= now then return 0 end
tat = tat - tonumber(ARGV[3]) * tonumber(ARGV[2]) / tonumber(ARGV[1])
if tat <= now then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000) + 1000)
return 1`)}
}

// Refund gives tokens that were taken, and not used, back to the bucket at key. It never holds more than its limit.
func (b *Bucket) Refund(ctx context.Context, key string, rate Rate, tokens int) error {
	if err := b.refund.Run(ctx, b.client, []string{key}, rate.Limit, rate.Period.Microseconds(), tokens).Err(); err != nil {
		return fmt.Errorf("refund %d to %s: %w", tokens, key, err)
	}
	return nil
}

// Take takes cost tokens from the bucket at key, all or none. reserve tokens are left for callers that pass a
// smaller reserve: cancels pass 0, so that a flooded account can always get out.
func (b *Bucket) Take(ctx context.Context, key string, rate Rate, cost, reserve int) (Grant, error) {
	return b.run(ctx, key, rate, cost, reserve, 0)
}

// Lease takes up to cost tokens, to be spent locally; refused, it says when there will be one. It deducts them at once, so that leases never over-admit.
func (b *Bucket) Lease(ctx context.Context, key string, rate Rate, cost int) (Grant, error) {
	return b.run(ctx, key, rate, cost, 0, 1)
}

func (b *Bucket) run(ctx context.Context, key string, rate Rate, cost, reserve, partial int) (Grant, error) {
	values, err := b.take.Run(ctx, b.client, []string{key}, rate.Limit, rate.Period.Microseconds(), cost, reserve, partial).Int64Slice()
	if err != nil {
		return Grant{}, fmt.Errorf("take %d from %s: %w", cost, key, err)
	}
	return GrantOf(values), nil
}

// GrantOf reads the four numbers that the Lua function gcra returns: granted, remaining, and two waits in
// microseconds.
func GrantOf(values []int64) Grant {
	return Grant{
		Granted: int(values[0]), Remaining: int(values[1]),
		Reset: time.Duration(values[2]) * time.Microsecond, RetryAfter: time.Duration(values[3]) * time.Microsecond,
	}
}
