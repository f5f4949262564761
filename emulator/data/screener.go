package data

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// How many lines the screeners have.
const (
	usualTop   = 10
	maxActives = 100
	maxMovers  = 50
)

// mostActives answers with the stocks that were traded most today.
func (api *API) mostActives(w http.ResponseWriter, r *http.Request, _ *exchange.Account) {
	q := newQuery(r)
	by, top := q.choice("by", "volume", "trades"), q.number("top", usualTop, maxActives)
	if q.err != nil {
		wire.WriteError(w, q.err)
		return
	}
	type line struct {
		symbol string
		bar    market.Bar
	}
	now := api.Clock.Now()
	var lines []line
	for _, stock := range api.Catalogue.Underlyings() {
		if bar, ok := api.lastBar(stock, market.Timeframe{Count: 1, Unit: market.Day}, view{at: now}, now); ok {
			lines = append(lines, line{stock.Symbol, bar})
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int {
		if by == "trades" {
			return cmp.Compare(b.bar.Trades, a.bar.Trades)
		}
		return b.bar.Volume.Cmp(a.bar.Volume)
	})
	out := []byte(`{"most_actives":[`)
	for i, active := range lines[:min(top, len(lines))] {
		if i > 0 {
			out = append(out, ',')
		}
		out = wire.String(append(out, `{"symbol":`...), active.symbol)
		out = wire.Number(append(out, `,"volume":`...), active.bar.Volume)
		out = append(appendUint(append(out, `,"trade_count":`...), uint64(active.bar.Trades)), '}')
	}
	wire.Write(w, http.StatusOK, append(wire.Time(append(out, `],"last_updated":`...), now.Truncate(time.Second)), '}'))
}

// mover is how far an asset has moved since the close of the day before.
type mover struct {
	symbol                 string
	percent, change, price decimal.Decimal
}

// movers answers with what rose and what fell most.
func (api *API) movers(w http.ResponseWriter, r *http.Request, _ *exchange.Account) {
	q := newQuery(r)
	top := q.number("top", usualTop, maxMovers)
	classes := map[string]asset.Class{"stocks": asset.Equity, "crypto": asset.Crypto}
	kind := r.PathValue("market")
	class, ok := classes[kind]
	if !ok {
		q.refuse("invalid market type: %s", kind)
	}
	if q.err != nil {
		wire.WriteError(w, q.err)
		return
	}
	now := api.Clock.Now()
	var gainers, losers []mover
	for _, a := range api.Catalogue.All() {
		if a.Class != class {
			continue
		}
		switch moved := api.moved(a, now); moved.change.Sign() {
		case 1:
			gainers = append(gainers, moved)
		case -1:
			losers = append(losers, moved)
		}
	}
	slices.SortStableFunc(gainers, func(a, b mover) int { return b.percent.Cmp(a.percent) })
	slices.SortStableFunc(losers, func(a, b mover) int { return a.percent.Cmp(b.percent) })
	out := appendMovers([]byte(`{"gainers":[`), gainers[:min(top, len(gainers))])
	out = appendMovers(append(out, `],"losers":[`...), losers[:min(top, len(losers))])
	out = wire.String(append(out, `],"market_type":`...), kind)
	wire.Write(w, http.StatusOK, append(wire.Time(append(out, `,"last_updated":`...), now.Truncate(time.Second)), '}'))
}

// moved compares an asset's price with the close before: of the last trading day, for crypto of yesterday in UTC.
func (api *API) moved(a *asset.Asset, now time.Time) mover {
	before := now.Truncate(24 * time.Hour)
	if a.Class == asset.Equity {
		today := now
		if day, ok := api.Clock.TradingDay(now); !ok || now.Before(day.Open) {
			today = api.Clock.Calendar.Previous(now).Open
		}
		before = api.Clock.Calendar.PreviousClose(today)
	}
	price, reference := api.Market.Price(a, now), api.Market.Price(a, before)
	change := price.Sub(reference)
	percent, err := change.Mul64(100).Div(reference)
	if err != nil {
		return mover{symbol: a.Symbol}
	}
	return mover{a.Symbol, percent.RoundHAZ(2), change, price}
}

func appendMovers(dst []byte, list []mover) []byte {
	for i, moved := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = wire.String(append(dst, `{"symbol":`...), moved.symbol)
		dst = wire.Number(append(dst, `,"percent_change":`...), moved.percent)
		dst = wire.Number(append(dst, `,"change":`...), moved.change)
		dst = append(wire.Number(append(dst, `,"price":`...), moved.price), '}')
	}
	return dst
}
