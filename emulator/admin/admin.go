// Package admin is the emulator's own API, on its own port: faults, prices, the clock, and the audit of orders.
package admin

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/fault"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// maxBody bounds request bodies, in bytes.
const maxBody = 1 << 20

// Prices sets the price of a symbol.
type Prices interface {
	// SetPrice pins the price; an error when there is no such symbol.
	SetPrice(symbol string, price decimal.Decimal) error
	// ReleasePrice lets the price walk again; an error when there is no such symbol.
	ReleasePrice(symbol string) error
	// CheckPrice returns the error that SetPrice would.
	CheckPrice(symbol string, price decimal.Decimal) error
	// Pinned returns the prices that are set.
	Pinned() map[string]decimal.Decimal
}

// API answers the admin requests. It may be used concurrently.
type API struct {
	Exchange *exchange.Exchange
	Clock    *session.Clock
	Faults   *fault.Registry
	Gate     *access.Gate
	Plans    *access.Plans
	Prices   Prices
}

// Handler returns the API.
func (api *API) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /emulator/healthz", func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /emulator/accounts", api.accounts)
	mux.HandleFunc("POST /emulator/account", api.restrict)
	mux.HandleFunc("GET /emulator/audit", api.audit)
	mux.HandleFunc("GET /emulator/margin-calls", api.marginCalls)
	mux.HandleFunc("GET /emulator/counters", api.counters)
	mux.HandleFunc("GET /emulator/answers", api.answers)
	mux.HandleFunc("GET /emulator/profile/{name}", api.profile)
	mux.HandleFunc("GET /emulator/faults", api.listFaults)
	mux.HandleFunc("POST /emulator/faults", api.addFault)
	mux.HandleFunc("DELETE /emulator/faults", api.clearFaults)
	mux.HandleFunc("DELETE /emulator/faults/{id}", api.removeFault)
	mux.HandleFunc("POST /emulator/price", api.setPrice)
	mux.HandleFunc("DELETE /emulator/price/{symbol}", api.releasePrice)
	mux.HandleFunc("POST /emulator/clock", api.setClock)
	mux.HandleFunc("POST /emulator/halt", api.halt)
	mux.HandleFunc("DELETE /emulator/halt/{symbol}", api.resume)
	mux.HandleFunc("POST /emulator/offering", api.listing(api.Exchange.Offer))
	mux.HandleFunc("DELETE /emulator/offering/{symbol}", api.unlisting(api.Exchange.FirstTrade))
	mux.HandleFunc("POST /emulator/hard-to-borrow", api.listing(api.Exchange.MakeHardToBorrow))
	mux.HandleFunc("DELETE /emulator/hard-to-borrow/{symbol}", api.unlisting(api.Exchange.MakeEasyToBorrow))
	mux.HandleFunc("POST /emulator/disconnect", api.disconnect)
	mux.HandleFunc("POST /emulator/reset", api.reset)
	mux.HandleFunc("GET /emulator/snapshot", api.save)
	mux.HandleFunc("PUT /emulator/snapshot", api.restore)
	return mux
}

func (api *API) accounts(w http.ResponseWriter, _ *http.Request) {
	type account struct {
		ID     string `json:"id"`
		KeyID  string `json:"key_id"`
		Number string `json:"account_number"`
	}
	opened := api.Exchange.Accounts()
	list := make([]account, 0, len(opened))
	for _, opened := range opened {
		list = append(list, account{opened.ID, opened.KeyID, opened.Number})
	}
	write(w, http.StatusOK, list)
}

// restrict changes what an account may do: what is left out is as it is for every paper account.
func (api *API) restrict(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		KeyID string `json:"key_id"`
		exchange.Restriction
		exchange.Privilege
	}
	if !read(w, r, &wanted) {
		return
	}
	account, ok := api.Exchange.Account(wanted.KeyID)
	if !ok {
		refuse(w, http.StatusNotFound, "key_id: no such account")
		return
	}
	if err := account.Restrict(wanted.Restriction, wanted.Privilege); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (api *API) audit(w http.ResponseWriter, r *http.Request) {
	account, ok := api.Exchange.Account(r.URL.Query().Get("key_id"))
	if !ok {
		refuse(w, http.StatusNotFound, "key_id: no such account")
		return
	}
	write(w, http.StatusOK, account.Accepted())
}

// marginCalls tells what the intraday margin rule called of an account.
func (api *API) marginCalls(w http.ResponseWriter, r *http.Request) {
	account, ok := api.Exchange.Account(r.URL.Query().Get("key_id"))
	if !ok {
		refuse(w, http.StatusNotFound, "key_id: no such account")
		return
	}
	write(w, http.StatusOK, account.IntradayMargin())
}

// counters tells how often each key was refused with 429.
func (api *API) counters(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, map[string]any{
		"rate_limited": map[string]any{"trading": api.Gate.Trading.Refused(), "data": api.Gate.Data.Refused()},
	})
}

// answers tells how many answers of each status every key got, and how many streams are open.
func (api *API) answers(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, map[string]any{"answers": api.Faults.Answers(), "streams": api.Faults.Streams()})
}

func (api *API) listFaults(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, api.Faults.List())
}

func (api *API) addFault(w http.ResponseWriter, r *http.Request) {
	var wanted fault.Fault
	if !read(w, r, &wanted) {
		return
	}
	added, err := api.Faults.Add(wanted)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	write(w, http.StatusCreated, added)
}

func (api *API) clearFaults(w http.ResponseWriter, _ *http.Request) {
	api.Faults.Clear()
	w.WriteHeader(http.StatusNoContent)
}

func (api *API) removeFault(w http.ResponseWriter, r *http.Request) {
	if !api.Faults.Remove(r.PathValue("id")) {
		refuse(w, http.StatusNotFound, "id: no such fault")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (api *API) setPrice(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		Symbol string         `json:"symbol"`
		Price  decimal.Number `json:"price"`
	}
	if !read(w, r, &wanted) {
		return
	}
	if err := api.Prices.SetPrice(wanted.Symbol, wanted.Price.Decimal); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (api *API) releasePrice(w http.ResponseWriter, r *http.Request) {
	if err := api.Prices.ReleasePrice(r.PathValue("symbol")); err != nil {
		refuse(w, http.StatusNotFound, err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (api *API) setClock(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		Time           time.Time `json:"time"`
		AdvanceSeconds int64     `json:"advance_seconds"`
	}
	if !read(w, r, &wanted) {
		return
	}
	if wanted.Time.IsZero() == (wanted.AdvanceSeconds == 0) {
		refuse(w, http.StatusBadRequest, "want either time, an RFC 3339 time, or advance_seconds")
		return
	}
	if wanted.AdvanceSeconds != 0 {
		wanted.Time = api.Clock.Now().Add(time.Duration(wanted.AdvanceSeconds) * time.Second)
	}
	api.Clock.Set(wanted.Time)
	api.Exchange.Sweep()
	write(w, http.StatusOK, map[string]time.Time{"time": api.Clock.Now()})
}

// read decodes a body strictly; false when the refusal is already written.
func read(w http.ResponseWriter, r *http.Request, target any) bool {
	return readUpTo(w, r, target, maxBody)
}

func readUpTo(w http.ResponseWriter, r *http.Request, target any, limit int64) bool {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, limit))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(target)
	if err == nil {
		if _, rest := decoder.Token(); !errors.Is(rest, io.EOF) {
			err = errors.New("data after the JSON value")
		}
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return false
	}
	return true
}

func refuse(w http.ResponseWriter, status int, message string) {
	write(w, status, map[string]string{"message": message})
}

func write(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // a client that is gone is not our error
}
