// Package lease lets one instance at a time do a thing, and keeps a former owner from doing harm: each acquisition
// has a larger fencing token, and guarded writes compare it.
package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrHeld means that another owner has the lease.
var ErrHeld = errors.New("lease is held by another owner")

// ErrLost means that the lease ran out or was taken over.
var ErrLost = errors.New("lease was lost")

// fenceLife keeps the token counter of a lease that nobody wanted for long; it must outlive any paused owner.
const fenceLife = 7 * 24 * time.Hour

// Leases acquires leases in Redis for one owner. Safe for concurrent use.
type Leases struct {
	client  redis.Scripter
	owner   string
	acquire *redis.Script
	renew   *redis.Script
	release *redis.Script
}

// Lease is one acquired lease.
type Lease struct {
	Key string
	// Token grows with each acquisition of Key, also after Redis lost its data; a guarded write passes it along.
	Token int64
	// First says that Redis knows of no owner before this one: there was none for a week, or Redis lost its data, and
	// then an owner may be at work who does not know yet that it lost the lease.
	First bool
}

// New returns leases for owner, a name no other process has.
func New(client redis.Scripter, owner string) *Leases {
	return &Leases{
		client: client, owner: owner,
		acquire: redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 1 then
  if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return {0, 0} end
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return {tonumber(redis.call('HGET', KEYS[1], 'token')), tonumber(redis.call('HGET', KEYS[1], 'first') or '0')}
end
local fence = redis.call('GET', KEYS[2])
local first = fence and 0 or 1
-- Not below the clock: a Redis that lost everything must not give out a former owner's token again.
local t = redis.call('TIME')
local token = math.max(tonumber(fence or '0') + 1, tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000))
redis.call('SET', KEYS[2], string.format('%.0f', token), 'PX', ARGV[3])
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'token', string.format('%.0f', token), 'first', first)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {token, first}`),
		renew: redis.NewScript(`
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`),
		release: redis.NewScript(`
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1`),
	}
}

// Acquire takes the lease at key for ttl, or prolongs it when this owner has it. It returns ErrHeld when another has.
func (l *Leases) Acquire(ctx context.Context, key string, ttl time.Duration) (Lease, error) {
	got, err := l.acquire.Run(ctx, l.client, []string{key, key + ":fence"}, l.owner, ttl.Milliseconds(), fenceLife.Milliseconds()).Int64Slice()
	if err != nil {
		return Lease{}, fmt.Errorf("acquire %s: %w", key, err)
	}
	if len(got) != 2 || got[0] == 0 {
		return Lease{}, ErrHeld
	}
	return Lease{Key: key, Token: got[0], First: got[1] == 1}, nil
}

// Renew prolongs the lease to ttl from now. It returns ErrLost when it is no longer ours.
func (l *Leases) Renew(ctx context.Context, held Lease, ttl time.Duration) error {
	ok, err := l.renew.Run(ctx, l.client, []string{held.Key}, held.Token, ttl.Milliseconds()).Int64()
	if err != nil {
		return fmt.Errorf("renew %s: %w", held.Key, err)
	}
	if ok == 0 {
		return ErrLost
	}
	return nil
}

// Release gives the lease back. Releasing a lost lease changes nothing.
func (l *Leases) Release(ctx context.Context, held Lease) error {
	if err := l.release.Run(ctx, l.client, []string{held.Key}, held.Token).Err(); err != nil {
		return fmt.Errorf("release %s: %w", held.Key, err)
	}
	return nil
}
