package trading

import (
	"encoding/json"
	"net/http"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// watchlistKey is the ID in the path, or the name of a :by_name route.
func watchlistKey(r *http.Request) exchange.WatchlistKey {
	if id := r.PathValue("watchlist"); id != "" {
		return exchange.WatchlistKey{ID: id}
	}
	return exchange.WatchlistKey{Name: r.URL.Query().Get("name")}
}

func (api *API) getWatchlists(w http.ResponseWriter, _ *http.Request, account *exchange.Account) {
	out := []byte{'['}
	for i, list := range account.Watchlists() {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendWatchlist(out, account.ID, &list), '}')
	}
	wire.Write(w, http.StatusOK, append(out, ']'))
}

func (api *API) postWatchlist(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
	content, err := body(w, r)
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	change, err := exchange.DecodeWatchlist(content)
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	created, err := account.CreateWatchlist(change)
	api.writeWatchlist(w, account, created, err)
}

func (api *API) getWatchlist(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
	found, err := account.Watchlist(watchlistKey(r))
	api.writeWatchlist(w, account, found, err)
}

func (api *API) putWatchlist(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
	content, err := body(w, r)
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	change, err := exchange.DecodeWatchlist(content)
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	changed, err := account.UpdateWatchlist(watchlistKey(r), change)
	api.writeWatchlist(w, account, changed, err)
}

// addToWatchlist is POST on a watchlist, which appends one symbol.
func (api *API) addToWatchlist(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
	content, err := body(w, r)
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	var wanted struct {
		Symbol string `json:"symbol"`
	}
	if json.Unmarshal(content, &wanted) != nil {
		wire.WriteError(w, wire.BadBody())
		return
	}
	if wanted.Symbol == "" {
		wire.WriteError(w, wire.Shape("symbol is required"))
		return
	}
	changed, err := account.AddToWatchlist(watchlistKey(r), wanted.Symbol)
	api.writeWatchlist(w, account, changed, err)
}

func (api *API) removeFromWatchlist(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
	changed, err := account.RemoveFromWatchlist(watchlistKey(r), r.PathValue("symbol"))
	api.writeWatchlist(w, account, changed, err)
}

func (api *API) deleteWatchlist(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
	if err := account.DeleteWatchlist(watchlistKey(r)); err != nil {
		wire.WriteError(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (api *API) writeWatchlist(w http.ResponseWriter, account *exchange.Account, list exchange.Watchlist, err error) {
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	out := append(appendWatchlist(nil, account.ID, &list), `,"assets":[`...)
	for i, symbol := range list.Symbols {
		if i > 0 {
			out = append(out, ',')
		}
		if listed, ok := api.Catalogue.Find(symbol); ok {
			out = appendAsset(out, api.Listing(listed))
		}
	}
	wire.Write(w, http.StatusOK, append(out, ']', '}'))
}

// appendWatchlist leaves the object open.
func appendWatchlist(dst []byte, accountID string, list *exchange.Watchlist) []byte {
	dst = wire.String(append(dst, `{"id":`...), list.ID)
	dst = wire.String(append(dst, `,"account_id":`...), accountID)
	dst = wire.Time(append(dst, `,"created_at":`...), list.CreatedAt)
	dst = wire.Time(append(dst, `,"updated_at":`...), list.UpdatedAt)
	return wire.String(append(dst, `,"name":`...), list.Name)
}
