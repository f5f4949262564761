package order

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/risk"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

const (
	// quoteFresh is how old the quote may be that an order is checked by.
	quoteFresh = 30 * time.Second
	// maxPrices bounds the prices in memory, some 200 bytes each.
	maxPrices = 10_000
)

var errNoPrice = errors.New("no quote")

// prices finds the last quote: in memory, in the cache that the quote function fills, or at Alpaca. Safe for concurrent
// use.
type prices struct {
	platform *platform.Platform
	timeout  time.Duration // of Redis

	mu    sync.Mutex
	known map[string]*risk.Price
}

func newPrices(p *platform.Platform, timeout time.Duration) *prices {
	return &prices{platform: p, timeout: timeout, known: make(map[string]*risk.Price)}
}

// look begins to look for a symbol's price and returns where it will be told: nil when there is none.
func (s *prices) look(ctx context.Context, assetClass, symbol string) <-chan *risk.Price {
	told := make(chan *risk.Price, 1)
	if price := s.remembered(symbol); price != nil {
		told <- price
		return told
	}
	go func() { told <- s.find(ctx, assetClass, []string{symbol})[0] }()
	return told
}

// lookLegs begins to look for the prices of a multi-leg order's legs and returns where they will be told together.
func (s *prices) lookLegs(ctx context.Context, contracts []string) <-chan *risk.Price {
	told := make(chan *risk.Price, 1)
	go func() { told <- &risk.Price{Legs: s.find(ctx, event.AssetClassUSOption, contracts)} }()
	return told
}

func (s *prices) remembered(symbol string) *risk.Price {
	s.mu.Lock()
	defer s.mu.Unlock()
	price := s.known[symbol]
	if price == nil || s.platform.Clock.Now().Sub(price.At) > quoteFresh {
		return nil
	}
	return price
}

// find returns the price of each symbol, nil for those without one. What is in neither cache is asked of Alpaca in one call.
func (s *prices) find(ctx context.Context, assetClass string, symbols []string) []*risk.Price {
	found := make([]*risk.Price, len(symbols))
	var wait sync.WaitGroup
	for i, symbol := range symbols {
		if found[i] = s.remembered(symbol); found[i] == nil {
			wait.Go(func() { found[i] = s.cached(ctx, symbol) })
		}
	}
	wait.Wait()
	var missing []string
	for i, symbol := range symbols {
		if price := found[i]; price == nil || price.Bid == nil && price.Ask == nil { // a trade has to do where there is no quote
			missing = append(missing, symbol)
		}
	}
	asked, err := s.ask(ctx, assetClass, missing)
	if err != nil {
		s.platform.Logger.Debug("no price", zap.Strings("symbols", missing), zap.Error(err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, symbol := range symbols {
		if price := asked[symbol]; price != nil {
			found[i] = price
		}
		if found[i] == nil {
			continue
		}
		if len(s.known) >= maxPrices {
			clear(s.known)
		}
		s.known[symbol] = found[i]
	}
	return found
}

// cached reads what the quote function and the feed keep of a symbol (docs/quotes.md); nil when that is nothing fresh.
func (s *prices) cached(ctx context.Context, symbol string) *risk.Price {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	values, err := s.platform.Redis.HMGet(ctx, store.QuoteKey(symbol), "quote", "trade").Result()
	if err != nil {
		s.platform.Logger.Debug("cached price not read", zap.String("symbol", symbol), zap.Error(err))
		return nil
	}
	now := s.platform.Clock.Now()
	price := &risk.Price{}
	var quote struct {
		Bid decimal.Number `json:"bp"`
		Ask decimal.Number `json:"ap"`
	}
	if at, ok := part(values[0], now, &quote); ok {
		price.Bid, price.Ask = sides(&quote.Bid, &quote.Ask)
		price.At = at
	}
	var trade struct {
		Price decimal.Number `json:"p"`
	}
	if at, ok := part(values[1], now, &trade); ok {
		price.Last = positive(&trade.Price)
		if price.At.IsZero() {
			price.At = at
		}
	}
	if price.Bid == nil && price.Ask == nil && price.Last == nil {
		return nil
	}
	return price
}

// part reads one field of the cache, market time, time of writing in milliseconds and Alpaca's JSON, if it is fresh enough.
func part(kept any, now time.Time, into any) (time.Time, bool) {
	text, _ := kept.(string)
	fields := strings.SplitN(text, " ", 3)
	if len(fields) != 3 {
		return time.Time{}, false
	}
	milliseconds, err := strconv.ParseInt(fields[1], 10, 64)
	at := time.UnixMilli(milliseconds)
	if err != nil || now.Sub(at) > quoteFresh {
		return time.Time{}, false
	}
	return at, json.Unmarshal([]byte(fields[2]), into) == nil
}

// sides are the sides of a quote that say something. A bid above the ask is a quote that is being changed, or wrong: neither is
// taken for a price.
func sides(bid, ask *decimal.Number) (*decimal.Decimal, *decimal.Decimal) {
	low, high := positive(bid), positive(ask)
	if low != nil && high != nil && low.GreaterThan(*high) {
		return nil, nil
	}
	return low, high
}

func positive(n *decimal.Number) *decimal.Decimal {
	if n == nil || !n.IsPos() {
		return nil
	}
	return &n.Decimal
}

// ask reads quotes of Alpaca, with a key pair that serves market data. Those that say nothing are left out.
func (s *prices) ask(ctx context.Context, assetClass string, symbols []string) (map[string]*risk.Price, error) {
	if len(symbols) == 0 {
		return nil, nil //nolint:nilnil // nothing was asked for
	}
	at, client := s.platform.Clock.Now(), s.platform.Alpaca
	class, read := alpaca.ClassStocks, func(keys alpaca.Credentials) (map[string]alpaca.Quote, error) {
		return client.LatestQuotes(ctx, keys, symbols, "")
	}
	switch assetClass {
	case event.AssetClassCrypto:
		class, read = alpaca.ClassCrypto, func(keys alpaca.Credentials) (map[string]alpaca.Quote, error) {
			return client.LatestCryptoQuotes(ctx, keys, symbols)
		}
	case event.AssetClassUSOption:
		class, read = alpaca.ClassOptions, func(keys alpaca.Credentials) (map[string]alpaca.Quote, error) {
			return client.LatestOptionQuotes(ctx, keys, symbols)
		}
	}
	var quotes map[string]alpaca.Quote
	err := s.platform.DataKeys.Do(ctx, class, func(keys alpaca.Credentials) (err error) {
		quotes, err = read(keys)
		return err
	})
	if err != nil {
		return nil, err
	}
	prices := make(map[string]*risk.Price, len(quotes))
	for symbol, quote := range quotes {
		bid, ask := sides(&quote.BidPrice, &quote.AskPrice)
		if bid != nil || ask != nil {
			prices[symbol] = &risk.Price{Bid: bid, Ask: ask, At: at}
		}
	}
	return prices, nil
}
