package data

import (
	"net/http"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

func (api *API) stocks() *class {
	return &class{form: stockForm, find: api.stock, see: api.latestStocks, quote: stockQuote, trade: stockTrade}
}

func (api *API) stock(symbol string) (*asset.Asset, bool) {
	found, ok := api.Catalogue.Find(symbol)
	return found, ok && found.Class == asset.Equity && found.Symbol == symbol && symbol != asset.TestSymbol
}

func (api *API) registerStocks(mux *http.ServeMux, gate *access.Gate) {
	c := api.stocks()
	for _, latest := range []struct {
		name, single string
		add          appender
	}{
		{"quotes", "quote", api.latestQuote(c)}, {"trades", "trade", api.latestTrade(c)}, {"bars", "bar", api.latestBar},
	} {
		mux.Handle("GET /v2/stocks/"+latest.name+"/latest", gate.ForData(api.many(c, `{"`+latest.name+`":{`, `}}`, latest.add)))
		mux.Handle("GET /v2/stocks/{symbol}/"+latest.name+"/latest", gate.ForData(api.one(c, latest.single, latest.add)))
	}
	mux.Handle("GET /v2/stocks/snapshots", gate.ForData(api.many(c, `{`, `}`, api.snapshot(c))))
	mux.Handle("GET /v2/stocks/{symbol}/snapshot", gate.ForData(api.stockSnapshot))
	for name, history := range map[string]historian{
		"quotes": api.stockQuotes, "trades": api.stockTrades, "bars": api.stockBars, "auctions": api.stockAuctions,
	} {
		mux.Handle("GET /v2/stocks/"+name, gate.ForData(api.historyOfMany(name, stockForm, history)))
		mux.Handle("GET /v2/stocks/{symbol}/"+name, gate.ForData(api.historyOfOne(name, stockForm, history)))
	}
	mux.Handle("GET /v2/stocks/meta/conditions/{kind}", gate.ForData(stockConditions))
	mux.Handle("GET /v2/stocks/meta/exchanges", gate.ForData(stockExchanges))
}

// stockSnapshot has the symbol beside the members of the snapshot.
func (api *API) stockSnapshot(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
	q, c := newQuery(r), api.stocks()
	symbol, seen := r.PathValue("symbol"), c.see(q, account)
	if !stockForm.pattern.MatchString(symbol) {
		q.refuse(stockForm.refusal, symbol)
	}
	if q.err != nil {
		wire.WriteError(w, q.err)
		return
	}
	stock, ok := c.find(symbol)
	if !ok {
		wire.WriteError(w, wire.Plain(http.StatusNotFound, "no snapshot found for %s", symbol))
		return
	}
	out := wire.String([]byte(`{"symbol":`), symbol)
	wire.Write(w, http.StatusOK, append(api.snapshotFields(out, c, stock, seen), '}'))
}

// historian reads what an endpoint for history takes and returns the page.
type historian func(q *query, account *exchange.Account, symbols []string) page

// historyOfMany answers for the symbols of a query.
func (api *API) historyOfMany(name string, wanted form, history historian) access.Handler {
	wanted.most = 0
	return func(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
		q := newQuery(r)
		symbols := q.symbols(wanted)
		result := history(q, account, symbols)
		if q.err != nil {
			wire.WriteError(w, q.err)
			return
		}
		wire.Write(w, http.StatusOK, result.appendMany(make([]byte, 0, result.size()), name, q.text("currency")))
	}
}

// historyOfOne answers for the symbol of a path.
func (api *API) historyOfOne(name string, wanted form, history historian) access.Handler {
	return func(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
		q := newQuery(r)
		symbol := r.PathValue("symbol")
		result := history(q, account, q.list(symbol, wanted))
		if q.err != nil {
			wire.WriteError(w, q.err)
			return
		}
		wire.Write(w, http.StatusOK, result.appendOne(make([]byte, 0, result.size()), name, symbol, q.text("currency")))
	}
}

// request reads what all endpoints for history take.
func (q *query) request(symbols []string, find func(string) (*asset.Asset, bool), span market.Span, letter string) pageRequest {
	return pageRequest{
		symbols: symbols, assets: find, span: span, letter: letter,
		limit: q.limit(usualLimit, maxLimit), after: q.cursor(letter),
	}
}

func (api *API) stockQuotes(q *query, account *exchange.Account, symbols []string) page {
	span := api.stockSpan(q, account, "sip", "iex", "otc", "boats")
	convert := api.conversion(q)
	request := q.request(symbols, api.stock, span, "Q")
	if q.err != nil {
		return page{}
	}
	return kind[market.Quote]{
		items: api.Market.Quotes, stamp: func(quote *market.Quote) time.Time { return quote.Time },
		append: func(dst []byte, a *asset.Asset, quote *market.Quote) []byte {
			convert.each(&quote.BidPrice, &quote.AskPrice)
			return stockQuote(dst, a, quote)
		},
	}.collect(request)
}

func (api *API) stockTrades(q *query, account *exchange.Account, symbols []string) page {
	span := api.stockSpan(q, account, "sip", "iex", "otc", "boats")
	convert := api.conversion(q)
	request := q.request(symbols, api.stock, span, "T")
	if q.err != nil {
		return page{}
	}
	return kind[market.Trade]{
		items: api.Market.Trades, stamp: tradeTime,
		append: func(dst []byte, a *asset.Asset, trade *market.Trade) []byte {
			convert.each(&trade.Price)
			return stockTrade(dst, a, trade)
		},
	}.collect(request)
}

func (api *API) stockBars(q *query, account *exchange.Account, symbols []string) page {
	timeframe := q.timeframe()
	adjust := api.adjustment(q)
	span := api.stockSpan(q, account, "sip", "iex", "otc", "boats")
	convert := api.conversion(q)
	request := q.request(symbols, api.stock, span, timeframe.String())
	if q.err != nil {
		return page{}
	}
	bars := api.bars(timeframe, barLimit(span, api.Clock.Now()))
	bars.append = func(dst []byte, a *asset.Asset, bar *market.Bar) []byte {
		adjust.bar(a, bar)
		convert.each(&bar.Open, &bar.High, &bar.Low, &bar.Close, &bar.VWAP)
		return anyBar(dst, a, bar)
	}
	return bars.collect(request)
}

// barLimit is up to when bars are built: the end of the span may cut the last one only when that lies in the past.
func barLimit(span market.Span, now time.Time) time.Time {
	if now.Sub(span.To) < delay+time.Minute { // the free plan's end of the visible
		return span.To
	}
	return now
}

func (api *API) bars(timeframe market.Timeframe, until time.Time) kind[market.Bar] {
	return kind[market.Bar]{
		items: func(a *asset.Asset, span market.Span) barSequence { return api.Market.Bars(a, timeframe, span, until) },
		stamp: func(bar *market.Bar) time.Time { return bar.Start }, append: anyBar,
	}
}

func tradeTime(trade *market.Trade) time.Time { return trade.Time }

// timeframe reads the length of bars, which is required.
func (q *query) timeframe() market.Timeframe {
	text := q.text("timeframe")
	if text == "" {
		q.refuse("timeframe is required")
		return market.Timeframe{Count: 1, Unit: market.Day}
	}
	timeframe, err := market.ParseTimeframe(text)
	if err != nil {
		q.refuse("invalid timeframe: %s, it must be 1-59Min, 1-23Hour, 1Day, 1Week or 1, 2, 3, 4, 6, 12Month", text)
	}
	return timeframe
}
