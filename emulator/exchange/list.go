package exchange

import (
	"slices"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Filter selects orders for GET /v2/orders. Empty fields select all; After, Until, BeforeID and AfterID are exclusive.
type Filter struct {
	Status    string // open, closed or all
	Limit     int
	After     time.Time
	Until     time.Time
	AfterID   string
	BeforeID  string
	Ascending bool
	Symbols   []string // of assets, or of what options are on
	Side      Side
	Classes   []asset.Class
	Nested    bool // legs under their parents, and not apart
}

// Order returns an order by its ID, without its legs. A *wire.Error when there is none.
func (a *Account) Order(id string) (Order, error) { return a.OrderView(id, false) }

// OrderView returns an order by its ID; nested, with its legs. A *wire.Error when there is none.
func (a *Account) OrderView(id string, nested bool) (Order, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	found, err := a.find(id)
	if err != nil {
		return Order{}, err
	}
	return found.view(nested), nil
}

func (e *entry) view(nested bool) Order {
	if nested {
		return e.nested()
	}
	return e.snapshot()
}

// OrderByClientID returns an order by its client order ID. A *wire.Error when there is none.
func (a *Account) OrderByClientID(clientOrderID string) (Order, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	found, ok := a.byClientID[clientOrderID]
	if !ok {
		return Order{}, wire.NotFound("order not found for %s", clientOrderID)
	}
	return found.snapshot(), nil
}

// Orders lists orders by the time of their submission, newest first unless the filter says otherwise.
func (a *Account) Orders(filter Filter) ([]Order, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	candidates := a.submitted
	if filter.Status == "open" {
		candidates = a.openOrders()
	}
	low, high, err := a.bounds(filter, candidates)
	if err != nil {
		return nil, err
	}
	candidates = candidates[low:max(low, high)]
	orders := make([]Order, 0, min(len(candidates), filter.Limit))
	for i := range candidates {
		e := candidates[i]
		if !filter.Ascending {
			e = candidates[len(candidates)-1-i]
		}
		if !filter.selects(e) || e.parent != nil || filter.Nested && e.isLeg() {
			continue
		}
		if orders = append(orders, e.view(filter.Nested)); len(orders) == filter.Limit {
			break
		}
	}
	return orders, nil
}

// openOrders returns the account's open orders in order of submission.
func (a *Account) openOrders() []*entry {
	var open []*entry
	for _, orders := range a.open {
		open = append(open, orders...)
	}
	slices.SortFunc(open, func(x, y *entry) int { return x.number - y.number })
	return open
}

// bounds returns the part of the candidates that lies within the filter's times and IDs.
func (a *Account) bounds(filter Filter, candidates []*entry) (low, high int, err error) {
	high = len(candidates)
	after, before := filter.AfterID, filter.BeforeID
	first := func(reached func(*entry) bool) int {
		index := slices.IndexFunc(candidates, reached)
		if index < 0 {
			return len(candidates)
		}
		return index
	}
	if after != "" {
		bound, err := a.find(after)
		if err != nil {
			return 0, 0, err
		}
		low = first(func(e *entry) bool { return e.number > bound.number })
	}
	if before != "" {
		bound, err := a.find(before)
		if err != nil {
			return 0, 0, err
		}
		high = first(func(e *entry) bool { return e.number >= bound.number })
	}
	if !filter.After.IsZero() {
		low = first(func(e *entry) bool { return e.CreatedAt.After(filter.After) })
	}
	if !filter.Until.IsZero() {
		high = first(func(e *entry) bool { return !e.CreatedAt.Before(filter.Until) })
	}
	return low, high, nil
}

func (f *Filter) selects(e *entry) bool {
	if f.Status == "closed" && !e.Status.Terminal() && e.Status != StatusHeld {
		return false // a leg that waits counts as closed
	}
	if f.Side != "" && e.Side != f.Side {
		return false
	}
	if len(f.Symbols) > 0 && !slices.ContainsFunc(e.symbols(), func(s string) bool { return slices.Contains(f.Symbols, s) }) {
		return false
	}
	class := e.Asset.Class
	if e.combo != nil {
		class = asset.Option
	}
	return len(f.Classes) == 0 || slices.Contains(f.Classes, class)
}

// symbols returns the names under which the order is found: of what it or its legs trade, and of what options are on.
func (e *entry) symbols() []string {
	names := []string{e.Asset.Symbol}
	if e.Asset.Class == asset.Crypto {
		names = append(names, strings.ReplaceAll(e.Asset.Symbol, "/", ""))
	}
	if underlying := e.underlying(); underlying != "" {
		names = append(names, underlying)
	}
	if e.combo != nil {
		for _, leg := range e.combo.legs {
			names = append(names, leg.Asset.Symbol)
		}
	}
	return names
}

// AcceptedOrder is one line of the audit: an order that the emulator took, whatever the client heard about it.
type AcceptedOrder struct {
	ID            string           `json:"id"`
	ClientOrderID string           `json:"client_order_id"`
	Symbol        string           `json:"symbol"`
	Side          Side             `json:"side"`
	Type          Type             `json:"type"`
	Class         Class            `json:"order_class"`
	TimeInForce   TimeInForce      `json:"time_in_force"`
	LimitPrice    *decimal.Decimal `json:"limit_price"`
	StopPrice     *decimal.Decimal `json:"stop_price"`
	Qty           *decimal.Decimal `json:"qty"`
	Notional      *decimal.Decimal `json:"notional"`
	AcceptedAt    time.Time        `json:"accepted_at"`
	Status        Status           `json:"status"`
	FilledQty     decimal.Decimal  `json:"filled_qty"`
	Replaces      string           `json:"replaces,omitempty"`
	// Parent is the order that this one is a leg of.
	Parent string `json:"parent,omitempty"`
}

// Accepted returns every order that the account ever accepted, oldest first: the truth that tests compare with.
func (a *Account) Accepted() []AcceptedOrder {
	a.mu.Lock()
	defer a.mu.Unlock()
	accepted := make([]AcceptedOrder, 0, len(a.submitted))
	for _, e := range a.submitted {
		accepted = append(accepted, AcceptedOrder{
			ID: e.ID, ClientOrderID: e.ClientOrderID, Symbol: e.Asset.Symbol, Side: e.Side, Type: e.Type, Qty: e.Qty,
			Notional: e.Notional, Class: e.Class, TimeInForce: e.TimeInForce, LimitPrice: e.LimitPrice,
			StopPrice: e.StopPrice, AcceptedAt: e.CreatedAt, Status: e.Status, FilledQty: e.FilledQty, Replaces: e.Replaces,
			Parent: e.parentID(),
		})
	}
	return accepted
}

// parentID returns the order that nested views show this one under; empty when it is none's leg.
func (e *entry) parentID() string {
	switch {
	case e.parent != nil:
		return e.parent.ID
	case e.isLeg():
		return e.family.parent().ID
	}
	return ""
}
