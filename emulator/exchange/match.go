package exchange

import (
	"context"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// look brings an order as far as the market lets it: expire, wake up at the open, trigger, fill.
func (a *Account) look(e *entry, now time.Time) {
	if e.Status.Terminal() || e.Status == StatusPendingNew {
		return
	}
	if e.TimeInForce.auctioned() && !a.halted(e) && !now.Before(e.ExpiresAt) {
		a.auction(e, now)
		return
	}
	if !now.Before(e.ExpiresAt) {
		a.end(e, a.exchange.endOfDay(e), now)
		return
	}
	if a.lostLocate(e, now) {
		a.end(e, StatusCanceled, now)
		return
	}
	if !a.eligible(e, now) || a.halted(e) {
		a.exchange.book.rest(e)
		return
	}
	if e.Status == StatusHeld {
		a.watch(e, now)
	}
	if e.Status == StatusHeld {
		return
	}
	a.acknowledge(e, now)
	if e.TimeInForce == AtClose {
		a.exchange.book.rest(e)
		return
	}
	if e.combo != nil {
		a.fillCombo(e, now)
	} else {
		a.fillWhileMarketable(e, now)
	}
	if e.Status.Terminal() {
		return
	}
	if e.TimeInForce == ImmediateOrCancel || e.TimeInForce == FillOrKill {
		a.end(e, StatusCanceled, now)
		return
	}
	a.exchange.book.rest(e)
}

// endOfDay is the last status of an order whose time is over.
func (x *Exchange) endOfDay(e *entry) Status {
	if e.TimeInForce == Day && x.settings.Disputed.CanceledAtClose {
		return StatusCanceled
	}
	return StatusExpired
}

// halted reports whether trading is halted in what the order trades, or in the stock that its options are on.
func (a *Account) halted(e *entry) bool {
	x := a.exchange
	return x.halts.has(e.Asset.Symbol) || x.halts.has(e.underlying()) || x.offerings.has(e.Asset.Symbol)
}

// fillWhileMarketable fills once. What a partial fill leaves is looked at again with the next price, or at once when
// the exchange runs without latency.
func (a *Account) fillWhileMarketable(e *entry, now time.Time) {
	quote := a.exchange.quote(e.Asset, now)
	e.follow(a.exchange.market.Price(e.Asset, now))
	for !e.Status.Terminal() {
		price, ok := e.executable(quote)
		if !ok {
			return
		}
		qty := e.quantityAt(price)
		if !qty.IsPos() {
			a.end(e, StatusCanceled, now) // the dollars do not buy the smallest fraction of a share
			return
		}
		if qty = a.releasable(e, qty); !qty.IsPos() {
			return
		}
		a.execute(e, a.fillSize(e, qty), price, now)
		if a.exchange.settings.FillLatency >= 0 || e.TimeInForce == ImmediateOrCancel {
			return
		}
	}
}

// follow applies the last trade's price to a stop.
func (e *entry) follow(price decimal.Decimal) {
	if e.triggered || e.StopPrice == nil {
		return
	}
	if e.Type == TrailingStop {
		e.trail(price)
	}
	if e.Side == Buy {
		e.triggered = price.GreaterThanOrEqual(*e.StopPrice)
	} else {
		e.triggered = price.LessThanOrEqual(*e.StopPrice)
	}
}

// executable returns the price at which the order trades with the quote: buys at the ask, sells at the bid, limit orders
// only when the quote reaches the limit.
func (e *entry) executable(quote market.Quote) (decimal.Decimal, bool) {
	if e.StopPrice != nil && !e.triggered {
		return decimal.Decimal{}, false
	}
	limit := e.LimitPrice
	if e.Type == Stop && e.Side == Buy {
		bound := collar(*e.StopPrice)
		limit = &bound
	}
	if e.Side == Buy {
		return quote.AskPrice, limit == nil || limit.GreaterThanOrEqual(quote.AskPrice)
	}
	// Nobody may bid for an option contract.
	return quote.BidPrice, quote.BidPrice.IsPos() && (limit == nil || limit.LessThanOrEqual(quote.BidPrice))
}

// quantityAt returns the shares still to fill at a price.
func (e *entry) quantityAt(price decimal.Decimal) decimal.Decimal {
	if e.Notional == nil {
		return e.remaining()
	}
	qty, err := e.Notional.Sub(e.filledCost).Div(price)
	if err != nil { // no quote has the price zero
		return decimal.Decimal{}
	}
	qty = qty.Trunc(quantityDigits)
	if e.Side == Sell {
		return minimum(qty, e.account.positionQty(e.Asset.Symbol))
	}
	return qty
}

// sweepUntil looks at the resting orders with every new price until ctx ends.
func (x *Exchange) sweepUntil(ctx context.Context) {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			x.Sweep()
		}
	}
}

// Sweep looks at all resting orders and at the options that end once.
func (x *Exchange) Sweep() {
	now := x.clock.Now()
	for _, a := range x.Accounts() {
		a.mu.Lock()
		a.advance(now)
		a.mu.Unlock()
	}
	x.recallShorts(now)
	for _, group := range x.book.all() {
		x.sweep(group)
	}
}

// SweepSymbol looks at the resting orders of one symbol, whose price somebody just set, and of the options on it.
func (x *Exchange) SweepSymbol(symbol string) {
	for _, group := range x.book.on(symbol) {
		x.sweep(group)
	}
}

func (x *Exchange) sweep(group []*entry) {
	if len(group) == 0 {
		return
	}
	now := x.clock.Now()
	var quote market.Quote
	if group[0].combo == nil {
		quote = x.quote(group[0].Asset, now)
	}
	for _, e := range group {
		if e.combo == nil && e.idle(quote, now) {
			continue
		}
		e.account.mu.Lock()
		if e.resting {
			e.account.advance(now)
			e.account.look(e, now)
		}
		e.account.mu.Unlock()
	}
}

// idle reports, from what never changes about an order and so without its account's lock, that a look would do nothing.
func (e *entry) idle(quote market.Quote, now time.Time) bool {
	if e.Type != Limit || !now.Before(e.ExpiresAt) || e.queued.Load() {
		return false
	}
	_, ok := e.executable(quote)
	return !ok
}
