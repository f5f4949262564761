package exchange

import (
	"time"

	"github.com/google/uuid"
	"github.com/oklog/ulid/v2"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// record is an Event as an account keeps it. Every order has three or more for ever, which makes them most of what an
// emulator holds: a record has few pointers and no second copy of what can be told from the order.
type record struct {
	id        ulid.ULID
	at        int64 // UNIX nanoseconds, as all times here; 0 for the zero time
	name      string
	execution uuid.UUID // zero: none
	terms     *Terms
	status    Status
	updated   int64
	closed    int64
	filled    *filling // nil while nothing is filled
	rest      *State   // what the fields above do not say; nil: nothing
	extra     *extra   // of multi-leg orders and of what is no trade
}

// extra is what only few events have.
type extra struct {
	legs       []Order     // of a multi-leg order
	fills      []LegFill   // of a fill of one
	adjustment *Adjustment // the event is no trade and about no order
}

// isUpdate reports whether the event is about an order, as trade updates are.
func (r *record) isUpdate() bool { return r.terms != nil }

// isActivity reports whether the event moved money or positions, as account activities do.
func (r *record) isActivity() bool { return r.terms == nil || r.filled != nil && r.filled.isFill }

// filling is how far an order is filled, and the fill that the event is about, if it is about one.
type filling struct {
	total, cost             decimal.Decimal
	isFill                  bool
	price, qty, positionQty decimal.Decimal
}

func nanosecondsOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func timeOf(nanoseconds int64) time.Time {
	if nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanoseconds).UTC()
}

// describe makes the record say what state the order is in.
func (r *record) describe(terms *Terms, s State) {
	r.terms, r.status = terms, s.Status
	r.updated, r.closed = nanosecondsOf(s.UpdatedAt), nanosecondsOf(s.ClosedAt)
	if !s.FilledQty.IsZero() || !s.filledCost.IsZero() {
		r.filled = &filling{total: s.FilledQty, cost: s.filledCost}
	}
	s.Status, s.UpdatedAt, s.ClosedAt = "", time.Time{}, time.Time{}
	s.FilledQty, s.filledCost = decimal.Decimal{}, decimal.Decimal{}
	if s != (State{}) {
		r.rest = &s
	}
}

// fill makes the record one of a fill.
func (r *record) fill(price, qty, positionQty decimal.Decimal) {
	if r.filled == nil {
		r.filled = &filling{}
	}
	r.filled.isFill, r.filled.price, r.filled.qty, r.filled.positionQty = true, price, qty, positionQty
}

// event returns the record as what it is about.
func (r *record) event(a *Account) *Event {
	var s State
	if r.rest != nil {
		s = *r.rest
	}
	s.Status, s.UpdatedAt, s.ClosedAt = r.status, timeOf(r.updated), timeOf(r.closed)
	calendar := a.exchange.clock.Calendar
	e := &Event{ID: r.id, At: timeOf(r.at), Name: r.name, zone: calendar.Location()}
	if r.execution != (uuid.UUID{}) {
		e.ExecutionID = r.execution.String()
	}
	if r.terms == nil {
		e.Adjustment = r.extra.adjustment
		return e
	}
	if f := r.filled; f != nil {
		s.FilledQty, s.filledCost = f.total, f.cost
		if f.isFill {
			e.Price, e.Qty, e.PositionQty, e.SettleDate = &f.price, &f.qty, &f.positionQty, a.exchange.settlement(r.terms.Asset, e.At)
		}
	}
	e.Order = Order{Terms: r.terms, State: s}
	if r.extra != nil {
		e.Order.Legs, e.Legs = r.extra.legs, r.extra.fills
		e.PositionQty = nil // every leg has its own
	}
	return e
}

// recordOf is the inverse of event. An error when the execution ID is no UUID.
func recordOf(e *Event) (record, error) {
	r := record{id: e.ID, at: nanosecondsOf(e.At), name: e.Name}
	if e.Adjustment != nil {
		r.extra = &extra{adjustment: e.Adjustment}
		return r, nil
	}
	r.describe(e.Order.Terms, e.Order.State)
	if len(e.Order.Legs) > 0 {
		r.extra = &extra{legs: e.Order.Legs, fills: e.Legs}
	}
	if e.Price != nil && e.Qty != nil {
		position := decimal.Decimal{}
		if e.PositionQty != nil {
			position = *e.PositionQty
		}
		r.fill(*e.Price, *e.Qty, position)
	}
	var err error
	if e.ExecutionID != "" {
		r.execution, err = uuid.Parse(e.ExecutionID)
	}
	return r, err
}
