package exchange

import (
	"slices"
	"time"

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
			if last.Price != nil {
				cash = cash.Add(undo(positions, last))
			}
		}
		if moment.Before(a.CreatedAt) {
			continue
		}
		equity[i] = cash
		for _, held := range positions {
			equity[i] = equity[i].Add(held.qty.Mul(a.exchange.market.Price(held.asset, moment)))
		}
	}
	return equity
}

// undo takes a fill out of the positions and returns what it cost.
func undo(positions map[string]holding, fill *Event) decimal.Decimal {
	signed := *fill.Qty
	if fill.Order.Side == Sell {
		signed = signed.Neg()
	}
	symbol := fill.Order.Asset.Symbol
	held := positions[symbol]
	coins, dollars := fee(fill.Order.Asset, fill.Order.Side, *fill.Qty, *fill.Price)
	held.asset, held.qty = fill.Order.Asset, held.qty.Sub(signed).Add(coins)
	positions[symbol] = held
	return signed.Mul(*fill.Price).Add(dollars)
}
