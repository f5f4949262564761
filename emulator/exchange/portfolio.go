package exchange

import (
	"slices"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// EquityAt returns what the account was worth at each of the moments, which must rise; zero before it was opened. USD.
// It takes the fills after a moment back from what the account has now, as far as events go back.
func (a *Account) EquityAt(moments []time.Time) []decimal.Decimal {
	a.mu.Lock()
	defer a.mu.Unlock()
	cash := a.cash
	positions := make(map[string]holding, len(a.holdings))
	for symbol, held := range a.holdings {
		positions[symbol] = *held
	}
	equity := make([]decimal.Decimal, len(moments))
	events := a.events()
	for i, moment := range slices.Backward(moments) {
		for len(events) > 0 && events[len(events)-1].At.After(moment) {
			last := events[len(events)-1]
			events = events[:len(events)-1]
			cash = cash.Add(undo(positions, last))
		}
		if moment.Before(a.CreatedAt) {
			continue
		}
		equity[i] = cash
		for _, held := range positions {
			equity[i] = equity[i].Add(held.asset.Worth(held.qty, a.exchange.market.Price(held.asset, moment)))
		}
	}
	return equity
}

// undo takes an event out of the positions and returns what it cost.
func undo(positions map[string]holding, event *Event) decimal.Decimal {
	take := func(of *asset.Asset, qty decimal.Decimal) {
		held := positions[of.Symbol]
		held.asset, held.qty = of, held.qty.Sub(qty)
		positions[of.Symbol] = held
	}
	switch {
	case event.Adjustment != nil:
		take(event.Adjustment.Asset, event.Adjustment.Qty)
		return event.Adjustment.NetAmount.Neg()
	case event.Price == nil:
		return decimal.Decimal{}
	}
	var cost decimal.Decimal
	for _, activity := range event.Activities() {
		fill := activity.execution()
		signed := fill.qty
		if fill.side == Sell {
			signed = signed.Neg()
		}
		coins, dollars := fee(fill.of, fill.side, fill.qty, fill.price)
		take(fill.of, signed.Sub(coins))
		cost = cost.Add(fill.of.Worth(signed, fill.price)).Add(dollars)
	}
	return cost
}
