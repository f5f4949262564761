package admin

import (
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/fault"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// maxState bounds a snapshot that is restored, in bytes.
const maxState = 1 << 30

// snapshot is the whole emulator: the clock, the prices that were set through this API, the faults, and all accounts.
type snapshot struct {
	Time   time.Time                  `json:"time"`
	Prices map[string]decimal.Decimal `json:"prices"`
	Faults []fault.Fault              `json:"faults"`
	State  exchange.SavedState        `json:"state"`
}

// pins remembers which prices were set. The zero value is ready; it may be used concurrently.
type pins struct {
	mu     sync.Mutex
	prices map[string]decimal.Decimal
}

func (p *pins) set(symbol string, price decimal.Decimal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.prices == nil {
		p.prices = make(map[string]decimal.Decimal)
	}
	p.prices[symbol] = price
}

func (p *pins) release(symbol string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.prices, symbol)
}

func (p *pins) all() map[string]decimal.Decimal {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.prices)
}

func (api *API) save(w http.ResponseWriter, _ *http.Request) {
	state, err := api.Exchange.Save()
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	write(w, http.StatusOK, snapshot{
		Time: api.Clock.Now(), Prices: api.pins.all(), Faults: api.Faults.List(), State: state,
	})
}

// restore brings everything to a snapshot, or changes nothing when its accounts do not fit.
func (api *API) restore(w http.ResponseWriter, r *http.Request) {
	var wanted snapshot
	if !readUpTo(w, r, &wanted, maxState) {
		return
	}
	if wanted.Time.IsZero() {
		refuse(w, http.StatusBadRequest, "time: want an RFC 3339 time")
		return
	}
	if err := api.Exchange.Restore(wanted.State); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	api.Clock.Set(wanted.Time)
	api.releaseAll()
	for symbol, price := range wanted.Prices {
		if err := api.Prices.SetPrice(symbol, price); err != nil {
			refuse(w, http.StatusBadRequest, "prices: "+err.Error())
			return
		}
		api.pins.set(symbol, price)
	}
	api.Faults.Clear()
	for _, f := range wanted.Faults {
		if _, err := api.Faults.Add(f); err != nil {
			refuse(w, http.StatusBadRequest, "faults: "+err.Error())
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

// reset brings accounts, faults, counters and prices back to how they were at the start. The clock goes on.
func (api *API) reset(w http.ResponseWriter, _ *http.Request) {
	api.Faults.Reset()
	api.releaseAll()
	api.Exchange.Reset()
	w.WriteHeader(http.StatusNoContent)
}

func (api *API) releaseAll() {
	for symbol := range api.pins.all() {
		_ = api.Prices.ReleasePrice(symbol) // it was known when its price was set
		api.pins.release(symbol)
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
