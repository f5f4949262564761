package exchange

import (
	"maps"
	"sync"
	"time"
)

// marks are symbols that something holds for, with the moment since when. The zero value is ready; it may be used concurrently.
type marks struct {
	mu    sync.RWMutex
	since map[string]time.Time
}

func (m *marks) has(symbol string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	_, ok := m.since[symbol]
	return ok
}

// set marks a symbol, unless it is marked already.
func (m *marks) set(symbol string, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.since == nil {
		m.since = make(map[string]time.Time)
	}
	if _, ok := m.since[symbol]; !ok {
		m.since[symbol] = now
	}
}

func (m *marks) remove(symbol string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.since, symbol)
}

// all returns the marked symbols.
func (m *marks) all() map[string]time.Time {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return maps.Clone(m.since)
}

func (m *marks) replace(by map[string]time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.since = maps.Clone(by)
}

// Halt stops all executions in a symbol: orders are taken and canceled, but wait.
func (x *Exchange) Halt(symbol string) { x.halts.set(symbol, x.clock.Now()) }

// Resume ends a halt; what is marketable then fills before Resume returns.
func (x *Exchange) Resume(symbol string) {
	x.halts.remove(symbol)
	x.SweepSymbol(symbol)
}

// Halted returns the halted symbols, in no order.
func (x *Exchange) Halted() []string {
	halted := x.halts.all()
	list := make([]string, 0, len(halted))
	for symbol := range halted {
		list = append(list, symbol)
	}
	return list
}
