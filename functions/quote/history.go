package quote

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/cache"
	"github.com/opitios-ai/alpaca-knative/shared/datakeys"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// Pages of history.
const (
	usualItems = 1000
	maxItems   = 10_000
)

// Page is the end of every page.
type Page struct {
	NextPageToken *string `json:"next_page_token" doc:"Give it as page_token for the next page; null on the last one."`
	Origin
}

// The data of the answers to reads of history.
type (
	// BarHistory is one page of a symbol's bars.
	BarHistory struct {
		Symbol    string    `json:"symbol" example:"AAPL"`
		Timeframe string    `json:"timeframe" example:"1Day"`
		Bars      []BarData `json:"bars"`
		Page
	}
	// BarHistories is one page of several symbols' bars; the page's limit counts all of them.
	BarHistories struct {
		Errors    []SymbolError        `json:"errors" doc:"The symbols that there are no bars of."`
		Timeframe string               `json:"timeframe" example:"1Day"`
		Bars      map[string][]BarData `json:"bars"`
		Page
	}
	// TradeHistory is one page of a symbol's trades.
	TradeHistory struct {
		Symbol string      `json:"symbol" example:"AAPL"`
		Trades []TradeData `json:"trades"`
		Page
	}
	// TradeHistories is one page of several symbols' trades; the page's limit counts all of them.
	TradeHistories struct {
		Errors []SymbolError          `json:"errors" doc:"The symbols that there are no trades of."`
		Trades map[string][]TradeData `json:"trades"`
		Page
	}
)

// many is the parameter of a document's query that tells the answer for several symbols from that for one.
const many = "many"

// history reads pages of bars and trades.
type history struct {
	pool   *datakeys.Pool
	client *alpaca.Client
	lives  *lives
	zone   *time.Location
	now    func() time.Time
	bars   *cache.Group
	trades *cache.Group
}

// open makes the groups in the cache. A page is an upstream call of its own.
func (h *history) open(memory *cache.Cache, classes []*class) {
	group := func(kind cache.Kind, fetch func(context.Context, *class, cache.Key) (any, error)) *cache.Group {
		return memory.Group(cache.GroupConfig{
			Name: string(kind), Most: 1,
			Fetch: func(ctx context.Context, keys []cache.Key) (map[cache.Key]cache.Fields, error) {
				return fetchDocuments(keys, func(key cache.Key) (any, error) { return fetch(ctx, classOf(classes, key), key) })
			},
			Build:   buildDocument,
			Life:    func(key cache.Key, now time.Time) cache.Life { return h.life(classOf(classes, key), key, now) },
			Unknown: func(key cache.Key) error { return classOf(classes, key).unknown(firstSymbol(key)) },
		})
	}
	h.bars, h.trades = group(cache.KindBars, h.fetchBars), group(cache.KindTrades, h.fetchTrades)
}

// fetchDocuments reads documents one by one; nil is one that Alpaca does not have.
func fetchDocuments(keys []cache.Key, fetch func(cache.Key) (any, error)) (map[cache.Key]cache.Fields, error) {
	found := make(map[cache.Key]cache.Fields, len(keys))
	for _, key := range keys {
		answer, err := fetch(key)
		if err != nil {
			return nil, err
		}
		if answer == nil {
			continue
		}
		if found[key], err = encodeDocument(answer); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// classOf finds the class that a document's symbols belong to: the grammars of the classes don't overlap.
func classOf(classes []*class, key cache.Key) *class {
	symbol := firstSymbol(key)
	for _, c := range classes {
		if _, err := c.parse(symbol); err == nil {
			return c
		}
	}
	return classes[0]
}

func firstSymbol(key cache.Key) string {
	first, _, _ := strings.Cut(key.Symbol, ",")
	return first
}

func (h *history) life(c *class, key cache.Key, now time.Time) cache.Life {
	values, err := url.ParseQuery(key.Query)
	if err != nil {
		return h.lives.latest(c.name, h.lives.config.CacheTTL, now)
	}
	_, step, _ := parseTimeframe(values.Get("timeframe"))
	end, _ := time.Parse(time.RFC3339Nano, values.Get("end")) // zero for none
	return h.lives.history(c.name, step, end, now)
}

// one answers with a page of one symbol.
func (h *history) one(o *operations, c *class, kind cache.Kind) func(context.Context, *serve.Request[serve.None]) (serve.Raw, error) {
	return func(ctx context.Context, r *serve.Request[serve.None]) (serve.Raw, error) {
		symbol, err := c.symbol(r.PathValue("symbol"))
		if err != nil {
			return nil, err
		}
		q := h.query(c, kind, r.URL.Query())
		if q.err != nil {
			return nil, q.err
		}
		key := cache.Key{Kind: kind, Symbol: symbol, Query: q.canonical.Encode()}
		return o.document(ctx, r, h.group(kind), key, c.public, nil)
	}
}

// several answers with a page of several symbols.
func (h *history) several(o *operations, c *class, kind cache.Kind) func(context.Context, *serve.Request[serve.None]) (serve.Raw, error) {
	return func(ctx context.Context, r *serve.Request[serve.None]) (serve.Raw, error) {
		names, err := queriedSymbols(r.URL.Query())
		if err != nil {
			return nil, err
		}
		symbols, failures, err := parseSymbols(c, names)
		if err != nil {
			return nil, err
		}
		q := h.query(c, kind, r.URL.Query())
		if q.err != nil {
			return nil, q.err
		}
		if len(symbols) == 0 {
			return nil, problem.InvalidRequest.New("none of the symbols is well formed: %s", failures[0].Message).Field("symbols")
		}
		slices.Sort(symbols)
		q.keep(many, "true")
		key := cache.Key{Kind: kind, Symbol: strings.Join(symbols, ","), Query: q.canonical.Encode()}
		return o.document(ctx, r, h.group(kind), key, c.public, failures)
	}
}

func (h *history) group(kind cache.Kind) *cache.Group {
	if kind == cache.KindBars {
		return h.bars
	}
	return h.trades
}

// query reads the parameters of a page.
func (h *history) query(c *class, kind cache.Kind, values url.Values) *query {
	q := newQuery(values)
	if kind == cache.KindBars {
		q.timeframe()
	}
	zone := h.zone
	if c.name == alpaca.ClassCrypto {
		zone = time.UTC
	}
	start, end := q.moment("start", zone, false), q.moment("end", zone, true)
	if !start.IsZero() && !end.IsZero() && end.Before(start) {
		q.refuse("end", "must not be before start")
	}
	if start.After(h.now()) {
		q.refuse("start", "must not be in the future")
	}
	q.limit(usualItems, maxItems)
	q.choice("sort", "asc", "desc")
	if c.name == alpaca.ClassStocks && kind == cache.KindBars {
		q.choices("adjustment", "raw", "split", "dividend", "spin-off", "all")
	}
	q.pageToken()
	return q
}

// request is the upstream form of a document's key.
func (h *history) request(c *class, key cache.Key) (alpaca.HistoryQuery, bool) {
	values, err := url.ParseQuery(key.Query)
	if err != nil {
		return alpaca.HistoryQuery{}, false
	}
	start, _ := time.Parse(time.RFC3339Nano, values.Get("start")) // zero for none: the query is canonical
	end, _ := time.Parse(time.RFC3339Nano, values.Get("end"))
	limit, _ := strconv.Atoi(values.Get("limit"))
	request := alpaca.HistoryQuery{
		Class: c.name, Symbols: strings.Split(key.Symbol, ","), Timeframe: values.Get("timeframe"), Start: start, End: end, Limit: limit,
		PageToken: values.Get("page_token"), Sort: values.Get("sort"), Adjustment: values.Get("adjustment"),
	}
	switch c.name {
	case alpaca.ClassStocks:
		request.Feed = historyFeed(c.feed)
	case alpaca.ClassCrypto:
		request.Location = c.feed
	case alpaca.ClassOptions:
	}
	return request, values.Has(many)
}

// historyFeed is the feed of history that belongs to one of the latest: two of those have none of their own.
func historyFeed(feed string) string {
	switch feed {
	case "delayed_sip":
		return "sip"
	case "overnight":
		return "boats"
	}
	return feed
}

func (h *history) fetchBars(ctx context.Context, c *class, key cache.Key) (any, error) {
	request, severally := h.request(c, key)
	found, next, failures, err := fetchPage(ctx, h, c, &request, h.client.Bars)
	if err != nil {
		return nil, err
	}
	bars := make(map[string][]BarData, len(request.Symbols))
	for _, symbol := range request.Symbols {
		bars[symbol] = convert(found[symbol], barData)
	}
	page := h.page(c, next)
	if severally {
		return BarHistories{Timeframe: request.Timeframe, Bars: bars, Errors: failures, Page: page}, nil
	}
	if len(failures) > 0 {
		return nil, nil
	}
	return BarHistory{Symbol: key.Symbol, Timeframe: request.Timeframe, Bars: bars[key.Symbol], Page: page}, nil
}

func (h *history) fetchTrades(ctx context.Context, c *class, key cache.Key) (any, error) {
	request, severally := h.request(c, key)
	found, next, failures, err := fetchPage(ctx, h, c, &request, h.client.Trades)
	if err != nil {
		return nil, err
	}
	trades := make(map[string][]TradeData, len(request.Symbols))
	for _, symbol := range request.Symbols {
		trades[symbol] = convert(found[symbol], tradeData)
	}
	page := h.page(c, next)
	if severally {
		return TradeHistories{Trades: trades, Errors: failures, Page: page}, nil
	}
	if len(failures) > 0 {
		return nil, nil
	}
	return TradeHistory{Symbol: key.Symbol, Trades: trades[key.Symbol], Page: page}, nil
}

// fetchPage reads one page. A symbol that Alpaca calls invalid is dropped from the request, with an error of its own, and
// the others are asked for again.
func fetchPage[T any](
	ctx context.Context, h *history, c *class, request *alpaca.HistoryQuery,
	read func(context.Context, alpaca.Credentials, alpaca.HistoryQuery) (map[string][]T, string, error),
) (found map[string][]T, next string, failures []SymbolError, err error) {
	failures = []SymbolError{}
	for len(request.Symbols) > 0 {
		err := h.pool.Ask(ctx, c.name, func(cred alpaca.Credentials) error {
			var err error
			found, next, err = read(ctx, cred, *request)
			return err
		})
		if err == nil {
			return found, next, failures, nil
		}
		at := refusedSymbol(err, request.Symbols)
		if at < 0 {
			return nil, "", nil, publicError(err)
		}
		failures = append(failures, symbolError(request.Symbols[at], c.unknown(request.Symbols[at])))
		request.Symbols = slices.Delete(request.Symbols, at, at+1)
	}
	return nil, "", failures, nil
}

func convert[From, To any](items []From, one func(*From) To) []To {
	converted := make([]To, len(items))
	for i := range items {
		converted[i] = one(&items[i])
	}
	return converted
}

func (h *history) page(c *class, next string) Page {
	page := Page{Origin: Origin{AsOf: h.now().UTC(), Feed: c.feed}}
	if next != "" {
		page.NextPageToken = &next
	}
	return page
}
