package exchange

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// inTheMoney is the gain a share from which on a contract is exercised at its expiration (Alpaca's options page).
const inTheMoney = "0.01"

// noteExpiry remembers when the first of the options held expires.
func (a *Account) noteExpiry(traded *asset.Asset) {
	if c := traded.Contract; c != nil && (a.firstExpiry.IsZero() || c.Expiration.Before(a.firstExpiry)) {
		a.firstExpiry = c.Expiration
	}
}

// expireOptions does what Alpaca does with options at their end: from half an hour before the close it sells those in the
// money that the account could not exercise, and after the close it exercises, assigns, or lets them expire.
func (a *Account) expireOptions(now time.Time) {
	for !a.firstExpiry.IsZero() && !now.Before(a.firstExpiry.Add(-beforeExpiry)) {
		moment := a.firstExpiry
		expiring := a.expiring(moment)
		if now.Before(moment) {
			a.liquidate(expiring, now)
			return
		}
		a.expire(expiring, moment)
		a.firstExpiry = time.Time{}
		for _, held := range a.holdings {
			a.noteExpiry(held.asset)
		}
	}
}

// expiring returns the options that expire at a moment, by symbol.
func (a *Account) expiring(moment time.Time) []*holding {
	var list []*holding
	for _, held := range a.holdings {
		if c := held.asset.Contract; c != nil && c.Expiration.Equal(moment) {
			list = append(list, held)
		}
	}
	slices.SortFunc(list, func(x, y *holding) int { return strings.Compare(x.asset.Symbol, y.asset.Symbol) })
	return list
}

// gainsAt reports whether exercising the contract pays at a time.
func (a *Account) gainsAt(c *asset.Contract, at time.Time) bool {
	gain := c.Intrinsic(a.exchange.settlementPrice(c, at))
	return gain.GreaterThanOrEqual(decimal.MustParse(inTheMoney))
}

// settlementPrice is what a contract is exercised against, USD a share: what it delivers is worth at the time; for contracts that
// are settled in the morning, the index as it opens.
func (x *Exchange) settlementPrice(c *asset.Contract, at time.Time) decimal.Decimal {
	if c.Morning && at.Equal(c.Expiration) {
		at = at.Add(market.Step)
	}
	return x.market.Deliverable(c, at)
}

// liquidate sells the long options in the money that the account could not exercise, after it bought back the short ones
// that they stood against.
func (a *Account) liquidate(expiring []*holding, at time.Time) {
	for _, held := range expiring {
		qty := a.unaffordable(held, expiring, at)
		if !qty.IsPos() {
			continue
		}
		c := held.asset.Contract
		for _, other := range expiring {
			o := other.asset.Contract
			if other.qty.IsNeg() && o.Type == c.Type && o.Cover() == c.Cover() && at.Before(c.Expiration) {
				a.closeOut(other, minimum(qty, other.qty.Abs()), at)
			}
		}
		a.closeOut(held, qty, at)
	}
}

// unaffordable is how many of the contracts, which are to be exercised, the account lacks the money or the shares for. Those
// that stand against short ones of the same type and day need neither: both are settled together.
func (a *Account) unaffordable(held *holding, expiring []*holding, at time.Time) decimal.Decimal {
	c := held.asset.Contract
	count := held.qty.Sub(held.notExercised)
	if c.European || !count.IsPos() || !a.gainsAt(c, at) {
		return decimal.Decimal{}
	}
	for _, other := range expiring {
		o := other.asset.Contract
		if other.qty.IsNeg() && o.Type == c.Type && o.Cover() == c.Cover() && a.gainsAt(o, at) {
			count = count.Add(other.qty)
		}
	}
	if !count.IsPos() {
		return decimal.Decimal{}
	}
	if c.Type == asset.Put {
		return positive(count.Sub(a.deliverable(c)))
	}
	affordable, err := a.regulationTPower(a.value(at)).Div(c.Strike.Mul64(asset.Multiplier))
	if err != nil { // no strike is zero
		return decimal.Decimal{}
	}
	return positive(count.Sub(affordable.Trunc(0)))
}

// deliverable is for how many contracts the account has the shares that they deliver.
func (a *Account) deliverable(c *asset.Contract) decimal.Decimal {
	least := decimal.FromInt(maxContracts)
	for _, part := range c.Deliverables {
		if part.Asset == nil {
			continue
		}
		if each, err := positive(a.positionQty(part.Asset.Symbol)).Div(part.Amount); err == nil { // no amount is zero
			least = minimum(least, each.Trunc(0))
		}
	}
	return least
}

// closeOut closes contracts at the quote by an order that Alpaca, not the client, sends; the client's own orders in them end.
func (a *Account) closeOut(held *holding, qty decimal.Decimal, at time.Time) {
	quote := a.exchange.market.Quote(held.asset, at)
	price := quote.BidPrice
	if held.qty.IsNeg() {
		price = quote.AskPrice
	}
	if !price.IsPos() || !qty.IsPos() {
		return
	}
	a.cancelOn(held.asset, at)
	request := OrderRequest{Symbol: held.asset.Symbol, Qty: Amount{&qty}, Side: held.closingSide(), Type: Market, TimeInForce: Day}
	e := a.draft(request, held.asset, at)
	a.register(e)
	a.activate(e)
	a.emit(string(StatusPendingNew), e, at)
	a.acknowledge(e, at)
	a.execute(e, qty, price, at)
}

// cancelOn ends the open orders in a contract, also as a leg.
func (a *Account) cancelOn(traded *asset.Asset, at time.Time) {
	for _, e := range a.openOrders() {
		involved := e.Asset == traded || e.Asset.Symbol == traded.Symbol
		if e.combo != nil {
			involved = slices.ContainsFunc(e.combo.legs, func(leg *entry) bool { return leg.Asset.Symbol == traded.Symbol })
		}
		if involved && !e.Status.Terminal() {
			a.end(e, StatusCanceled, at)
		}
	}
}

// expire settles the options that end at a moment: first what brings shares, so that what takes them finds them.
func (a *Account) expire(expiring []*holding, moment time.Time) {
	for _, held := range expiring {
		a.cancelOn(held.asset, moment)
	}
	a.liquidate(expiring, moment)
	for _, brings := range []bool{true, false} {
		for _, held := range expiring {
			if held.bringsShares() == brings && !a.positionQty(held.asset.Symbol).IsZero() {
				a.settleExpiry(held, moment)
			}
		}
	}
}

// bringsShares reports whether the account gets shares when the contracts are exercised.
func (h *holding) bringsShares() bool { return h.qty.IsNeg() == (h.asset.Contract.Type == asset.Put) }

func (a *Account) settleExpiry(held *holding, moment time.Time) {
	exercised := decimal.Decimal{}
	if a.gainsAt(held.asset.Contract, moment) {
		exercised = held.qty
		if held.qty.IsPos() {
			exercised = held.qty.Sub(held.notExercised)
		}
	}
	rest := held.qty.Sub(exercised)
	if !exercised.IsZero() {
		a.exercise(held.asset, exercised, moment)
	}
	if !rest.IsZero() {
		a.adjust(Expired, held.asset, rest.Neg(), nil, uuid.NewString(), moment)
	}
}

// exercise turns contracts into what they deliver: count is positive for long ones, negative for short ones that were assigned.
func (a *Account) exercise(traded *asset.Asset, count decimal.Decimal, at time.Time) {
	c, kind, group := traded.Contract, Exercised, uuid.NewString()
	if count.IsNeg() {
		kind = Assigned
	}
	a.adjust(kind, traded, count.Neg(), nil, group, at)
	if c.European {
		worth := c.Intrinsic(a.exchange.settlementPrice(c, at)).Mul(count).Mul64(asset.Multiplier)
		a.adjustCash(OptionCash, traded, worth, group, at)
		return
	}
	if c.Type == asset.Put {
		count = count.Neg()
	}
	for _, part := range c.Deliverables {
		amount := count.Mul(part.Amount)
		if part.Asset == nil {
			a.adjustCash(OptionCash, traded, amount, group, at)
			continue
		}
		price := c.PriceOf(part)
		a.adjust(OptionTrade, part.Asset, amount, &price, group, at)
		a.cancelExcess(part.Asset, at)
	}
}

// cancelExcess cancels orders to close more of a stock than is left of it, the newest first: an exercise took shares from
// under them, and no order may turn a position around.
func (a *Account) cancelExcess(stock *asset.Asset, at time.Time) {
	position := a.positionQty(stock.Symbol)
	for _, side := range []Side{Sell, Buy} {
		left, place := positive(position), queue{stock.Symbol, side}
		if side == Buy {
			left = positive(position.Neg())
		}
		for _, e := range slices.Backward(slices.Clone(a.open[place])) {
			tied, _ := a.tiedShares(place, nil)
			if tied.GreaterThan(left) && !e.Status.Terminal() && e.tied().IsPos() {
				a.end(e, StatusCanceled, at)
			}
		}
	}
}
