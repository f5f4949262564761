package data

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

func (api *API) options() *class {
	return &class{form: optionForm, find: api.contract, see: api.latestOptions, quote: optionQuote, trade: optionTrade}
}

func (api *API) contract(symbol string) (*asset.Asset, bool) {
	found, ok := api.Catalogue.Find(symbol)
	return found, ok && found.Class == asset.Option && found.Symbol == symbol
}

func (api *API) registerOptions(mux *http.ServeMux, gate *access.Gate) {
	const path = "GET /v1beta1/options"
	c := api.options()
	mux.Handle(path+"/bars", gate.ForData(api.historyOfMany("bars", optionForm, api.optionBars)))
	mux.Handle(path+"/trades", gate.ForData(api.historyOfMany("trades", optionForm, api.optionTrades)))
	mux.Handle(path+"/trades/latest", gate.ForData(api.many(c, `{"trades":{`, `}}`, api.latestTrade(c))))
	mux.Handle(path+"/quotes/latest", gate.ForData(api.many(c, `{"quotes":{`, `}}`, api.latestQuote(c))))
	mux.Handle(path+"/snapshots", gate.ForData(api.optionSnapshots))
	mux.Handle(path+"/snapshots/{underlying}", gate.ForData(api.optionChain))
	mux.Handle(path+"/meta/conditions/{kind}", gate.ForData(optionConditions))
	mux.Handle(path+"/meta/exchanges", gate.ForData(optionExchanges))
}

func (api *API) optionTrades(q *query, account *exchange.Account, symbols []string) page {
	request := q.request(symbols, api.contract, api.optionSpan(q, account), "T")
	if q.err != nil {
		return page{}
	}
	return kind[market.Trade]{items: api.Market.Trades, stamp: tradeTime, append: optionTrade}.collect(request)
}

func (api *API) optionBars(q *query, account *exchange.Account, symbols []string) page {
	timeframe, span := q.timeframe(), api.optionSpan(q, account)
	request := q.request(symbols, api.contract, span, timeframe.String())
	if q.err != nil {
		return page{}
	}
	return api.bars(timeframe, barLimit(span, api.Clock.Now())).collect(request)
}

// Pages of option snapshots.
const (
	usualSnapshots = 100
	maxSnapshots   = 1000
)

// optionSnapshots answers for the contracts of a query.
func (api *API) optionSnapshots(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
	q := newQuery(r)
	symbols, seen := q.symbols(optionForm), api.latestOptions(q, account)
	api.writeSnapshots(w, q, seen, func(yield func(*asset.Asset) bool) {
		for _, symbol := range symbols {
			if found, ok := api.contract(symbol); ok && !yield(found) {
				return
			}
		}
	})
}

// optioned finds a stock or an index by its symbol.
func (api *API) optioned(symbol string) (*asset.Asset, bool) {
	if found, ok := api.stock(symbol); ok {
		return found, true
	}
	found, ok := api.Catalogue.Find(symbol)
	return found, ok && found.Class == asset.Index && found.Symbol == symbol
}

// optionChain answers for the contracts on an underlying that are listed now.
func (api *API) optionChain(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
	q := newQuery(r)
	symbol := r.PathValue("underlying")
	seen, wanted := api.latestOptions(q, account), q.chainFilter()
	if !stockForm.pattern.MatchString(symbol) {
		q.refuse("invalid underlying symbol: %s", symbol)
	}
	underlying, ok := api.optioned(symbol)
	expirations := slices.DeleteFunc(api.Catalogue.Expirations(seen.at), func(expiration time.Time) bool {
		return !wanted.hasExpiration(expiration) || !seen.at.Before(expiration)
	})
	api.writeSnapshots(w, q, seen, func(yield func(*asset.Asset) bool) {
		if !ok {
			return
		}
		for found := range api.Catalogue.ChainOf(underlying, expirations) {
			if !found.Contract.Expired(seen.at) && wanted.has(found.Contract) && !yield(found) {
				return
			}
		}
	})
}

// writeSnapshots answers with a page of the snapshots of some contracts, which come in the order of their symbols.
func (api *API) writeSnapshots(w http.ResponseWriter, q *query, seen view, contracts func(yield func(*asset.Asset) bool)) {
	limit, after := q.limit(usualSnapshots, maxSnapshots), q.cursor("S")
	since, _ := q.moment("updated_since", api.Clock.Location(), false)
	if q.err != nil {
		wire.WriteError(w, q.err)
		return
	}
	c := api.options()
	out := []byte(`{"snapshots":{`)
	var last string
	var next *cursor
	for found := range contracts {
		if after != nil && found.Symbol <= after.symbol {
			continue
		}
		if quote := api.Market.Quote(found, seen.at); quote.Time.Before(since) {
			continue
		}
		if limit == 0 {
			next = &cursor{symbol: last, letter: "S", at: time.Unix(0, 0)}
			break
		}
		if last != "" {
			out = append(out, ',')
		}
		limit, last = limit-1, found.Symbol
		out = append(wire.String(out, found.Symbol), `:{`...)
		out = append(api.appendGreeks(api.snapshotFields(out, c, found, seen), found, seen), '}')
	}
	wire.Write(w, http.StatusOK, page{next: next}.appendEnd(append(out, '}'), ""))
}

// appendGreeks appends greeks and implied volatility, which are missing where they make no sense.
func (api *API) appendGreeks(dst []byte, a *asset.Asset, seen view) []byte {
	greeks, volatility, ok := api.Market.Greeks(a, seen.at)
	if !ok {
		return dst
	}
	separator := `,"greeks":{`
	if dst[len(dst)-1] == '{' {
		separator = separator[1:]
	}
	dst = appendGreek(append(dst, separator...), "delta", greeks.Delta)
	dst = appendGreek(append(dst, ','), "gamma", greeks.Gamma)
	dst = appendGreek(append(dst, ','), "rho", greeks.Rho)
	dst = appendGreek(append(dst, ','), "theta", greeks.Theta)
	dst = appendGreek(append(dst, ','), "vega", greeks.Vega)
	return appendGreek(append(dst, `},`...), "impliedVolatility", volatility)
}

func appendGreek(dst []byte, name string, value float64) []byte {
	const digits = 4
	dst = append(append(append(dst, '"'), name...), `":`...)
	text := strconv.FormatFloat(value, 'f', digits, 64)
	if rounded, err := strconv.ParseFloat(text, 64); err == nil { // without zeros at the end
		return strconv.AppendFloat(dst, rounded+0, 'f', -1, 64)
	}
	return append(dst, text...)
}
