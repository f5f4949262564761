package data

import (
	"iter"
	"net/http"
	"regexp"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// rate is what one unit of a currency costs in another.
type rate struct {
	bid, middle, ask decimal.Decimal
	at               time.Time
}

var currencyForm = form{pattern: regexp.MustCompile(`^[A-Z]{6}$`), refusal: "invalid currency pair: %s"} //nolint:gochecknoglobals // compiled once, never changed

// dollarRates are the rates around which the dollar walks.
func dollarRates() map[string]string {
	return map[string]string{
		"USDJPY": "151.20", "USDEUR": "0.92", "USDGBP": "0.78", "USDCHF": "0.88", "USDCAD": "1.38", "USDAUD": "1.53",
		"USDNZD": "1.68", "USDMXN": "18.40", "USDCNY": "7.12", "USDHKD": "7.78", "USDSGD": "1.33", "USDSEK": "10.60",
		"USDNOK": "10.90", "USDDKK": "6.87", "USDPLN": "3.95", "USDZAR": "18.10", "USDINR": "84.20", "USDBRL": "5.70",
		"USDKRW": "1385.00", "USDTRY": "34.30", "USDILS": "3.72",
	}
}

// currency returns a pair as something the market can quote.
func (api *API) currency(pair string) (*asset.Asset, bool) {
	const volatility = 0.08
	middle, ok := dollarRates()[pair]
	if !ok {
		return nil, false
	}
	return &asset.Asset{
		Class: asset.Crypto, Symbol: "forex/" + pair, Price: decimal.MustParse(middle), Volatility: volatility,
		Pair: &asset.Pair{Base: "forex/" + pair[:3], Quote: pair[3:], PriceIncrement: decimal.MustParse("0.0001")},
	}, true
}

// forexRate returns the rate of a pair at a time.
func (api *API) forexRate(pair string, at time.Time) (rate, bool) {
	traded, ok := api.currency(pair)
	if !ok {
		return rate{}, false
	}
	return rateOf(api.Market.Quote(traded, at)), true
}

func rateOf(quote market.Quote) rate {
	sum := quote.BidPrice.Add(quote.AskPrice)
	middle, err := sum.Div64(2)
	if err != nil { // cannot happen: 2 is not 0
		middle = quote.BidPrice
	}
	return rate{quote.BidPrice, middle, quote.AskPrice, quote.Time}
}

func appendRate(dst []byte, _ *asset.Asset, r *rate) []byte {
	dst = wire.Number(append(dst, `{"bp":`...), r.bid)
	dst = wire.Number(append(dst, `,"mp":`...), r.middle)
	dst = wire.Number(append(dst, `,"ap":`...), r.ask)
	return append(wire.Time(append(dst, `,"t":`...), r.at), '}')
}

// pairs reads the list of currency pairs.
func (q *query) pairs() []string {
	list := q.text("currency_pairs")
	if list == "" {
		q.refuse("currency_pairs is required")
		return nil
	}
	return q.list(list, currencyForm)
}

// latestRates answers with the rates of some pairs.
func (api *API) latestRates(w http.ResponseWriter, r *http.Request, _ *exchange.Account) {
	q := newQuery(r)
	pairs := q.pairs()
	if q.err != nil {
		wire.WriteError(w, q.err)
		return
	}
	now := api.Clock.Now()
	out := []byte(`{"rates":{`)
	for _, pair := range pairs {
		found, ok := api.forexRate(pair, now)
		if !ok {
			continue
		}
		if out[len(out)-1] != '{' {
			out = append(out, ',')
		}
		out = appendRate(append(wire.String(out, pair), ':'), nil, &found)
	}
	wire.Write(w, http.StatusOK, append(out, `}}`...))
}

// historicalRates answers with the rates at the end of every timeframe: 5Sec, 1Min or 1Day.
func (api *API) historicalRates(w http.ResponseWriter, r *http.Request, _ *exchange.Account) {
	q := newQuery(r)
	timeframe := q.choice("timeframe", "1Min", "5Sec", "1Day", "1D")
	step := map[string]time.Duration{"5Sec": 5 * time.Second, "1Min": time.Minute, "1Day": 24 * time.Hour, "1D": 24 * time.Hour}[timeframe]
	request := q.request(q.pairs(), api.currency, api.cryptoSpan(q), timeframe)
	if q.err != nil {
		wire.WriteError(w, q.err)
		return
	}
	result := kind[rate]{
		items: func(a *asset.Asset, span market.Span) iter.Seq[rate] { return api.rates(a, span, step) },
		stamp: func(r *rate) time.Time { return r.at }, append: appendRate,
	}.collect(request)
	wire.Write(w, http.StatusOK, result.appendMany(nil, "rates", ""))
}

// rates yields the rates of a span, a step apart, at the multiples of the step.
func (api *API) rates(a *asset.Asset, span market.Span, step time.Duration) iter.Seq[rate] {
	return func(yield func(rate) bool) {
		const firstYear = 2016
		if first := time.Date(firstYear, time.January, 1, 0, 0, 0, 0, time.UTC); span.From.Before(first) {
			span.From = first
		}
		at, move := span.From.Truncate(step), step
		if at.Before(span.From) {
			at = at.Add(step)
		}
		if span.Descending {
			at, move = span.To.Truncate(step), -step
		}
		for ; !at.Before(span.From) && !at.After(span.To); at = at.Add(move) {
			found := rateOf(api.Market.Quote(a, at))
			found.at = at
			if !yield(found) {
				return
			}
		}
	}
}
