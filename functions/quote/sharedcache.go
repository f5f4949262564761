package quote

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/store"
)

// redisTimeout bounds what a quote waits for Redis: a slow cache must not be slower than Alpaca.
const redisTimeout = 50 * time.Millisecond

// The fields of the hash at store.QuoteKey.
const (
	fieldData = "data"  // the encoded quote
	fieldAsOf = "as_of" // Unix time in milliseconds
)

// sharedCache is the second level, in Redis, which all instances share. Its failures are counted and never fail a
// read. Safe for concurrent use.
type sharedCache struct {
	client   store.Client
	ttl      time.Duration // how long an entry is fresh
	keep     time.Duration // how long Redis keeps it, for when Alpaca fails
	logger   *zap.Logger
	failures *prometheus.CounterVec
}

func newSharedCache(client store.Client, cfg Config, logger *zap.Logger, registerer prometheus.Registerer) *sharedCache {
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "quote_redis_failures_total", Help: "Reads from and writes to the shared quote cache that failed.",
	}, []string{"operation"})
	registerer.MustRegister(failures)
	return &sharedCache{client: client, ttl: cfg.CacheTTL, keep: cfg.StaleFor, logger: logger, failures: failures}
}

// read returns what Redis has of symbols, nil for what it has not. One round trip.
func (c *sharedCache) read(ctx context.Context, symbols []string) []*entry {
	ctx, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	replies := make([]*redis.SliceCmd, len(symbols))
	_, err := c.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, symbol := range symbols {
			replies[i] = pipe.HMGet(ctx, store.QuoteKey(symbol), fieldData, fieldAsOf)
		}
		return nil
	})
	if err != nil {
		c.failed("read", err)
	}
	entries := make([]*entry, len(symbols))
	for i, reply := range replies {
		if reply != nil && reply.Err() == nil {
			entries[i] = c.decode(reply.Val())
		}
	}
	return entries
}

func (c *sharedCache) decode(values []any) *entry {
	if len(values) != 2 {
		return nil
	}
	data, _ := values[0].(string)
	asOf, _ := values[1].(string)
	milliseconds, err := strconv.ParseInt(asOf, 10, 64)
	if err != nil || !encodedQuote([]byte(data)) {
		return nil
	}
	return newEntry([]byte(data), time.UnixMilli(milliseconds), c.ttl)
}

// write stores fresh quotes. One round trip.
func (c *sharedCache) write(ctx context.Context, quotes map[string]*entry) {
	if len(quotes) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	_, err := c.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for symbol, e := range quotes {
			key := store.QuoteKey(symbol)
			pipe.HSet(ctx, key, fieldData, e.data, fieldAsOf, e.asOf.UnixMilli())
			pipe.PExpire(ctx, key, c.keep)
		}
		return nil
	})
	if err != nil {
		c.failed("write", err)
	}
}

func (c *sharedCache) failed(operation string, err error) {
	c.failures.WithLabelValues(operation).Inc()
	c.logger.Debug("shared quote cache failed", zap.String("operation", operation), zap.Error(err))
}
