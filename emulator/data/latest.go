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

// appender appends the latest datum of a kind as an account sees it; false when there is none.
type appender func(dst []byte, a *asset.Asset, seen view) ([]byte, bool)

// class is one of the asset classes of the Market Data API: how its symbols look, which assets they name, and how an
// account sees the latest data.
type class struct {
	form form
	find func(symbol string) (*asset.Asset, bool)
	see  func(q *query, account *exchange.Account) view

	quote func(dst []byte, a *asset.Asset, quote *market.Quote) []byte
	trade func(dst []byte, a *asset.Asset, trade *market.Trade) []byte
}

func (api *API) latestQuote(c *class) appender {
	return func(dst []byte, a *asset.Asset, seen view) ([]byte, bool) {
		quote := api.Market.Quote(a, seen.at)
		if seen.night {
			quote = api.Market.NightQuote(a, seen.at)
		}
		if quote.Time.IsZero() {
			return dst, false
		}
		quote = quote.On(seen.venue)
		return c.quote(dst, a, &quote), true
	}
}

func (api *API) latestTrade(c *class) appender {
	return func(dst []byte, a *asset.Asset, seen view) ([]byte, bool) {
		trade, ok := api.Market.LastTrade(a, seen.tradeAt, seen.venue)
		if !ok {
			return dst, false
		}
		return c.trade(dst, a, &trade), true
	}
}

// latestBar appends the bar of the last minute that is over and had trades.
func (api *API) latestBar(dst []byte, a *asset.Asset, seen view) ([]byte, bool) {
	bar, ok := api.lastBar(a, market.Timeframe{Count: 1, Unit: market.Minute}, seen, seen.at.Add(-time.Minute))
	if !ok {
		return dst, false
	}
	return anyBar(dst, a, &bar), true
}

// lastBar returns the last bar that starts at or before a time.
func (api *API) lastBar(a *asset.Asset, timeframe market.Timeframe, seen view, before time.Time) (market.Bar, bool) {
	const reach = 10 * 24 * time.Hour
	at := api.Market.MarketTime(a, before)
	span := market.Span{From: at.Add(-reach), To: at, Descending: true, Venue: seen.venue}
	for bar := range api.Market.Bars(a, timeframe, span, seen.at) {
		return bar, true
	}
	return market.Bar{}, false
}

// snapshotFields appends the members of a snapshot without braces; dst ends with the opening one.
func (api *API) snapshotFields(dst []byte, c *class, a *asset.Asset, seen view) []byte {
	field := func(name string, add appender) {
		dst = appendField(dst, name, func(dst []byte) ([]byte, bool) { return add(dst, a, seen) })
	}
	field("latestTrade", api.latestTrade(c))
	field("latestQuote", api.latestQuote(c))
	field("minuteBar", api.latestBar)
	daily := market.Timeframe{Count: 1, Unit: market.Day}
	today, ok := api.lastBar(a, daily, seen, seen.at)
	if !ok {
		return dst
	}
	field("dailyBar", func(dst []byte, a *asset.Asset, _ view) ([]byte, bool) { return anyBar(dst, a, &today), true })
	if yesterday, ok := api.lastBar(a, daily, seen, today.Start.Add(-1)); ok {
		field("prevDailyBar", func(dst []byte, a *asset.Asset, _ view) ([]byte, bool) { return anyBar(dst, a, &yesterday), true })
	}
	return dst
}

// snapshot appends a snapshot.
func (api *API) snapshot(c *class) appender {
	return func(dst []byte, a *asset.Asset, seen view) ([]byte, bool) {
		return append(api.snapshotFields(append(dst, '{'), c, a, seen), '}'), true
	}
}

// many answers for the symbols of a query; those that do not exist are left out, as Alpaca does.
func (api *API) many(c *class, head, tail string, add appender) access.Handler {
	return func(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
		q := newQuery(r)
		symbols, seen := q.symbols(c.form), c.see(q, account)
		if q.err != nil {
			wire.WriteError(w, q.err)
			return
		}
		out := append(make([]byte, 0, 256*(1+len(symbols))), head...)
		first := len(out)
		for _, symbol := range symbols {
			a, ok := c.find(symbol)
			if !ok {
				continue
			}
			before := len(out)
			if before > first {
				out = append(out, ',')
			}
			if out, ok = add(append(wire.String(out, symbol), ':'), a, seen); !ok {
				out = out[:before]
			}
		}
		wire.Write(w, http.StatusOK, append(out, tail...))
	}
}

// one answers for the symbol of a path.
func (api *API) one(c *class, name string, add appender) access.Handler {
	return func(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
		q := newQuery(r)
		symbol, seen := r.PathValue("symbol"), c.see(q, account)
		if !c.form.pattern.MatchString(symbol) {
			q.refuse(c.form.refusal, symbol)
		}
		if q.err != nil {
			wire.WriteError(w, q.err)
			return
		}
		a, ok := c.find(symbol)
		var out []byte
		if ok {
			out = append(wire.String([]byte(`{"symbol":`), symbol), `,"`+name+`":`...)
			out, ok = add(out, a, seen)
		}
		if !ok {
			wire.WriteError(w, wire.Plain(http.StatusNotFound, "no %s found for %s", name, symbol))
			return
		}
		wire.Write(w, http.StatusOK, append(out, '}'))
	}
}
