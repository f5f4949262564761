package exchange

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// acknowledge is the venue's answer to a new order.
func (a *Account) acknowledge(e *entry, now time.Time) {
	if e.Status != StatusPendingNew && e.Status != StatusAccepted {
		return
	}
	e.queued.Store(false)
	e.Status, e.UpdatedAt = StatusNew, now
	a.emit(string(StatusNew), e, now).execution = uuid.New()
}

// execute fills the order, or a part of it, at a price.
func (a *Account) execute(e *entry, qty, price decimal.Decimal, now time.Time) {
	coins, dollars := fee(e.Asset, e.Side, qty, price)
	signed := qty
	if e.Side == Sell {
		signed = qty.Neg()
	}
	first := e.FilledQty.IsZero()
	level := a.levelBefore(now)
	a.noteTrade(e.Asset, signed, now)
	a.useLocate(e, qty, now)
	a.settle(e.Asset, signed, price)
	a.notePeak(now)
	a.noteLevel(level, now)
	a.charge(e.Asset, coins, dollars)
	e.FilledQty = e.FilledQty.Add(qty)
	e.filledCost = e.filledCost.Add(qty.Mul(price))
	e.UpdatedAt = now
	done := e.Notional != nil || !e.remaining().IsPos()
	if done {
		a.finish(e, StatusFilled, now)
	} else {
		if e.Status == StatusNew {
			e.Status = StatusPartiallyFilled
		}
		a.reserve(e)
	}
	a.emitFill(e, qty, price, now)
	a.chargeCommission(e, first, now)
	a.familyAfter(e, now)
}

// finish gives the order its last status and frees what it held.
func (a *Account) finish(e *entry, status Status, now time.Time) {
	e.Status, e.UpdatedAt, e.ClosedAt = status, now, now
	place := e.queue()
	a.open[place] = slices.DeleteFunc(a.open[place], func(open *entry) bool { return open == e })
	if len(a.open[place]) == 0 {
		delete(a.open, place)
	}
	a.exchange.book.remove(e)
	a.reserve(e)
	if e.replacement != nil && status != StatusReplaced {
		a.refuseReplacement(e, now)
	}
}

// end finishes the order and tells so.
func (a *Account) end(e *entry, status Status, now time.Time) {
	a.finish(e, status, now)
	a.emit(string(status), e, now)
	a.familyAfter(e, now)
}

// trail follows the price of the last trade: the stop of a sell order trails the highest, that of a buy the lowest.
func (e *entry) trail(price decimal.Decimal) {
	if mark := e.HighWaterMark; mark != nil {
		if e.Side == Sell && price.LessThanOrEqual(*mark) || e.Side == Buy && price.GreaterThanOrEqual(*mark) {
			return
		}
	}
	var distance decimal.Decimal
	if e.TrailPrice != nil {
		distance = *e.TrailPrice
	} else {
		distance = price.Mul(*e.TrailPercent).Mul(decimal.MustParse("0.01"))
	}
	stop := price.Sub(distance)
	if e.Side == Buy {
		stop = price.Add(distance)
	}
	digits := uint8(2)
	if stop.LessThan(decimal.FromInt(1)) {
		digits = 4
	}
	stop = stop.RoundHAZ(digits)
	e.HighWaterMark, e.StopPrice = &price, &stop
}
