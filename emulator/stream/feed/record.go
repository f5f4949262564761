package feed

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
)

// ErrUnknownSymbol is returned for a symbol that is not a stock.
var ErrUnknownSymbol = errors.New("unknown stock symbol")

// incident is something that the emulator was told to let happen.
type incident uint8

const (
	halt incident = iota
	resume
	cancelTrade
	correctTrade
)

type entry struct {
	at   time.Time
	what incident
}

// record is the list of incidents of each stock. It may be used concurrently.
type record struct {
	mu       sync.RWMutex
	bySymbol map[string][]entry
}

func newRecord() *record { return &record{bySymbol: make(map[string][]entry)} }

func (r *record) add(symbol string, e entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bySymbol[symbol] = append(r.bySymbol[symbol], e)
}

// until returns the incidents of a stock up to a time. The slice must not be changed.
func (r *record) until(symbol string, at time.Time) []entry {
	r.mu.RLock()
	defer r.mu.RUnlock()
	entries := r.bySymbol[symbol]
	for len(entries) > 0 && entries[len(entries)-1].at.After(at) {
		entries = entries[:len(entries)-1]
	}
	return entries
}

// halted reports whether trading stands still after the entries.
func halted(entries []entry) bool {
	for i := len(entries) - 1; i >= 0; i-- {
		if entries[i].what == halt || entries[i].what == resume {
			return entries[i].what == halt
		}
	}
	return false
}

// Halt stops the trades and bars of a stock on all stock streams, with a status, a price band and order imbalances, until
// Resume. Halting what is halted does nothing. ErrUnknownSymbol.
func (h *Hub) Halt(symbol string) error { return h.happen(symbol, halt) }

// Resume lets a halted stock trade again. ErrUnknownSymbol.
func (h *Hub) Resume(symbol string) error { return h.happen(symbol, resume) }

// CancelTrade cancels a stock's last trade on all stock streams. ErrUnknownSymbol.
func (h *Hub) CancelTrade(symbol string) error { return h.happen(symbol, cancelTrade) }

// CorrectTrade corrects the size of a stock's last trade on all stock streams. ErrUnknownSymbol.
func (h *Hub) CorrectTrade(symbol string) error { return h.happen(symbol, correctTrade) }

// Halted reports whether a stock is halted.
func (h *Hub) Halted(symbol string) bool { return halted(h.record.until(symbol, h.Clock.Now())) }

func (h *Hub) happen(symbol string, what incident) error {
	found, ok := h.Catalogue.Find(symbol)
	if !ok || found.Class != asset.Equity || found.Symbol != symbol {
		return fmt.Errorf("%w: %q", ErrUnknownSymbol, symbol)
	}
	if (what == halt || what == resume) && h.Halted(symbol) == (what == halt) {
		return nil
	}
	h.record.add(symbol, entry{h.Clock.Now(), what})
	return nil
}
