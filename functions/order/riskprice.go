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
	go func() { told <- s.find(ctx, assetClass, symbol) }()
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

func (s *prices) find(ctx context.Context, assetClass, symbol string) *risk.Price {
	price, err := s.cached(ctx, symbol)
	if err != nil {
		price, err = s.ask(ctx, assetClass, symbol)
	}
	if err != nil {
		s.platform.Logger.Debug("no price", zap.String("symbol", symbol), zap.Error(err))
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= maxPrices {
		clear(s.known)
	}
	s.known[symbol] = price
	return price
}

// cached reads what the quote function and the feed keep of a symbol (docs/quotes.md).
func (s *prices) cached(ctx context.Context, symbol string) (*risk.Price, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	values, err := s.platform.Redis.HMGet(ctx, store.QuoteKey(symbol), "quote", "trade").Result()
	if err != nil {
		return nil, err
	}
	now := s.platform.Clock.Now()
	price := &risk.Price{}
	var quote struct {
		Bid decimal.Number `json:"bp"`
		Ask decimal.Number `json:"ap"`
	}
	if at, ok := part(values[0], now, &quote); ok {
		price.Bid, price.Ask, price.At = positive(&quote.Bid), positive(&quote.Ask), at
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
		return nil, errNoPrice
	}
	return price, nil
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

func positive(n *decimal.Number) *decimal.Decimal {
	if n == nil || !n.IsPos() {
		return nil
	}
	return &n.Decimal
}

// ask reads the quote of Alpaca, within the budget of the first account that reads market data.
func (s *prices) ask(ctx context.Context, assetClass, symbol string) (*risk.Price, error) {
	accounts, err := s.platform.Accounts.MarketData(ctx)
	if err != nil {
		return nil, err
	}
	at, client, cred := s.platform.Clock.Now(), s.platform.Alpaca, accounts[0].Credentials
	var found map[string]alpaca.Quote
	switch assetClass {
	case event.AssetClassCrypto:
		found, err = client.LatestCryptoQuotes(ctx, cred, []string{symbol})
	case event.AssetClassUSOption:
		found, err = client.LatestOptionQuotes(ctx, cred, []string{symbol})
	default:
		found, err = client.LatestQuotes(ctx, cred, []string{symbol}, "")
	}
	if err != nil {
		return nil, err
	}
	quote, ok := found[symbol]
	if !ok {
		return nil, errNoPrice
	}
	return &risk.Price{Bid: positive(&quote.BidPrice), Ask: positive(&quote.AskPrice), At: at}, nil
}
