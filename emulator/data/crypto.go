package data

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// cryptoLocations are where crypto is traded; perpetual futures are global. All show the same market here.
func cryptoLocations() []string    { return []string{"us", "us-1", "us-2", "eu-1", "bs-1"} }
func perpetualLocations() []string { return []string{"global"} }

func (api *API) crypto() *class {
	return &class{form: cryptoForm, find: api.pair, see: api.live, quote: cryptoQuote, trade: cryptoTrade}
}

func (api *API) perpetuals() *class {
	return &class{form: perpetualForm, find: api.perpetual, see: api.live, quote: cryptoQuote, trade: cryptoTrade}
}

func (api *API) pair(symbol string) (*asset.Asset, bool) {
	found, ok := api.Catalogue.Find(symbol)
	return found, ok && found.Class == asset.Crypto && found.Symbol == symbol
}

func (api *API) perpetual(symbol string) (*asset.Asset, bool) {
	found, ok := api.Catalogue.Find(symbol)
	return found, ok && found.Class == asset.Perpetual && found.Symbol == symbol
}

// live is the view of data that is public.
func (api *API) live(*query, *exchange.Account) view {
	now := api.Clock.Now()
	return view{at: now, tradeAt: now}
}

func (api *API) registerCrypto(mux *http.ServeMux, gate *access.Gate) {
	for _, market := range []struct {
		path      string
		class     *class
		locations []string
	}{
		{"GET /v1beta3/crypto/{loc}", api.crypto(), cryptoLocations()},
		{"GET /v1beta1/crypto-perps/{loc}", api.perpetuals(), perpetualLocations()},
	} {
		public := func(path string, handler access.Handler) {
			mux.Handle(market.path+path, gate.ForPublicData(within(market.locations, handler)))
		}
		c := market.class
		public("/latest/quotes", api.many(c, `{"quotes":{`, `}}`, api.latestQuote(c)))
		public("/latest/trades", api.many(c, `{"trades":{`, `}}`, api.latestTrade(c)))
		public("/latest/bars", api.many(c, `{"bars":{`, `}}`, api.latestBar))
		public("/latest/orderbooks", api.many(c, `{"orderbooks":{`, `}}`, api.orderBook))
		public("/snapshots", api.many(c, `{"snapshots":{`, `}}`, api.snapshot(c)))
		public("/quotes", api.historyOfMany("quotes", c.form, api.cryptoQuotes(c)))
		public("/trades", api.historyOfMany("trades", c.form, api.cryptoTrades(c)))
		public("/bars", api.historyOfMany("bars", c.form, api.cryptoBars(c)))
		if len(market.locations) == 1 {
			public("/latest/pricing", api.many(c, `{"pricing":{`, `}}`, api.pricing))
		}
	}
}

// within refuses locations that do not exist.
func within(locations []string, next access.Handler) access.Handler {
	return func(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
		if loc := r.PathValue("loc"); !slices.Contains(locations, loc) {
			wire.WriteError(w, wire.Plain(http.StatusBadRequest, "invalid loc: %s, it must be one of %s", loc, strings.Join(locations, ", ")))
			return
		}
		next(w, r, account)
	}
}

func (api *API) cryptoQuotes(c *class) historian {
	return func(q *query, _ *exchange.Account, symbols []string) page {
		request := q.request(symbols, c.find, api.cryptoSpan(q), "Q")
		if q.err != nil {
			return page{}
		}
		return kind[market.Quote]{
			items: api.Market.Quotes, stamp: func(quote *market.Quote) time.Time { return quote.Time }, append: cryptoQuote,
		}.collect(request)
	}
}

func (api *API) cryptoTrades(c *class) historian {
	return func(q *query, _ *exchange.Account, symbols []string) page {
		request := q.request(symbols, c.find, api.cryptoSpan(q), "T")
		if q.err != nil {
			return page{}
		}
		return kind[market.Trade]{items: api.Market.Trades, stamp: tradeTime, append: cryptoTrade}.collect(request)
	}
}

func (api *API) cryptoBars(c *class) historian {
	return func(q *query, _ *exchange.Account, symbols []string) page {
		timeframe, span := q.timeframe(), api.cryptoSpan(q)
		request := q.request(symbols, c.find, span, timeframe.String())
		if q.err != nil {
			return page{}
		}
		return api.bars(timeframe, barLimit(span, api.Clock.Now())).collect(request)
	}
}

// levels is how many prices each side of an order book has.
const levels = 10

// orderBook appends the order book around the quote.
func (api *API) orderBook(dst []byte, a *asset.Asset, seen view) ([]byte, bool) {
	quote := api.Market.Quote(a, seen.at)
	step := quote.AskPrice.Sub(quote.BidPrice)
	dst = append(dst, `{"a":[`...)
	for level := range uint64(levels) {
		dst = appendLevel(dst, level, wire.Number(nil, quote.AskPrice.Add(step.Mul64(level))), wire.Number(nil, quote.AskSize.Mul64(level+1)))
	}
	dst = append(dst, `],"b":[`...)
	for level := range uint64(levels) {
		price := quote.BidPrice.Sub(step.Mul64(level))
		if !price.IsPos() {
			break
		}
		dst = appendLevel(dst, level, wire.Number(nil, price), wire.Number(nil, quote.BidSize.Mul64(level+1)))
	}
	return append(wire.Time(append(dst, `],"t":`...), quote.Time), '}'), true
}

func appendLevel(dst []byte, level uint64, price, size []byte) []byte {
	if level > 0 {
		dst = append(dst, ',')
	}
	dst = append(append(dst, `{"p":`...), price...)
	dst = append(append(dst, `,"s":`...), size...)
	return append(dst, '}')
}

// pricing appends the index and mark price of a perpetual future with its funding, which is paid every eight hours.
func (api *API) pricing(dst []byte, a *asset.Asset, seen view) ([]byte, bool) {
	const fundingPeriod = 8 * time.Hour
	at := seen.at.Truncate(time.Second)
	mark := api.Market.Price(a, at)
	index := mark
	if spot, ok := api.Catalogue.Find(a.Pair.Base + "/" + a.Pair.Quote); ok {
		index = api.Market.Price(spot, at)
	}
	interest := mix(api.Seed^uint64(at.Truncate(time.Hour).Unix()), a.Symbol)%9_000 + 1_000
	dst = wire.Number(append(dst, `{"ip":`...), index)
	dst = wire.Number(append(dst, `,"mp":`...), mark)
	dst = append(dst, `,"fr":0.0001,"oi":`...)
	dst = appendUint(dst, interest)
	dst = wire.Time(append(dst, `,"t":`...), at)
	return append(wire.Time(append(dst, `,"ft":`...), at.Truncate(fundingPeriod).Add(fundingPeriod)), '}'), true
}
