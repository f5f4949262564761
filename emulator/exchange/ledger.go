package exchange

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// holding is a position: qty is negative when short, cost is what was paid for it (negative when short), both exact.
type holding struct {
	asset *asset.Asset
	qty   decimal.Decimal
	cost  decimal.Decimal
	// of the shares and cost that were there at the last close, what is left: the rest was bought today.
	overnightQty decimal.Decimal
}

// averageEntry returns the cost of a share, USD.
func (h *holding) averageEntry() decimal.Decimal {
	mean, err := h.cost.Div(h.qty)
	if err != nil { // a holding without shares is removed at once
		return decimal.Decimal{}
	}
	return mean.RoundHAZ(averageDigits)
}

// closingSide is the side of an order that takes from the position.
func (h *holding) closingSide() Side {
	if h.qty.IsNeg() {
		return Buy
	}
	return Sell
}

// settle books a trade: signed is positive for a buy, price is USD a share. Orders never flip a position, so a trade
// either adds to it or takes from it.
func (a *Account) settle(traded *asset.Asset, signed, price decimal.Decimal) {
	value := signed.Mul(price)
	a.cash = a.cash.Sub(value)
	held := a.holdings[traded.Symbol]
	if held == nil {
		held = &holding{asset: traded}
		a.holdings[traded.Symbol] = held
	}
	before := held.qty
	held.qty = before.Add(signed)
	if held.qty.IsZero() {
		delete(a.holdings, traded.Symbol)
		return
	}
	if before.IsZero() || before.IsNeg() == signed.IsNeg() {
		held.cost = held.cost.Add(value)
		return
	}
	share, err := held.cost.Mul(held.qty).Div(before)
	if err == nil { // before is not zero here
		held.cost = share
	}
	if held.overnightQty.Abs().GreaterThan(held.qty.Abs()) {
		held.overnightQty = held.qty
	}
}

// charge takes a fee; coins stay part of what the position cost.
func (a *Account) charge(traded *asset.Asset, coins, dollars decimal.Decimal) {
	a.cash = a.cash.Sub(dollars)
	if held := a.holdings[traded.Symbol]; held != nil {
		held.qty = held.qty.Sub(coins)
	}
}

func (a *Account) positionQty(symbol string) decimal.Decimal {
	if held := a.holdings[symbol]; held != nil {
		return held.qty
	}
	return decimal.Decimal{}
}

// reserve brings the buying power that an order holds up to date. Every change of an order's state ends here.
func (a *Account) reserve(e *entry) {
	need := e.need()
	if e.replaces != nil && e.replaces.replacement == e {
		// Until the venue agrees to a replacement, the larger of the two orders counts.
		need = positive(need.Sub(e.replaces.need()))
	}
	a.reserved = a.reserved.Sub(e.reserved).Add(need)
	e.reserved = need
}

// valuation is what an account is worth at a moment, USD.
type valuation struct {
	long, short decimal.Decimal // short is negative
	equity      decimal.Decimal
}

func (v valuation) gross() decimal.Decimal { return v.long.Sub(v.short) }

func (a *Account) value(at time.Time) valuation {
	var v valuation
	for _, held := range a.holdings {
		worth := held.qty.Mul(a.exchange.market.Price(held.asset, at))
		if held.qty.IsNeg() {
			v.short = v.short.Add(worth)
		} else {
			v.long = v.long.Add(worth)
		}
	}
	v.equity = a.cash.Add(v.long).Add(v.short)
	return v
}

// minimumMarginEquity is the equity below which an account trades on cash alone (FINRA Rule 4210), USD.
const minimumMarginEquity = 2000

func (a *Account) multiplier(equity decimal.Decimal) int64 {
	if equity.LessThan(decimal.FromInt(minimumMarginEquity)) {
		return 1
	}
	switch a.configuration.MaxMarginMultiplier {
	case "1":
		return 1
	case "2":
		return 2
	default:
		return 4
	}
}

func (a *Account) shortingEnabled(equity decimal.Decimal) bool {
	return a.multiplier(equity) > 1 && !a.configuration.NoShorting
}

// buyingPower returns what the account may still open positions for, USD: the multiplier's share of its equity, less
// what positions and open orders take. On a cash account it is the cash that no order holds.
func (a *Account) buyingPower(v valuation) decimal.Decimal {
	multiplier := a.multiplier(v.equity)
	if multiplier == 1 {
		return positive(a.cash.Sub(a.reserved))
	}
	return positive(v.equity.Mul(decimal.FromInt(multiplier)).Sub(v.gross()).Sub(a.reserved))
}
