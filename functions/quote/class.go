package quote

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/cache"
	"github.com/opitios-ai/alpaca-knative/shared/datakeys"
	"github.com/opitios-ai/alpaca-knative/shared/market"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// class is one of the asset classes: how its symbols look, where its data comes from, and what a quote shows.
type class struct {
	name alpaca.Class
	// noun is what the class's symbol names, for messages and documentation.
	noun, example string
	// feed is the source of its data, the location for crypto.
	feed  string
	parse func(text string) (string, error)
	// fetch reads the snapshots of symbols, at most most of them in one call.
	fetch func(ctx context.Context, cred alpaca.Credentials, symbols []string) (map[string]alpaca.Snapshot, error)
	most  int
	// quote makes what the class's quote endpoint shows.
	quote func(l *latest) any
	// public is data that Alpaca gives to everybody, so that shared caches may keep it.
	public bool
	// latest finds the newest of a symbol.
	latest *cache.Group
}

const (
	mostStocks = 200
	mostPairs  = 100
)

func newClasses(cfg Config, client *alpaca.Client) []*class {
	return []*class{
		{
			name: alpaca.ClassStocks, noun: "stock", example: "AAPL", feed: cfg.Feed, parse: market.ParseStock, most: mostStocks,
			fetch: func(ctx context.Context, cred alpaca.Credentials, symbols []string) (map[string]alpaca.Snapshot, error) {
				return client.Snapshots(ctx, cred, symbols, cfg.Feed)
			},
			quote: stockQuote, public: cfg.CachePublic,
		},
		{
			name: alpaca.ClassOptions, noun: "option", example: "AAPL270115C00200000", feed: cfg.OptionFeed, parse: parseOption, most: alpaca.MaxOptionSymbols,
			fetch: func(ctx context.Context, cred alpaca.Credentials, symbols []string) (map[string]alpaca.Snapshot, error) {
				return client.OptionSnapshots(ctx, cred, symbols, cfg.OptionFeed)
			},
			quote: optionQuote, public: cfg.CachePublic,
		},
		{
			name: alpaca.ClassCrypto, noun: "crypto pair", example: "BTC/USD", feed: cfg.CryptoLocation, parse: parsePair, most: mostPairs,
			fetch: func(ctx context.Context, cred alpaca.Credentials, symbols []string) (map[string]alpaca.Snapshot, error) {
				return client.CryptoSnapshots(ctx, cred, symbols, cfg.CryptoLocation)
			},
			quote: cryptoQuote, public: true,
		},
	}
}

func parseOption(text string) (string, error) {
	option, err := market.ParseOption(text)
	return option.Symbol, err
}

func parsePair(text string) (string, error) {
	pair, err := market.ParsePair(text)
	if err != nil {
		return "", err
	}
	return pair.String(), nil
}

// symbol returns the canonical symbol, or an INVALID_REQUEST that names the rule.
func (c *class) symbol(text string) (string, error) {
	symbol, err := c.parse(text)
	if err != nil {
		return "", problem.InvalidRequest.New("symbol: %v", err).Field("symbol")
	}
	return symbol, nil
}

func (c *class) unknown(symbol string) error {
	return problem.SymbolNotFound.New("no %s with the symbol %s is known", c.noun, symbol).With("symbol", symbol)
}

// open makes the class's group in the cache.
func (c *class) open(memory *cache.Cache, p *datakeys.Pool, l *lives) {
	c.latest = memory.Group(cache.GroupConfig{
		Name: metricName(c.name), Most: c.most, Window: l.config.BatchWindow,
		Fetch: func(ctx context.Context, keys []cache.Key) (map[cache.Key]cache.Fields, error) {
			return c.fetchLatest(ctx, p, keys)
		},
		Build: func(key cache.Key, record *cache.Record) (any, error) { return newLatest(c, key.Symbol, record) },
		Life: func(_ cache.Key, now time.Time) cache.Life {
			return l.latest(c.name, l.config.CacheTTL, now)
		},
		Unknown: func(key cache.Key) error { return c.unknown(key.Symbol) },
	})
}

// metricName is the kind of the class's cache metrics; that of stocks is older than the other classes.
func metricName(class alpaca.Class) string {
	switch class {
	case alpaca.ClassOptions:
		return "option_quote"
	case alpaca.ClassCrypto:
		return "crypto_quote"
	default:
		return "quote"
	}
}

// fetchLatest reads snapshots. The data API refuses a whole list for one symbol that it calls invalid: that one is
// dropped, as unknown, and the others are asked for again.
func (c *class) fetchLatest(ctx context.Context, p *datakeys.Pool, keys []cache.Key) (map[cache.Key]cache.Fields, error) {
	symbols := make([]string, len(keys))
	for i, key := range keys {
		symbols[i] = key.Symbol
	}
	for len(symbols) > 0 {
		var found map[string]alpaca.Snapshot
		err := p.Do(ctx, c.name, func(cred alpaca.Credentials) error {
			var err error
			found, err = c.fetch(ctx, cred, symbols)
			return err
		})
		if err == nil {
			return encodeFound(found)
		}
		at := refusedSymbol(err, symbols)
		if at < 0 {
			return nil, publicError(err)
		}
		symbols = slices.Delete(symbols, at, at+1)
	}
	return nil, nil
}

func encodeFound(found map[string]alpaca.Snapshot) (map[cache.Key]cache.Fields, error) {
	encoded := make(map[cache.Key]cache.Fields, len(found))
	for symbol, snapshot := range found {
		fields, err := cache.EncodeLatest(&snapshot)
		if err != nil {
			return nil, problem.From(err)
		}
		if len(fields) > 0 { // an empty snapshot is of a symbol that has never traded
			encoded[cache.Latest(symbol)] = fields
		}
	}
	return encoded, nil
}

// refusedSymbol returns the position of the symbol that Alpaca calls invalid, as in "invalid symbol: X does not
// match ...", or -1.
func refusedSymbol(err error, symbols []string) int {
	var failed *alpaca.Error
	if !errors.Is(err, alpaca.ErrInvalid) || !errors.As(err, &failed) {
		return -1
	}
	_, named, found := strings.Cut(failed.Message, "invalid symbol")
	if !found {
		return -1
	}
	if len(symbols) == 1 {
		return 0
	}
	for _, word := range strings.Fields(named) {
		if at := slices.Index(symbols, strings.Trim(word, `:,.;"'`)); at >= 0 {
			return at
		}
	}
	return -1
}
