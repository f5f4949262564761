// Package trading serves the Trading API: accounts, orders, positions, assets, clock and calendar.
package trading

import (
	"io"
	"net/http"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/data"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// maxBody bounds request bodies, in bytes.
const maxBody = 1 << 20

// API answers the Trading API's requests. It may be used concurrently.
type API struct {
	Catalogue *asset.Catalogue
	Clock     *session.Clock
	Market    *market.Market
	// Listing returns an asset as it is at the moment.
	Listing func(*asset.Asset) *asset.Asset
	// Announcements returns the corporate actions whose dates may lie in a span of dates, both midnights UTC, by ID in
	// the order in which they are processed.
	Announcements func(from, to time.Time) []data.Announcement
}

// Register adds the endpoints to mux, each behind the gate.
func (api *API) Register(mux *http.ServeMux, gate *access.Gate) {
	for pattern, handler := range map[string]access.Handler{
		"GET /v2/account":                   getAccount,
		"GET /v2/account/configurations":    getConfiguration,
		"PATCH /v2/account/configurations":  patchConfiguration,
		"GET /v2/account/activities":        api.getActivities,
		"GET /v2/account/activities/{type}": api.getActivities,
		"GET /v2/account/portfolio/history": api.getPortfolioHistory,
		"GET /v2/watchlists":                api.getWatchlists,
		"POST /v2/watchlists":               api.postWatchlist,
		"GET /v2/watchlists/{watchlist}":    api.getWatchlist,
		"PUT /v2/watchlists/{watchlist}":    api.putWatchlist,
		"POST /v2/watchlists/{watchlist}":   api.addToWatchlist,
		"DELETE /v2/watchlists/{watchlist}": api.deleteWatchlist,
		"GET /v2/watchlists:by_name":        api.getWatchlist,
		"PUT /v2/watchlists:by_name":        api.putWatchlist,
		"POST /v2/watchlists:by_name":       api.addToWatchlist,
		"DELETE /v2/watchlists:by_name":     api.deleteWatchlist,

		"DELETE /v2/watchlists/{watchlist}/{symbol...}": api.removeFromWatchlist,

		"GET /v2/options/contracts/{contract}": api.getContract,

		"GET /v2/corporate_actions/announcements":                api.getAnnouncements,
		"GET /v2/corporate_actions/announcements/{announcement}": api.getAnnouncement,

		"GET /v1/locates":          api.getLocates,
		"POST /v1/locates":         postLocate,
		"GET /v1/locates/quotes":   getLocateQuotes,
		"GET /v1/locates/{locate}": api.getLocate,

		"GET /v3/clock":                     api.getClockV3,
		"GET /v3/calendar/{market}":         api.getCalendarV3,
		"GET /v2/clock":                     api.getClock,
		"GET /v2/calendar":                  api.getCalendar,
		"GET /v2/assets":                    api.getAssets,
		"GET /v2/assets/{asset}":            api.getAsset,
		"GET /v2/options/contracts":         api.getContracts,
		"POST /v2/orders":                   postOrder,
		"GET /v2/orders":                    getOrders,
		"DELETE /v2/orders":                 deleteOrders,
		"GET /v2/orders/{order}":            getOrder,
		"PATCH /v2/orders/{order}":          patchOrder,
		"DELETE /v2/orders/{order}":         deleteOrder,
		"GET /v2/orders:by_client_order_id": getOrderByClientID,
		"GET /v2/positions":                 getPositions,
		"DELETE /v2/positions":              deletePositions,
		"GET /v2/positions/{asset}":         getPosition,
		"DELETE /v2/positions/{asset}":      deletePosition,

		"POST /v2/positions/exercise":                exercisePosition((*exchange.Account).Exercise),
		"POST /v2/positions/do-not-exercise":         exercisePosition((*exchange.Account).DoNotExercise),
		"POST /v2/positions/{asset}/exercise":        exercisePosition((*exchange.Account).Exercise),
		"POST /v2/positions/{asset}/do-not-exercise": exercisePosition((*exchange.Account).DoNotExercise),
	} {
		mux.Handle(pattern, gate.ForTrading(handler))
	}
}

// body reads a request body; a *wire.Error when it is too large or broken off.
func body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > maxBody {
		return nil, wire.Plain(http.StatusRequestEntityTooLarge, "request body too large")
	}
	content, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, wire.BadBody()
	}
	return content, nil
}
