package quote

import (
	"net/http"
	"strings"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/cache"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// operations are the function's handlers.
type operations struct {
	router  *serve.Router
	caching *caching
}

// read fills in what all reads have in common.
func read(op serve.Operation) serve.Operation {
	op.Method, op.Permission, op.Limit = or(op.Method, http.MethodGet), auth.PermissionMarketData, platform.LimitQuotes
	op.Problems = append(op.Problems, problem.UpstreamFailed, problem.Unavailable, problem.UpstreamTimeout)
	return op
}

func extendedHoursParameter() serve.Parameter {
	return serve.Parameter{
		Name: extendedHours, In: serve.InQuery, Enum: []string{"true", "false"},
		Description: "Accepted for clients of the former service; quotes always cover the extended hours.",
	}
}

func symbolParameter(c *class) serve.Parameter {
	description := "Symbol of the " + c.noun + "; lower case is accepted."
	if c.name == alpaca.ClassCrypto {
		description += " BTCUSD is BTC/USD; an escaped slash (BTC%2FUSD) works, too."
	}
	return serve.Parameter{Name: "symbol", In: serve.InPath, Description: description, Example: c.example}
}

func symbolsParameter(c *class) serve.Parameter {
	return serve.Parameter{
		Name: "symbols", In: serve.InQuery, Required: true, Description: "1 to 200 symbols, separated by commas.", Example: c.example,
	}
}

// tag is the class's name in the documentation.
func (c *class) tag() string { return strings.ToUpper(string(c.name[:1])) + string(c.name[1:]) }

// id is an operationId: id("get", "Quote") of stocks is getStockQuote.
func (c *class) id(verb, what string) string {
	return verb + map[alpaca.Class]string{alpaca.ClassStocks: "Stock", alpaca.ClassOptions: "Option", alpaca.ClassCrypto: "Crypto"}[c.name] + what
}

func (c *class) path(rest string) string { return "/api/v1/" + string(c.name) + rest }

// registerLatest registers the reads of what is newest of a class's symbols. one and list are the data of each view.
func (o *operations) registerLatest(c *class, one, list [views]any) {
	for _, v := range []struct {
		view             view
		what, list, many string
		description      string
	}{
		{viewQuote, "quote", "/quotes", "Quotes", "Best bid and offer, latest trade and today's volume."},
		{viewTrade, "trade", "/trades/latest", "LatestTrades", "The latest trade."},
		{viewBar, "bar", "/bars/latest", "LatestBars", "The latest minute bar."},
		{viewSnapshot, "snapshot", "/snapshots", "Snapshots", "Latest quote and trade, and the bars of this minute, today and the day before."},
	} {
		parameters := []serve.Parameter{symbolParameter(c)}
		listed := []serve.Parameter{symbolsParameter(c)}
		if v.view == viewQuote {
			parameters, listed = append(parameters, extendedHoursParameter()), append(listed, extendedHoursParameter())
		}
		serve.Handle(o.router, read(serve.Operation{
			ID: c.id("get", strings.ToUpper(v.what[:1])+v.what[1:]), Path: c.path("/{symbol}/" + v.what), Tag: c.tag(),
			Summary:     "Latest " + v.what + " of one " + c.noun,
			Description: v.description + " At most CACHE_TTL (1 s; longer while the market is closed) old, or marked as stale.",
			Parameters:  parameters, Problems: []*problem.Kind{problem.SymbolNotFound}, Data: one[v.view],
		}), o.single(c, v.view))
		serve.Handle(o.router, read(serve.Operation{
			ID: c.id("get", v.many), Path: c.path(v.list), Tag: c.tag(),
			Summary:     "Latest " + v.what + "s of several symbols",
			Description: "A symbol without one is listed under errors, with its own code, and does not fail the others.",
			Parameters:  listed, Data: list[v.view],
		}), o.listed(c, v.view))
	}
}

func (o *operations) registerPosts(stocks, options, crypto *class) {
	post := func(c *class, data any) serve.Operation {
		return read(serve.Operation{
			ID: c.id("post", "Quotes"), Method: http.MethodPost, Path: c.path("/quotes"), Tag: c.tag(), Data: data,
			Summary: "Latest quotes of several symbols", Description: "The same as the GET, with the symbols in the body.",
		})
	}
	serve.Handle(o.router, post(stocks, StockQuotes{}), o.posted(stocks))
	serve.Handle(o.router, post(crypto, CryptoQuotes{}), o.posted(crypto))
	serve.Handle(o.router, post(options, OptionQuotes{}), o.postedOptions(options))
}

// pageParameters are those of every page.
func pageParameters(limit string) []serve.Parameter {
	return []serve.Parameter{
		{Name: "limit", In: serve.InQuery, Description: limit},
		{Name: "page_token", In: serve.InQuery, Description: "next_page_token of the page before."},
	}
}

func (o *operations) registerHistory(c *class, h *history) {
	span := append([]serve.Parameter{
		{Name: "start", In: serve.InQuery, Description: "RFC 3339 time or date, included. Default: the beginning of today.", Example: "2026-11-02"},
		{Name: "end", In: serve.InQuery, Description: "RFC 3339 time or date, included. Default: now."},
		{Name: "sort", In: serve.InQuery, Enum: []string{"asc", "desc"}, Description: "By time; default asc."},
	}, pageParameters("1 to 10000 items on a page, of all symbols together; default 1000.")...)
	bars := append([]serve.Parameter{{
		Name: "timeframe", In: serve.InQuery, Required: true, Description: "1 to 59Min, 1 to 23Hour, 1Day, 1Week, or 1, 2, 3, 4, 6, 12Month.", Example: "1Day",
	}}, span...)
	if c.name == alpaca.ClassStocks {
		bars = append(bars, serve.Parameter{
			Name: "adjustment", In: serve.InQuery, Description: "raw (the default), split, dividend, spin-off or all; several separated by commas.",
		})
	}
	for _, kind := range []struct {
		kind       cache.Kind
		what       string
		parameters []serve.Parameter
		one, many  any
	}{
		{cache.KindBars, "Bars", bars, BarHistory{}, BarHistories{}},
		{cache.KindTrades, "Trades", span, TradeHistory{}, TradeHistories{}},
	} {
		path := "/" + string(kind.kind)
		serve.Handle(o.router, read(serve.Operation{
			ID: c.id("get", kind.what), Path: c.path("/{symbol}" + path), Tag: c.tag(), Data: kind.one,
			Summary: kind.what + " of one " + c.noun, Description: "A page may hold fewer items than its limit while there are more: only a next_page_token of null ends it.",
			Parameters: append([]serve.Parameter{symbolParameter(c)}, kind.parameters...), Problems: []*problem.Kind{problem.SymbolNotFound},
		}), h.one(o, c, kind.kind))
		serve.Handle(o.router, read(serve.Operation{
			ID: c.id("get", "Multi"+kind.what), Path: c.path(path), Tag: c.tag(), Data: kind.many,
			Summary: kind.what + " of several symbols", Description: "Pages are in the order of symbol and time. A symbol that is malformed is listed under errors and does not fail the others.",
			Parameters: append([]serve.Parameter{symbolsParameter(c)}, kind.parameters...),
		}), h.several(o, c, kind.kind))
	}
}

func (o *operations) registerChain(c *class, h *chains) {
	parameters := append([]serve.Parameter{
		{Name: "symbol", In: serve.InPath, Description: "Symbol of the underlying.", Example: "AAPL"},
		{Name: "option_type", In: serve.InQuery, Enum: []string{"call", "put"}},
		{Name: "expiration_date", In: serve.InQuery, Description: "YYYY-MM-DD."},
		{Name: "expiration_date_gte", In: serve.InQuery, Description: "First date, included."},
		{Name: "expiration_date_lte", In: serve.InQuery, Description: "Last date, included."},
		{Name: "strike_price_gte", In: serve.InQuery, Description: "Lowest strike in USD, included."},
		{Name: "strike_price_lte", In: serve.InQuery, Description: "Highest strike in USD, included."},
		{Name: "root_symbol", In: serve.InQuery, Description: "Root of the contracts, for adjusted ones or SPXW."},
	}, pageParameters("1 to 1000 contracts on a page; default 100.")...)
	serve.Handle(o.router, read(serve.Operation{
		ID: "getOptionChain", Path: c.path("/{symbol}/chain"), Tag: c.tag(), Data: OptionChain{},
		Summary:     "Option chain of an underlying",
		Description: "Quotes, implied volatility and greeks of the contracts that are listed now. /api/v1/options/chain/{symbol} is the same.",
		Parameters:  parameters,
		Problems:    []*problem.Kind{problem.SymbolNotFound},
	}), h.chain(o))
}

func (o *operations) registerBook(c *class, b *books) {
	serve.Handle(o.router, read(serve.Operation{
		ID: "getCryptoOrderBook", Path: c.path("/{symbol}/orderbook"), Tag: c.tag(), Summary: "Order book of a crypto pair", Data: OrderBook{},
		Description: "The best price first on both sides.",
		Parameters:  []serve.Parameter{symbolParameter(c)}, Problems: []*problem.Kind{problem.SymbolNotFound},
	}), b.book(o))
}

func (o *operations) registerMarket(h *exchangeHours) {
	const tag = "Market"
	serve.Handle(o.router, read(serve.Operation{
		ID: "getMarketClock", Path: "/api/v1/market/clock", Tag: tag, Summary: "The exchange's clock", Data: MarketClock{},
		Description: "Whether the regular session is open, and when that changes. While Alpaca does not answer, the published calendar does: feed is rules then.",
	}), h.clock(o))
	serve.Handle(o.router, read(serve.Operation{
		ID: "getMarketCalendar", Path: "/api/v1/market/calendar", Tag: tag, Summary: "Trading days", Data: MarketCalendar{},
		Description: "The days on which the exchange is open, half days with their own close. At most five years at once.",
		Parameters: []serve.Parameter{
			{Name: "start", In: serve.InQuery, Description: "First date; default today in New York.", Example: "2026-11-23"},
			{Name: "end", In: serve.InQuery, Description: "Last date, included; default 30 days later."},
		},
	}), h.calendar(o))
	serve.Handle(o.router, read(serve.Operation{
		ID: "getMarketStatus", Path: "/api/v1/market/status", Tag: tag, Summary: "Which session each market is in",
		Description: "By Alpaca's own clock, which all instances share; it never waits for Alpaca.",
	}), h.status)
}
