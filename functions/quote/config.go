// Package quote is the function that answers market-data reads: one upstream call serves everyone who asks for the same
// within its time, whichever client and instance it was.
package quote

import (
	"errors"
	"fmt"
	"time"

	"github.com/opitios-ai/alpaca-knative/functions/quote/source"
	"github.com/opitios-ai/alpaca-knative/functions/quote/stream"
	"github.com/opitios-ai/alpaca-knative/shared/cache"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
)

// The defaults of Config, for one that was not read from the environment.
const (
	defaultUpstreamTimeout = 5 * time.Second
	defaultCacheTTL        = time.Second
	defaultClosedTTL       = 30 * time.Second
	defaultRevalidateFor   = 250 * time.Millisecond
	defaultNegativeTTL     = 10 * time.Second
	defaultStaleFor        = time.Minute
	defaultCacheWait       = time.Second
	defaultCacheSize       = 20_000
	defaultDocumentBytes   = 32 << 20
	defaultWatches         = 1000
)

// StreamConfig is the part of the configuration that is about streams.
type StreamConfig = stream.Config

// SourceConfig is the part of the configuration that says where market data comes from.
type SourceConfig = source.Config

// Config is the function's configuration. Zero values mean the defaults.
type Config struct {
	platform.Config
	SourceConfig
	// CacheTTL is how long a quote counts as fresh, on this instance and on all.
	CacheTTL time.Duration `env:"CACHE_TTL" envDefault:"1s"`
	// ClosedTTL is the same for stocks and options while their market is closed, not beyond its opening.
	ClosedTTL time.Duration `env:"CACHE_TTL_CLOSED" envDefault:"30s"`
	// RevalidateFor is how much longer a quote is answered, marked as stale, while it is read anew.
	RevalidateFor time.Duration `env:"CACHE_REVALIDATE_FOR" envDefault:"250ms"`
	// NegativeTTL is how long a symbol that Alpaca does not know stays unknown.
	NegativeTTL time.Duration `env:"CACHE_NEGATIVE_TTL" envDefault:"10s"`
	// StaleFor is how old a quote may be that is answered, marked as stale, while Alpaca fails.
	StaleFor time.Duration `env:"CACHE_STALE_FOR" envDefault:"60s"`
	// CacheWait is how long a read waits for another instance that reads the same, before it asks Alpaca itself; and for
	// Alpaca, when there is an older answer that will do.
	CacheWait time.Duration `env:"CACHE_WAIT" envDefault:"1s"`
	// CacheSize is the most symbols that one instance keeps in memory, about a kilobyte each.
	CacheSize int `env:"CACHE_SIZE" envDefault:"20000"`
	// DocumentBytes is the most memory for bars, trades, chains and order books.
	DocumentBytes int `env:"CACHE_DOCUMENT_BYTES" envDefault:"33554432"`
	// CacheRedisTimeout bounds what a read waits for Redis.
	CacheRedisTimeout time.Duration `env:"CACHE_REDIS_TIMEOUT" envDefault:"50ms"`
	// BatchWindow is how long a read waits for others of different symbols, to share an upstream call with them.
	BatchWindow time.Duration `env:"BATCH_WINDOW" envDefault:"2ms"`
	// CachePublic lets shared caches keep stock and option data, too: only behind a CDN that checks tokens itself.
	CachePublic bool `env:"CACHE_PUBLIC"`
	// WatchesPerAccount is the most price watches that one account may have.
	WatchesPerAccount int `env:"WATCHES_PER_ACCOUNT" envDefault:"1000"`
	StreamConfig
}

// Validate checks what the types can't, and the common part.
func (c *Config) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return err
	}
	if err := c.StreamConfig.Validate(); err != nil {
		return err
	}
	return c.withDefaults().check()
}

func (c Config) withDefaults() Config {
	c.SourceConfig = c.WithDefaultSources()
	c.UpstreamTimeout = or(c.UpstreamTimeout, defaultUpstreamTimeout)
	c.CacheTTL = or(c.CacheTTL, defaultCacheTTL)
	c.ClosedTTL = or(c.ClosedTTL, max(defaultClosedTTL, c.CacheTTL))
	c.RevalidateFor = or(c.RevalidateFor, defaultRevalidateFor)
	c.NegativeTTL = or(c.NegativeTTL, defaultNegativeTTL)
	c.StaleFor = or(c.StaleFor, max(defaultStaleFor, c.CacheTTL))
	c.CacheWait = or(c.CacheWait, defaultCacheWait)
	c.CacheSize = or(c.CacheSize, defaultCacheSize)
	c.DocumentBytes = or(c.DocumentBytes, defaultDocumentBytes)
	c.CacheRedisTimeout = or(c.CacheRedisTimeout, cache.DefaultRedisTimeout)
	return c
}

// or is value, or otherwise in the place of its zero value.
func or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

func (c Config) check() error {
	if err := c.SourceConfig.Validate(); err != nil {
		return err
	}
	for _, positive := range []struct {
		name  string
		value int64
	}{
		{"CACHE_TTL", int64(c.CacheTTL)}, {"CACHE_REVALIDATE_FOR", int64(c.RevalidateFor)}, {"CACHE_NEGATIVE_TTL", int64(c.NegativeTTL)},
		{"CACHE_WAIT", int64(c.CacheWait)}, {"CACHE_SIZE", int64(c.CacheSize)}, {"CACHE_DOCUMENT_BYTES", int64(c.DocumentBytes)},
		{"CACHE_REDIS_TIMEOUT", int64(c.CacheRedisTimeout)},
	} {
		if positive.value <= 0 {
			return fmt.Errorf("%s: must be greater than 0", positive.name)
		}
	}
	switch {
	case c.StaleFor < c.CacheTTL:
		return fmt.Errorf("CACHE_STALE_FOR: must not be below CACHE_TTL (%s)", c.CacheTTL)
	case c.ClosedTTL < c.CacheTTL:
		return fmt.Errorf("CACHE_TTL_CLOSED: must not be below CACHE_TTL (%s)", c.CacheTTL)
	case c.BatchWindow < 0 || c.BatchWindow > 100*time.Millisecond:
		return errors.New("BATCH_WINDOW: must be from 0 to 100ms")
	}
	return nil
}
