package exchange

import "sync"

// halts are the symbols whose trading is halted. The zero value is ready; it may be used concurrently.
type halts struct {
	mu      sync.RWMutex
	symbols map[string]bool
}

func (h *halts) has(symbol string) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.symbols[symbol]
}

// Halt stops all executions in a symbol: orders are taken and canceled, but wait.
func (x *Exchange) Halt(symbol string) {
	x.halts.mu.Lock()
	defer x.halts.mu.Unlock()
	if x.halts.symbols == nil {
		x.halts.symbols = make(map[string]bool)
	}
	x.halts.symbols[symbol] = true
}

// Resume ends a halt; what is marketable then fills before Resume returns.
func (x *Exchange) Resume(symbol string) {
	x.halts.mu.Lock()
	delete(x.halts.symbols, symbol)
	x.halts.mu.Unlock()
	x.SweepSymbol(symbol)
}

// Halted returns the halted symbols, in no order.
func (x *Exchange) Halted() []string {
	x.halts.mu.RLock()
	defer x.halts.mu.RUnlock()
	list := make([]string, 0, len(x.halts.symbols))
	for symbol := range x.halts.symbols {
		list = append(list, symbol)
	}
	return list
}
