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
	// number counts the entries of all symbols: at a clock that stands still, times don't say what came first.
	number int
}

// record is the list of incidents of each symbol. It may be used concurrently.
type record struct {
	mu       sync.RWMutex
	bySymbol map[string][]entry
	halted   map[string]bool
	entered  int
}

func newRecord() *record {
	return &record{bySymbol: make(map[string][]entry), halted: make(map[string]bool)}
}

func (r *record) add(symbol string, at time.Time, what incident) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.enter(symbol, at, what)
}

// enter adds an entry. r.mu is held.
func (r *record) enter(symbol string, at time.Time, what incident) {
	r.entered++
	r.bySymbol[symbol] = append(r.bySymbol[symbol], entry{at, what, r.entered})
}

// last is the number of the newest entry.
func (r *record) last() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.entered
}

// upTo counts a symbol's entries up to a time that also have at most a number.
func (r *record) upTo(symbol string, at time.Time, number int) int {
	entries := r.until(symbol, at)
	count := 0
	for count < len(entries) && entries[count].number <= number {
		count++
	}
	return count
}

// observe enters the halts that began or ended since it was called last, given those in force.
func (r *record) observe(halts []string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(halts)+len(r.halted) == 0 {
		return
	}
	still := make(map[string]bool, len(halts))
	for _, symbol := range halts {
		still[symbol] = true
		if !r.halted[symbol] {
			r.enter(symbol, now, halt)
		}
	}
	for symbol := range r.halted {
		if !still[symbol] {
			r.enter(symbol, now, resume)
		}
	}
	r.halted = still
}

// until returns the incidents of a symbol up to a time. The slice must not be changed.
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

// CancelTrade cancels a stock's last trade on all stock streams. ErrUnknownSymbol.
func (h *Hub) CancelTrade(symbol string) error { return h.happen(symbol, cancelTrade) }

// CorrectTrade corrects the size of a stock's last trade on all stock streams. ErrUnknownSymbol.
func (h *Hub) CorrectTrade(symbol string) error { return h.happen(symbol, correctTrade) }

func (h *Hub) happen(symbol string, what incident) error {
	found, ok := h.Catalogue.Find(symbol)
	if !ok || found.Class != asset.Equity || found.Symbol != symbol {
		return fmt.Errorf("%w: %q", ErrUnknownSymbol, symbol)
	}
	h.record.add(symbol, h.Clock.Now(), what)
	return nil
}

// observe takes notice of the exchange's halts.
func (h *Hub) observe() { h.record.observe(h.Gate.Accounts.Halted(), h.Clock.Now()) }
