package exchange

import (
	"slices"
	"sync"
)

// book finds the orders that rest on a symbol, over all accounts.
type book struct {
	mu      sync.Mutex
	symbols map[string]map[*entry]struct{}
}

func newBook() *book { return &book{symbols: make(map[string]map[*entry]struct{})} }

// rest puts an order into the book; its account's lock is held.
func (b *book) rest(e *entry) {
	if e.resting {
		return
	}
	e.resting = true
	b.mu.Lock()
	defer b.mu.Unlock()
	orders := b.symbols[e.Asset.Symbol] // multi-leg orders are together under ""
	if orders == nil {
		orders = make(map[*entry]struct{})
		b.symbols[e.Asset.Symbol] = orders
	}
	orders[e] = struct{}{}
}

// remove takes an order out; its account's lock is held.
func (b *book) remove(e *entry) {
	if !e.resting {
		return
	}
	e.resting = false
	b.mu.Lock()
	defer b.mu.Unlock()
	orders := b.symbols[e.Asset.Symbol]
	delete(orders, e)
	if len(orders) == 0 {
		delete(b.symbols, e.Asset.Symbol)
	}
}

// all returns the resting orders by symbol. The orders may have left the book when they are looked at.
func (b *book) all() [][]*entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	groups := make([][]*entry, 0, len(b.symbols))
	for _, orders := range b.symbols {
		group := make([]*entry, 0, len(orders))
		for e := range orders {
			group = append(group, e)
		}
		groups = append(groups, group)
	}
	return groups
}

// on returns the resting orders of one symbol and of the options on it, by what they trade.
func (b *book) on(symbol string) [][]*entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	var groups [][]*entry
	for traded, orders := range b.symbols {
		var group []*entry
		for e := range orders {
			if traded == symbol || slices.Contains(e.symbols(), symbol) {
				group = append(group, e)
			} else if traded != "" {
				break // the others of the group trade the same
			}
		}
		if len(group) > 0 {
			groups = append(groups, group)
		}
	}
	return groups
}
