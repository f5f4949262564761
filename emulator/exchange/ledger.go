package exchange

import (
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
	// contracts that are not to be exercised when they expire
	notExercised decimal.Decimal
	dismissed    bool // all of them, not a number of them
}

// averageEntry returns the cost of a share, USD; of one of its shares for an option contract.
func (h *holding) averageEntry() decimal.Decimal {
	mean, err := h.cost.Div(h.asset.Worth(h.qty, decimal.FromInt(1)))
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

// settle books a trade: signed is positive for a buy, price is USD a share. Orders never flip a position, an exercise or an
// assignment may: it takes all of it and then adds.
func (a *Account) settle(traded *asset.Asset, signed, price decimal.Decimal) {
	if before := a.positionQty(traded.Symbol); before.IsNeg() != signed.IsNeg() && signed.Abs().GreaterThan(before.Abs()) && !before.IsZero() {
		a.settle(traded, before.Neg(), price)
		signed = signed.Add(before)
	}
	value := traded.Worth(signed, price)
	a.cash = a.cash.Sub(value)
	held := a.holdings[traded.Symbol]
	if held == nil {
		held = &holding{asset: traded}
		a.holdings[traded.Symbol] = held
		a.noteExpiry(traded)
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
	held.notExercised = minimum(held.notExercised, held.qty.Abs())
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
	pool := &a.reserved
	if e.paidInFull() {
		pool = &a.reservedCash
	}
	*pool = pool.Sub(e.reserved).Add(need)
	e.reserved = need
}

// paidInFull reports whether the order trades what Alpaca lends nothing on: crypto and options.
func (e *entry) paidInFull() bool { return e.Asset.Class != asset.Equity }
