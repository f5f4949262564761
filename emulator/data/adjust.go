package data

import (
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// adjuster makes the bars before a dividend lower by what the dividend took from the price. The zero value changes
// nothing: no listed stock is split or spun off.
type adjuster struct {
	api *API
	now time.Time
	// known are the factors of the stock that was looked at last: pages go stock by stock.
	symbol string
	known  []dividendFactor
}

// dividendFactor is what bars before a date are multiplied with.
type dividendFactor struct {
	exDate time.Time
	factor decimal.Decimal
}

// adjustment reads for what the bars are adjusted: raw, split, dividend, spin-off, all, or several of them.
func (api *API) adjustment(q *query) *adjuster {
	text := q.text("adjustment")
	if text == "" {
		return &adjuster{}
	}
	dividends := false
	for word := range strings.SplitSeq(text, ",") {
		switch word {
		case "raw", "split", "spin-off":
		case "dividend", "all":
			dividends = true
		default:
			q.refuse("invalid adjustment: %s, it must be raw, split, dividend, spin-off, all, or several of them", text)
		}
	}
	if !dividends {
		return &adjuster{}
	}
	return &adjuster{api: api, now: api.Clock.Now()}
}

// bar adjusts a bar.
func (j *adjuster) bar(a *asset.Asset, bar *market.Bar) {
	if j.api == nil {
		return
	}
	if j.symbol != a.Symbol {
		j.symbol, j.known = a.Symbol, j.factors(a)
	}
	for _, dividend := range j.known { // the latest first
		if !bar.Start.Before(dividend.exDate) {
			return
		}
		for _, price := range []*decimal.Decimal{&bar.Open, &bar.High, &bar.Low, &bar.Close, &bar.VWAP} {
			*price = price.Mul(dividend.factor).RoundHAZ(4)
		}
	}
}

// factors returns a factor for every dividend up to now, the latest first: one less the dividend's part of the close before.
func (j *adjuster) factors(a *asset.Asset) []dividendFactor {
	var factors []dividendFactor
	zone := j.api.Clock.Location()
	for year := j.now.Year(); year >= firstActionYear; year-- {
		dividends := dividendsOf(j.api.Seed, a, year)
		for i := len(dividends) - 1; i >= 0; i-- {
			date := dividends[i].exDate
			open := time.Date(date.Year(), date.Month(), date.Day(), 0, 0, 0, 0, zone)
			if open.After(j.now) {
				continue
			}
			before := j.api.Market.Price(a, open)
			part, err := dividends[i].rate.Div(before)
			if err != nil || !part.LessThan(decimal.FromInt(1)) {
				continue
			}
			factors = append(factors, dividendFactor{open, decimal.FromInt(1).Sub(part).RoundHAZ(9)})
		}
	}
	return factors
}

// converter turns dollars into another currency. The zero value leaves them.
type converter struct{ rate decimal.Decimal }

// conversion reads the currency of the prices.
func (api *API) conversion(q *query) converter {
	currency := q.text("currency")
	if currency == "" || currency == "USD" {
		return converter{}
	}
	if len(currency) != 3 || strings.ToUpper(currency) != currency {
		q.refuse("invalid currency: %s", currency)
		return converter{}
	}
	rate, ok := api.forexRate("USD"+currency, api.Clock.Now())
	if !ok {
		q.refuse("invalid currency: %s", currency)
		return converter{}
	}
	return converter{rate.middle}
}

// each converts prices.
func (c converter) each(prices ...*decimal.Decimal) {
	if c.rate.IsZero() {
		return
	}
	for _, price := range prices {
		*price = price.Mul(c.rate).RoundHAZ(4)
	}
}
