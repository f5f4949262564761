// Package data serves the Market Data API.
package data

import (
	"iter"
	"net/http"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
)

// API answers the Market Data API's requests. It may be used concurrently.
type API struct {
	Catalogue *asset.Catalogue
	Clock     *session.Clock
	Market    *market.Market
	// Plans are the accounts' subscriptions; nil: all have Algo Trader Plus.
	Plans *access.Plans
	// Readings choose between contradicting reports.
	Readings access.Readings
	// Heartbeat is how often a quiet event stream carries a comment; zero: 15 s.
	Heartbeat time.Duration
	// Seed decides news and corporate actions.
	Seed uint64
}

type barSequence = iter.Seq[market.Bar]

// NewsPath is the address of news, which the news stream shares.
const NewsPath = "/v1beta1/news"

// News returns the endpoint of NewsPath for requests that do not ask for a WebSocket.
func (api *API) News(gate *access.Gate) http.Handler { return gate.ForData(api.news()) }

// Register adds the endpoints to mux, each behind the gate; all but News.
func (api *API) Register(mux *http.ServeMux, gate *access.Gate) {
	api.registerStocks(mux, gate)
	api.registerCrypto(mux, gate)
	api.registerOptions(mux, gate)
	mux.Handle("GET /v1/corporate-actions", gate.ForData(api.corporateActions))
	mux.Handle("GET /v1beta1/corporate-actions", gate.ForData(api.corporateActions))
	mux.Handle("GET /v1beta1/events/corporate-actions", gate.ForData(api.streamActions))
	mux.Handle("GET /v1beta1/screener/stocks/most-actives", gate.ForData(api.mostActives))
	mux.Handle("GET /v1beta1/screener/{market}/movers", gate.ForData(api.movers))
	mux.Handle("GET /v1beta1/forex/latest/rates", gate.ForData(api.latestRates))
	mux.Handle("GET /v1beta1/forex/rates", gate.ForData(api.historicalRates))
	mux.Handle("GET /v1beta1/logos/{symbol}", gate.ForData(api.logo))
}
