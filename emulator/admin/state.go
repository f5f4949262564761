package admin

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/fault"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// maxState bounds a snapshot that is restored, in bytes.
const maxState = 1 << 30

// snapshot is the whole emulator: the clock, the prices that are held, the faults, the data plans, and all accounts.
type snapshot struct {
	Time   time.Time                  `json:"time"`
	Prices map[string]decimal.Decimal `json:"prices"`
	Faults []fault.Fault              `json:"faults"`
	Plans  map[string]access.Plan     `json:"plans"`
	State  exchange.SavedState        `json:"state"`
}

func (api *API) save(w http.ResponseWriter, _ *http.Request) {
	state, err := api.Exchange.Save()
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	write(w, http.StatusOK, snapshot{
		Time: api.Clock.Now(), Prices: api.Prices.Pinned(), Faults: api.Faults.List(), Plans: api.Plans.All(), State: state,
	})
}

// restore brings everything to a snapshot, or changes nothing when a part of it does not fit.
func (api *API) restore(w http.ResponseWriter, r *http.Request) {
	var wanted snapshot
	if !readUpTo(w, r, &wanted, maxState) {
		return
	}
	if err := api.apply(&wanted); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (api *API) apply(wanted *snapshot) error {
	if wanted.Time.IsZero() {
		return errors.New("time: want an RFC 3339 time")
	}
	for symbol, price := range wanted.Prices {
		if err := api.Prices.CheckPrice(symbol, price); err != nil {
			return fmt.Errorf("prices: %w", err)
		}
	}
	if err := fault.Check(wanted.Faults); err != nil {
		return fmt.Errorf("faults: %w", err)
	}
	if err := new(access.Plans).Restore(wanted.Plans); err != nil {
		return fmt.Errorf("plans: %w", err)
	}
	if err := api.Exchange.Restore(wanted.State); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	api.Clock.Set(wanted.Time)
	api.releaseAll()
	var problems error // none is possible: all was checked
	for symbol, price := range wanted.Prices {
		problems = errors.Join(problems, api.Prices.SetPrice(symbol, price))
	}
	return errors.Join(problems, api.Faults.Restore(wanted.Faults), api.Plans.Restore(wanted.Plans))
}

// reset brings accounts, faults, counters, limits, data plans and prices back to how they were at the start. The clock goes on.
func (api *API) reset(w http.ResponseWriter, _ *http.Request) {
	api.Faults.Reset()
	api.releaseAll()
	api.Gate.Trading.Reset()
	api.Gate.Data.Reset()
	api.Plans.Reset()
	api.Exchange.Reset()
	w.WriteHeader(http.StatusNoContent)
}

func (api *API) releaseAll() {
	for symbol := range api.Prices.Pinned() {
		_ = api.Prices.ReleasePrice(symbol) // it was known when its price was set
	}
}

func (api *API) halt(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		Symbol string `json:"symbol"`
	}
	if !read(w, r, &wanted) {
		return
	}
	if wanted.Symbol == "" {
		refuse(w, http.StatusBadRequest, "symbol: must not be empty")
		return
	}
	api.Exchange.Halt(wanted.Symbol)
	w.WriteHeader(http.StatusNoContent)
}

func (api *API) resume(w http.ResponseWriter, r *http.Request) {
	api.Exchange.Resume(r.PathValue("symbol"))
	w.WriteHeader(http.StatusNoContent)
}

// listing changes what holds for a stock.
func (api *API) listing(change func(symbol string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var wanted struct {
			Symbol string `json:"symbol"`
		}
		if !read(w, r, &wanted) {
			return
		}
		if err := change(wanted.Symbol); err != nil {
			refuse(w, http.StatusBadRequest, "symbol: "+err.Error())
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// unlisting takes such a change back.
func (api *API) unlisting(change func(symbol string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		change(r.PathValue("symbol"))
		w.WriteHeader(http.StatusNoContent)
	}
}

// disconnect breaks open streams, all or those of a key or path.
func (api *API) disconnect(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		KeyID string `json:"key_id"`
		Path  string `json:"path"`
	}
	if !read(w, r, &wanted) {
		return
	}
	write(w, http.StatusOK, map[string]int{"disconnected": api.Faults.Disconnect(wanted.KeyID, wanted.Path)})
}
