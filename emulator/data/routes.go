// Package data serves the Market Data API.
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
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// API answers the Market Data API's requests. It may be used concurrently.
type API struct {
	Catalogue *asset.Catalogue
	Clock     *session.Clock
	Market    *market.Market
}

// Register adds the endpoints to mux, each behind the gate.
func (api *API) Register(mux *http.ServeMux, gate *access.Gate) {
	for _, kind := range []struct {
		name, single string
		append       appender
	}{
		{"quotes", "quote", api.appendQuote},
		{"trades", "trade", api.appendTrade},
		{"bars", "bar", api.appendLatestBar},
	} {
		mux.Handle("GET /v2/stocks/"+kind.name+"/latest", gate.ForData(api.many(`{"`+kind.name+`":{`, `}}`, kind.append)))
		mux.Handle("GET /v2/stocks/{symbol}/"+kind.name+"/latest", gate.ForData(api.one(kind.single, kind.append)))
	}
	mux.Handle("GET /v2/stocks/snapshots", gate.ForData(api.many(`{`, `}`, api.appendSnapshot)))
	mux.Handle("GET /v2/stocks/{symbol}/snapshot", gate.ForData(api.snapshot))
}

// appender appends the JSON of one kind of market data of a stock at a moment.
type appender func(dst []byte, stock *asset.Asset, now time.Time) []byte

// many answers for the symbols of a query; those that do not exist are left out, as Alpaca does.
func (api *API) many(head, tail string, add appender) access.Handler {
	return func(w http.ResponseWriter, r *http.Request, _ *exchange.Account) {
		symbols, err := readSymbols(r)
		if err != nil {
			wire.WriteError(w, err)
			return
		}
		now := api.Clock.Now()
		out := append(make([]byte, 0, 256*len(symbols)), head...)
		first := true
		for _, symbol := range symbols {
			stock, ok := api.stock(symbol)
			if !ok {
				continue
			}
			if !first {
				out = append(out, ',')
			}
			first = false
			out = append(wire.String(out, symbol), ':')
			out = add(out, stock, now)
		}
		wire.Write(w, http.StatusOK, append(out, tail...))
	}
}

// one answers for the symbol of a path.
func (api *API) one(name string, add appender) access.Handler {
	return func(w http.ResponseWriter, r *http.Request, _ *exchange.Account) {
		stock, err := api.pathStock(r, name)
		if err != nil {
			wire.WriteError(w, err)
			return
		}
		out := wire.String([]byte(`{"symbol":`), stock.Symbol)
		out = append(out, `,"`+name+`":`...)
		wire.Write(w, http.StatusOK, append(add(out, stock, api.Clock.Now()), '}'))
	}
}

func (api *API) snapshot(w http.ResponseWriter, r *http.Request, _ *exchange.Account) {
	stock, err := api.pathStock(r, "snapshot")
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	out := wire.String([]byte(`{"symbol":`), stock.Symbol)
	body := api.appendSnapshot(nil, stock, api.Clock.Now())
	out = append(out, ',')
	wire.Write(w, http.StatusOK, append(out, body[1:]...))
}

func (api *API) pathStock(r *http.Request, name string) (*asset.Asset, error) {
	symbol := r.PathValue("symbol")
	if err := checkFeed(r); err != nil {
		return nil, err
	}
	if !symbolPattern.MatchString(symbol) {
		return nil, wire.Plain(http.StatusBadRequest, "invalid symbol: %s", symbol)
	}
	stock, ok := api.stock(symbol)
	if !ok {
		return nil, wire.Plain(http.StatusNotFound, "no %s found for %s", name, symbol)
	}
	return stock, nil
}

func (api *API) stock(symbol string) (*asset.Asset, bool) {
	found, ok := api.Catalogue.Find(symbol)
	if !ok || found.Class != asset.Equity || found.Symbol != symbol {
		return nil, false
	}
	return found, true
}

func readSymbols(r *http.Request) ([]string, error) {
	if err := checkFeed(r); err != nil {
		return nil, err
	}
	text := r.URL.Query().Get("symbols")
	if text == "" {
		return nil, wire.Plain(http.StatusBadRequest, "symbols is required")
	}
	symbols := strings.Split(text, ",")
	for _, symbol := range symbols {
		if !symbolPattern.MatchString(symbol) {
			return nil, wire.Plain(http.StatusBadRequest, "invalid symbol: %s", symbol)
		}
	}
	slices.Sort(symbols)
	return slices.Compact(symbols), nil
}

// checkFeed refuses feeds that the latest endpoints do not have.
func checkFeed(r *http.Request) error {
	feed := r.URL.Query().Get("feed")
	if slices.Contains([]string{"", "delayed_sip", "iex", "otc", "sip", "boats", "overnight"}, feed) {
		return nil
	}
	return wire.Plain(http.StatusBadRequest, "invalid feed: %s", feed)
}
