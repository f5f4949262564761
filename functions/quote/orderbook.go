package quote

import (
	"context"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/cache"
	"github.com/opitios-ai/alpaca-knative/shared/datakeys"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// OrderBook is the depth of a crypto pair, the best price first on both sides.
type OrderBook struct {
	Symbol    string    `json:"symbol" example:"BTC/USD"`
	Bids      []Level   `json:"bids"`
	Asks      []Level   `json:"asks"`
	Timestamp time.Time `json:"timestamp"`
	Origin
}

// Level is one price of an order book.
type Level struct {
	Price decimal.Number `json:"price" doc:"In the quote currency."`
	Size  decimal.Number `json:"size" doc:"In the base currency."`
}

// books reads order books.
type books struct {
	pool   *datakeys.Pool
	client *alpaca.Client
	class  *class
	now    func() time.Time
	group  *cache.Group
}

func (b *books) open(memory *cache.Cache, l *lives) {
	b.group = memory.Group(cache.GroupConfig{
		Name: string(cache.KindOrderBook), Most: mostPairs, Window: l.config.BatchWindow, Build: buildDocument, Fetch: b.fetch,
		Life: func(_ cache.Key, now time.Time) cache.Life {
			return l.latest(alpaca.ClassCrypto, l.config.CacheTTL, now)
		},
		Unknown: func(key cache.Key) error { return b.class.unknown(key.Symbol) },
	})
}

// book answers with the order book of a pair.
func (b *books) book(o *operations) func(context.Context, *serve.Request[serve.None]) (serve.Raw, error) {
	return func(ctx context.Context, r *serve.Request[serve.None]) (serve.Raw, error) {
		symbol, err := b.class.symbol(r.PathValue("symbol"))
		if err != nil {
			return nil, err
		}
		return o.document(ctx, r, b.group, cache.Key{Kind: cache.KindOrderBook, Symbol: symbol}, b.class.public, nil)
	}
}

func (b *books) fetch(ctx context.Context, keys []cache.Key) (map[cache.Key]cache.Fields, error) {
	symbols := make([]string, len(keys))
	for i, key := range keys {
		symbols[i] = key.Symbol
	}
	var found map[string]alpaca.OrderBook
	err := b.pool.Do(ctx, alpaca.ClassCrypto, func(cred alpaca.Credentials) error {
		var err error
		found, err = b.client.CryptoOrderBooks(ctx, cred, symbols, b.class.feed)
		return err
	})
	if err != nil {
		return nil, publicError(err)
	}
	return fetchDocuments(keys, func(key cache.Key) (any, error) {
		book, known := found[key.Symbol]
		if !known {
			return nil, nil
		}
		level := func(l *alpaca.Level) Level { return Level{Price: l.Price, Size: l.Size} }
		return OrderBook{
			Symbol: key.Symbol, Bids: convert(book.Bids, level), Asks: convert(book.Asks, level), Timestamp: book.Timestamp,
			Origin: Origin{AsOf: b.now().UTC(), Feed: b.class.feed},
		}, nil
	})
}
