// Package quote is the function that answers market-data reads: a quote costs an upstream call only when nobody asked
// for it within a second, whichever client and instance it was.
package quote

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/platform"
)

// The defaults of Config, for one that was not read from the environment.
const (
	defaultFeed            = "iex"
	defaultUpstreamTimeout = 5 * time.Second
	defaultCacheTTL        = time.Second
	defaultNegativeTTL     = 10 * time.Second
	defaultStaleFor        = time.Minute
	defaultCacheSize       = 20_000
)

// Config is the function's configuration. Zero values mean the defaults.
type Config struct {
	platform.Config
	// Feed is the source of stock data: iex, sip, delayed_sip, otc, boats or overnight, as the data plan allows.
	Feed string `env:"ALPACA_FEED" envDefault:"iex"`
	// CacheTTL is how long a quote counts as fresh, on this instance and on all.
	CacheTTL time.Duration `env:"CACHE_TTL" envDefault:"1s"`
	// NegativeTTL is how long a symbol that Alpaca does not know stays unknown.
	NegativeTTL time.Duration `env:"CACHE_NEGATIVE_TTL" envDefault:"10s"`
	// StaleFor is how old a quote may be that is answered, marked as stale, while Alpaca fails.
	StaleFor time.Duration `env:"CACHE_STALE_FOR" envDefault:"60s"`
	// CacheSize is the most symbols that one instance keeps in memory, about 600 bytes each.
	CacheSize int `env:"CACHE_SIZE" envDefault:"20000"`
}

// Validate checks what the types can't, and the common part.
func (c *Config) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return err
	}
	return c.withDefaults().check()
}

func (c Config) withDefaults() Config {
	if c.Feed == "" {
		c.Feed = defaultFeed
	}
	if c.UpstreamTimeout == 0 {
		c.UpstreamTimeout = defaultUpstreamTimeout
	}
	if c.CacheTTL == 0 {
		c.CacheTTL = defaultCacheTTL
	}
	if c.NegativeTTL == 0 {
		c.NegativeTTL = defaultNegativeTTL
	}
	if c.StaleFor == 0 {
		c.StaleFor = max(defaultStaleFor, c.CacheTTL)
	}
	if c.CacheSize == 0 {
		c.CacheSize = defaultCacheSize
	}
	return c
}

func (c Config) check() error {
	feeds := []string{"iex", "sip", "delayed_sip", "otc", "boats", "overnight"}
	if !slices.Contains(feeds, c.Feed) {
		return fmt.Errorf("ALPACA_FEED: must be one of %s", strings.Join(feeds, ", "))
	}
	if c.CacheTTL < 0 {
		return errors.New("CACHE_TTL: must be greater than 0")
	}
	if c.NegativeTTL < 0 {
		return errors.New("CACHE_NEGATIVE_TTL: must be greater than 0")
	}
	if c.StaleFor < c.CacheTTL {
		return fmt.Errorf("CACHE_STALE_FOR: must not be below CACHE_TTL (%s)", c.CacheTTL)
	}
	if c.CacheSize < 0 {
		return errors.New("CACHE_SIZE: must be greater than 0")
	}
	return nil
}
