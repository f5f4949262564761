package exchange

import (
	"sort"
	"time"

	"github.com/google/uuid"
	"github.com/oklog/ulid/v2"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Event is one trade update. Events are immutable.
type Event struct {
	ID          ulid.ULID
	At          time.Time
	Name        string
	Order       Order
	ExecutionID string

	// Of this fill; nil on other events. Price is USD a share, PositionQty the signed position after it.
	Price, Qty, PositionQty *decimal.Decimal
	SettleDate              string

	zone *time.Location // New York
}

// history is an account's events, oldest first. The oldest are dropped beyond limit.
type history struct {
	events  []*Event
	first   int // how many events were dropped before events[0]
	limit   int
	entropy *ulid.MonotonicEntropy
	last    time.Time

	subscriptions map[*Subscription]struct{}
}

func (h *history) add(event *Event) {
	if len(h.events) >= h.limit {
		drop := max(1, h.limit/10)
		h.events = append(make([]*Event, 0, h.limit), h.events[drop:]...)
		h.first += drop
	}
	h.events = append(h.events, event)
	for subscription := range h.subscriptions {
		subscription.wake()
	}
}

// stamp returns a time that never runs backwards and an ID that grows with it, also when the clock was set back.
func (h *history) stamp(now time.Time) (time.Time, ulid.ULID) {
	at := now.Truncate(time.Microsecond)
	if at.Before(h.last) {
		at = h.last
	}
	h.last = at
	id, err := ulid.New(ulid.Timestamp(at), h.entropy)
	if err != nil { // the entropy of one millisecond is used up after 2^48 events
		return at, ulid.Make()
	}
	return at, id
}

// emit records that an order reached its present state.
func (a *Account) emit(name string, e *entry, now time.Time) *Event {
	at, id := a.history.stamp(now)
	event := &Event{ID: id, At: at, Name: name, Order: e.snapshot()}
	a.history.add(event)
	return event
}

// emitFill records an execution.
func (a *Account) emitFill(e *entry, qty, price decimal.Decimal, now time.Time) {
	name := "fill"
	if e.Status != StatusFilled {
		name = "partial_fill"
	}
	position := a.positionQty(e.Asset.Symbol)
	at, id := a.history.stamp(now)
	a.history.add(&Event{
		ID: id, At: at, Name: name, Order: e.snapshot(), ExecutionID: uuid.NewString(),
		Price: &price, Qty: &qty, PositionQty: &position, zone: a.exchange.clock.Calendar.Location(),
		SettleDate: a.exchange.clock.Calendar.Settlement(now),
	})
}

// Subscription reads an account's events in order, from a point in the past on. It is for one goroutine; events that it
// is too slow for are counted, never waited for. Close it when done.
type Subscription struct {
	account *Account
	next    int
	signal  chan struct{}
}

// Position is where a Subscription begins: after an event, at a time, or (zero) with the next event.
type Position struct {
	After ulid.ULID
	Since time.Time
}

// Subscribe begins to read the account's events.
func (a *Account) Subscribe(from Position) *Subscription {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &Subscription{account: a, signal: make(chan struct{}, 1), next: a.history.first + len(a.history.events)}
	switch {
	case from.After != ulid.ULID{}:
		s.next = a.history.seek(func(e *Event) bool { return e.ID.Compare(from.After) > 0 })
	case !from.Since.IsZero():
		s.next = a.history.seek(func(e *Event) bool { return !e.At.Before(from.Since) })
	}
	a.history.subscriptions[s] = struct{}{}
	return s
}

// seek returns the number of the first event for which reached is true; it is true for all events after that one.
func (h *history) seek(reached func(*Event) bool) int {
	return h.first + sort.Search(len(h.events), func(i int) bool { return reached(h.events[i]) })
}

// Signal is readable after events were added; read it, then call Take until it returns none.
func (s *Subscription) Signal() <-chan struct{} { return s.signal }

// Take returns up to limit new events, and how many were dropped before them because they were read too slowly.
func (s *Subscription) Take(limit int) (events []*Event, dropped int) {
	s.account.mu.Lock()
	defer s.account.mu.Unlock()
	h := &s.account.history
	if s.next < h.first {
		dropped = h.first - s.next
		s.next = h.first
	}
	from := s.next - h.first
	to := min(len(h.events), from+limit)
	s.next += to - from
	return append(events, h.events[from:to]...), dropped
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.account.mu.Lock()
	defer s.account.mu.Unlock()
	delete(s.account.history.subscriptions, s)
}

func (s *Subscription) wake() {
	select {
	case s.signal <- struct{}{}:
	default:
	}
}
