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
}

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
	if f := r.filled; f != nil {
		s.FilledQty, s.filledCost = f.total, f.cost
		if f.isFill {
			e.Price, e.Qty, e.PositionQty, e.SettleDate = &f.price, &f.qty, &f.positionQty, calendar.Settlement(e.At)
		}
	}
	e.Order = Order{Terms: r.terms, State: s}
	return e
}

// recordOf is the inverse of event. An error when the execution ID is no UUID.
func recordOf(e *Event) (record, error) {
	r := record{id: e.ID, at: nanosecondsOf(e.At), name: e.Name}
	r.describe(e.Order.Terms, e.Order.State)
	if e.Price != nil && e.Qty != nil && e.PositionQty != nil {
		r.fill(*e.Price, *e.Qty, *e.PositionQty)
	}
	var err error
	if e.ExecutionID != "" {
		r.execution, err = uuid.Parse(e.ExecutionID)
	}
	return r, err
}
