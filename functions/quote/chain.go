package quote

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/cache"
	"github.com/opitios-ai/alpaca-knative/shared/datakeys"
	"github.com/opitios-ai/alpaca-knative/shared/market"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// Pages of chains.
const (
	usualContracts = 100
	maxContracts   = 1000
)

// OptionChain is one page of an underlying's contracts, in the order of their symbols.
type OptionChain struct {
	UnderlyingSymbol string       `json:"underlying_symbol" example:"AAPL"`
	ExpirationDates  []string     `json:"expiration_dates" doc:"The expiration dates of the contracts on this page."`
	Options          []OptionData `json:"options"`
	Page
}

// chains reads option chains.
type chains struct {
	pool   *datakeys.Pool
	client *alpaca.Client
	class  *class
	now    func() time.Time
	group  *cache.Group
}

func (h *chains) open(memory *cache.Cache, l *lives) {
	h.group = memory.Group(cache.GroupConfig{
		Name: string(cache.KindChain), Most: 1, Build: buildDocument,
		Fetch: func(ctx context.Context, keys []cache.Key) (map[cache.Key]cache.Fields, error) {
			return fetchDocuments(keys, func(key cache.Key) (any, error) { return h.fetch(ctx, key) })
		},
		Life:    func(_ cache.Key, now time.Time) cache.Life { return l.latest(alpaca.ClassOptions, chainTTL, now) },
		Unknown: func(key cache.Key) error { return unknownUnderlying(key.Symbol) },
	})
}

func unknownUnderlying(symbol string) error {
	return problem.SymbolNotFound.New("no underlying with the symbol %s is known", symbol).With("symbol", symbol)
}

// chain answers with a page of a chain.
func (h *chains) chain(o *operations) func(context.Context, *serve.Request[serve.None]) (serve.Raw, error) {
	return func(ctx context.Context, r *serve.Request[serve.None]) (serve.Raw, error) {
		underlying, err := market.ParseStock(r.PathValue("symbol"))
		if err != nil {
			return nil, problem.InvalidRequest.New("symbol: %v", err).Field("symbol")
		}
		q := chainQuery(r.URL.Query())
		if q.err != nil {
			return nil, q.err
		}
		key := cache.Key{Kind: cache.KindChain, Symbol: underlying, Query: q.canonical.Encode()}
		return o.document(ctx, r, h.group, key, h.class.public, nil)
	}
}

// chainQuery reads the filters of a chain.
func chainQuery(values url.Values) *query {
	q := newQuery(values)
	q.choice("option_type", "call", "put")
	on, from, to := q.date("expiration_date"), q.date("expiration_date_gte"), q.date("expiration_date_lte")
	if !on.IsZero() && (!from.IsZero() || !to.IsZero()) {
		q.refuse("expiration_date", "must not be given together with expiration_date_gte or expiration_date_lte")
	}
	if !from.IsZero() && !to.IsZero() && to.Before(from) {
		q.refuse("expiration_date_lte", "must not be before expiration_date_gte")
	}
	low, high := q.price("strike_price_gte"), q.price("strike_price_lte")
	if q.canonical.Has("strike_price_lte") && high.LessThan(low) {
		q.refuse("strike_price_lte", "must not be below strike_price_gte")
	}
	if root := q.text("root_symbol"); root != "" {
		canonical, err := market.ParseStock(root)
		if err != nil {
			q.refuse("root_symbol", "is malformed: %v", err)
		}
		q.keep("root_symbol", canonical)
	}
	q.limit(usualContracts, maxContracts)
	q.pageToken()
	return q
}

func (h *chains) fetch(ctx context.Context, key cache.Key) (any, error) {
	values, err := url.ParseQuery(key.Query)
	if err != nil {
		return nil, problem.Internal.New("internal error").Because(err)
	}
	limit, _ := strconv.Atoi(values.Get("limit")) // the query is canonical
	request := alpaca.ChainQuery{
		Feed: h.class.feed, Type: values.Get("option_type"), RootSymbol: values.Get("root_symbol"),
		StrikeFrom: values.Get("strike_price_gte"), StrikeTo: values.Get("strike_price_lte"), Expiration: values.Get("expiration_date"),
		ExpirationFrom: values.Get("expiration_date_gte"), ExpirationTo: values.Get("expiration_date_lte"), Limit: limit,
		PageToken: values.Get("page_token"),
	}
	var found map[string]alpaca.Snapshot
	var next string
	err = h.pool.Do(ctx, alpaca.ClassOptions, func(cred alpaca.Credentials) error {
		var err error
		found, next, err = h.client.OptionChain(ctx, cred, key.Symbol, request)
		return err
	})
	if err != nil {
		if refusedSymbol(err, []string{key.Symbol}) == 0 {
			return nil, nil
		}
		return nil, publicError(err)
	}
	chain := OptionChain{
		UnderlyingSymbol: key.Symbol, ExpirationDates: []string{}, Options: make([]OptionData, 0, len(found)),
		Page: Page{Origin: Origin{AsOf: h.now().UTC(), Feed: h.class.feed}},
	}
	if next != "" {
		chain.NextPageToken = &next
	}
	for _, symbol := range slices.Sorted(maps.Keys(found)) {
		snapshot := found[symbol]
		data := optionData(symbol, &snapshot)
		chain.Options = append(chain.Options, data)
		if data.ExpirationDate != "" && !slices.Contains(chain.ExpirationDates, data.ExpirationDate) {
			chain.ExpirationDates = append(chain.ExpirationDates, data.ExpirationDate)
		}
	}
	slices.Sort(chain.ExpirationDates)
	return chain, nil
}
