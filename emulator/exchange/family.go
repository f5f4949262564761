package exchange

import (
	"time"

	"github.com/google/uuid"
)

// family are the orders of one complex order. Only one of profit and stop is at work at a time, because both would close the
// same shares: the stop is held, and watched, as long as the profit waits for its price.
type family struct {
	opening      *entry // nil for OCO, which has none
	profit, stop *entry // one of them is nil for OTO
}

// parent is the order that nested views show the others under.
func (f *family) parent() *entry {
	if f.opening != nil {
		return f.opening
	}
	return f.profit
}

// legs returns the orders below the parent, the profit first.
func (f *family) legs() []*entry {
	legs := make([]*entry, 0, 2)
	for _, leg := range []*entry{f.profit, f.stop} {
		if leg != nil && leg != f.parent() {
			legs = append(legs, leg)
		}
	}
	return legs
}

// isLeg reports whether nested views show the order under another one.
func (e *entry) isLeg() bool { return e.parent != nil || e.family != nil && e.family.parent() != e }

// exitSide is the side of the orders that close what the order opens, or that it closes itself.
func (e *entry) exitSide() Side {
	if e.Intent == BuyToOpen || e.Intent == SellToClose {
		return Sell
	}
	return Buy
}

// found makes the candidate and the legs that its request describes one family.
func (a *Account) found(request OrderRequest, candidate *entry, now time.Time) {
	if !request.Class.complex() {
		return
	}
	f := &family{opening: candidate}
	if request.Class == OCO {
		f.opening, f.profit = nil, candidate
	}
	candidate.family = f
	if limit := request.TakeProfit.LimitPrice; limit.Value != nil && f.profit == nil {
		f.profit = a.draftLeg(candidate, OrderRequest{Type: Limit, LimitPrice: limit}, now)
	}
	if stop := request.StopLoss; stop.StopPrice.Value != nil {
		leg := OrderRequest{Type: Stop, StopPrice: stop.StopPrice, LimitPrice: stop.LimitPrice}
		if stop.LimitPrice.Value != nil {
			leg.Type = StopLimit
		}
		f.stop = a.draftLeg(candidate, leg, now)
	}
}

func (a *Account) draftLeg(parent *entry, request OrderRequest, now time.Time) *entry {
	request.Side, request.Class, request.TimeInForce = parent.exitSide(), parent.Class, parent.TimeInForce
	request.Qty = Amount{parent.Qty}
	leg := a.draft(request, parent.Asset, now)
	leg.Intent, leg.Status, leg.family = SellToClose, StatusHeld, parent.family
	if leg.Side == Buy {
		leg.Intent = BuyToClose
	}
	return leg
}

// registerLegs gives the legs of a family their IDs' places; they hold nothing yet.
func (a *Account) registerLegs(e *entry, now time.Time) {
	if e.combo != nil {
		for _, leg := range e.combo.legs {
			a.register(leg)
		}
	}
	if e.family == nil {
		return
	}
	for _, leg := range e.family.legs() {
		a.register(leg)
		a.emitHeld(leg, now)
	}
}

func (a *Account) emitHeld(e *entry, now time.Time) {
	if a.exchange.settings.Disputed.HeldEvents {
		a.emit(string(StatusHeld), e, now)
	}
}

// guard begins to watch the stop of an OCO order, whose shares are there already.
func (a *Account) guard(e *entry) {
	if e.family != nil && e.family.opening == nil && e.family.stop != nil {
		a.exchange.book.rest(e.family.stop)
	}
}

// familyAfter moves the rest of a family on, after an order of it filled or ended: legs go live when the opening order is
// filled completely, a profit that fills in part leaves less to stop, and any other end ends all.
func (a *Account) familyAfter(e *entry, now time.Time) {
	f := e.family
	switch {
	case f == nil || e.Status == StatusReplaced:
	case e == f.profit && f.stop != nil && f.stop.triggered: // makes room for the stop
	case e == f.opening && e.Status == StatusFilled:
		a.releaseLegs(f, now)
	case e == f.profit && f.stop != nil && !e.Status.Terminal():
		rest := e.remaining()
		f.stop.Reduced = &rest
	case e.Status.Terminal():
		for _, other := range append(f.legs(), f.parent()) {
			if !other.Status.Terminal() {
				a.end(other, StatusCanceled, now)
			}
		}
	}
}

// releaseLegs starts the exits: the profit, and the stop behind it or, when there is no profit, at once.
func (a *Account) releaseLegs(f *family, now time.Time) {
	if f.profit != nil && f.profit.Status == StatusHeld {
		a.release(f.profit, now)
	}
	if f.stop == nil || f.stop.Status != StatusHeld {
		return
	}
	if f.profit == nil {
		a.release(f.stop, now)
		return
	}
	a.exchange.book.rest(f.stop)
}

// release makes a held order a live one.
func (a *Account) release(e *entry, now time.Time) {
	e.Status, e.UpdatedAt = StatusNew, now
	a.activate(e)
	a.exchange.book.rest(e)
	a.emit(string(StatusNew), e, now).execution = uuid.New()
}

// watch lets a held stop take the profit's place once its price is reached.
func (a *Account) watch(e *entry, now time.Time) {
	e.follow(a.exchange.market.Price(e.Asset, now))
	if !e.triggered {
		a.exchange.book.rest(e)
		return
	}
	if profit := e.family.profit; profit != nil && !profit.Status.Terminal() {
		a.end(profit, StatusCanceled, now)
	}
	a.release(e, now)
}

// adopt puts a replacement where the old order was in its family.
func (f *family) adopt(old, replacement *entry) {
	if f == nil {
		return
	}
	replacement.family = f
	switch old {
	case f.opening:
		f.opening = replacement
	case f.profit:
		f.profit = replacement
	case f.stop:
		f.stop = replacement
	}
}

// nested is a snapshot with the legs under it.
func (e *entry) nested() Order {
	order := e.snapshot()
	if e.family == nil || e.isLeg() {
		return order
	}
	for _, leg := range e.family.legs() {
		order.Legs = append(order.Legs, leg.snapshot())
	}
	return order
}
