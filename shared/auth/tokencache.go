package auth

import (
	"crypto/sha256"
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

const (
	maximumCachedTokens = 10_000
	// cacheFor is how long a verified token is believed without looking again.
	cacheFor = time.Minute
	// uncheckedFor replaces cacheFor while Redis is away: short, so that a revoked token does not outlive the
	// outage by much, yet long enough that not every request waits for Redis to time out.
	uncheckedFor = 5 * time.Second
	// revocationShards: forgetting one token makes the others of its shard, 1 in 1024, be verified once more.
	revocationShards = 1024
)

// digest identifies a token. Nothing shorter or faster than SHA-256: whoever finds a collision is somebody else.
type digest = [sha256.Size]byte

// tokenCache holds verified tokens. Entries are dropped by generation: each jti belongs to a shard, and a
// revocation makes all older entries of that shard stale. So a revocation that arrives while its token is being
// verified can't be overtaken by the insertion, and no index from jti to token has to be kept.
type tokenCache struct {
	// The cache has a bound and no expiry of its own: validUntil is checked against the injected clock anyway, and
	// without expiry there is no background goroutine.
	entries     entries
	seed        maphash.Seed
	generations [revocationShards]atomic.Uint64
}

// entries is the part of an otter cache that is used. It is an interface because every package that can reach the
// concrete type compiles all of its generic code again, three seconds each.
type entries interface {
	GetIfPresent(key digest) (*cachedToken, bool)
	Set(key digest, value *cachedToken) (*cachedToken, bool)
}

type cachedToken struct {
	claims     *Claims
	validUntil time.Time
	at         position
}

// position is the generation of a shard at the time before the revocation check.
type position struct{ shard, generation uint64 }

func newTokenCache() (*tokenCache, error) {
	bounded, err := otter.New(&otter.Options[digest, *cachedToken]{MaximumSize: maximumCachedTokens})
	if err != nil {
		return nil, err
	}
	return &tokenCache{entries: bounded, seed: maphash.MakeSeed()}, nil
}

func (c *tokenCache) get(key digest, now time.Time) (*Claims, bool) {
	entry, ok := c.entries.GetIfPresent(key)
	if !ok || !now.Before(entry.validUntil) || c.generations[entry.at.shard].Load() != entry.at.generation {
		return nil, false
	}
	return entry.claims, true
}

// position must be taken before revocation is checked, and given to put afterwards.
func (c *tokenCache) position(jti string) position {
	shard := c.shard(jti)
	return position{shard: shard, generation: c.generations[shard].Load()}
}

func (c *tokenCache) put(key digest, claims *Claims, at position, validUntil time.Time) {
	if validUntil.After(claims.ExpiresAt) {
		validUntil = claims.ExpiresAt
	}
	c.entries.Set(key, &cachedToken{claims: claims, validUntil: validUntil, at: at})
}

func (c *tokenCache) forget(jti string) { c.generations[c.shard(jti)].Add(1) }

func (c *tokenCache) forgetAll() {
	for i := range c.generations {
		c.generations[i].Add(1)
	}
}

func (c *tokenCache) shard(jti string) uint64 { return maphash.String(c.seed, jti) % revocationShards }
