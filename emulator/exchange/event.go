package exchange

import (
	"sort"
	"time"

	"github.com/google/uuid"
	"github.com/oklog/ulid/v2"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Event is one trade update. Events are immutable.
type Event struct {
	ID          ulid.ULID
	At          time.Time
	Name        string
	Order       Order
	ExecutionID string

	// Of this fill; nil on other events. Price is USD a share (of a multi-leg order: of a unit's shares, net), PositionQty
	// the signed position after it.
	Price, Qty, PositionQty *decimal.Decimal
	Legs                    []LegFill // of a fill of a multi-leg order
	SettleDate              string

	Adjustment *Adjustment // of what is no trade; Order is empty then

	zone *time.Location // New York
}

// LegFill is what a fill of a multi-leg order was for one leg.
type LegFill struct {
	ExecutionID, OrderID    string
	Asset                   *asset.Asset
	Side                    Side
	Qty, Price, PositionQty decimal.Decimal
}

// IsActivity reports whether the event moved money or positions, as account activities do.
func (e *Event) IsActivity() bool { return e.Adjustment != nil || e.Price != nil }

// history is an account's events, oldest first. The oldest are dropped beyond limit.
type history struct {
	records []record
	first   int // how many events were dropped before records[0]
	limit   int
	entropy *ulid.MonotonicEntropy
	last    time.Time

	subscriptions map[*Subscription]struct{}
}

func (h *history) add(added record) *record {
	if len(h.records) >= h.limit {
		drop := max(1, h.limit/10)
		h.records = append(make([]record, 0, h.limit), h.records[drop:]...)
		h.first += drop
	}
	h.records = append(h.records, added)
	for subscription := range h.subscriptions {
		subscription.wake()
	}
	return &h.records[len(h.records)-1]
}

// events returns all events that are kept, oldest first; a.mu is held.
func (a *Account) events() []*Event {
	all := make([]*Event, len(a.history.records))
	for i := range all {
		all[i] = a.history.records[i].event(a)
	}
	return all
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

// emit records that an order reached its present state. What it returns is valid until the next event.
func (a *Account) emit(name string, e *entry, now time.Time) *record {
	if e.combo != nil {
		e.mirror()
	}
	at, id := a.history.stamp(now)
	added := record{id: id, at: nanosecondsOf(at), name: name}
	added.describe(e.Terms, e.State)
	if e.combo != nil {
		added.extra = &extra{legs: e.snapshot().Legs}
	}
	return a.history.add(added)
}

// emitFill records an execution.
func (a *Account) emitFill(e *entry, qty, price decimal.Decimal, now time.Time) {
	name := "fill"
	if e.Status != StatusFilled {
		name = "partial_fill"
	}
	added := a.emit(name, e, now)
	added.execution = uuid.New()
	added.fill(price, qty, a.positionQty(e.Asset.Symbol))
}

// settlement is the date on which a trade settles: the New York date for crypto, else a trading day later.
func (x *Exchange) settlement(traded *asset.Asset, now time.Time) string {
	if traded.Class == asset.Crypto {
		return now.In(x.clock.Location()).Format(time.DateOnly)
	}
	if day, ok := x.clock.Night(now); ok { // of the trading day that the night belongs to
		now = day.Open
	}
	return x.clock.Calendar.Settlement(now)
}

// Subscription reads an account's events in order, from a point in the past on. It is for one goroutine; events that it
// is too slow for are counted, never waited for. Close it when done.
type Subscription struct {
	account *Account
	wanted  func(*record) bool
	next    int
	signal  chan struct{}
}

// Position is where a Subscription begins: after an event, at a time, or (zero) with the next event.
type Position struct {
	After ulid.ULID
	Since time.Time
}

// Subscribe begins to read the account's trade updates.
func (a *Account) Subscribe(from Position) *Subscription {
	return a.subscribe(from, (*record).isUpdate)
}

// SubscribeActivities begins to read what moves the account's money and positions.
func (a *Account) SubscribeActivities(from Position) *Subscription {
	return a.subscribe(from, (*record).isActivity)
}

func (a *Account) subscribe(from Position, wanted func(*record) bool) *Subscription {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &Subscription{account: a, wanted: wanted, signal: make(chan struct{}, 1), next: a.history.first + len(a.history.records)}
	switch {
	case from.After != ulid.ULID{}:
		s.next = a.history.seek(func(r *record) bool { return r.id.Compare(from.After) > 0 })
	case !from.Since.IsZero():
		s.next = a.history.seek(func(r *record) bool { return !timeOf(r.at).Before(from.Since) })
	}
	a.history.subscriptions[s] = struct{}{}
	return s
}

// seek returns the number of the first event for which reached is true; it is true for all events after that one.
func (h *history) seek(reached func(*record) bool) int {
	return h.first + sort.Search(len(h.records), func(i int) bool { return reached(&h.records[i]) })
}

// Signal is readable after events were added; read it, then call Take until it returns none.
func (s *Subscription) Signal() <-chan struct{} { return s.signal }

// Take returns up to limit new events, and how many were dropped before them because they were read too slowly. When it
// returns none, there are none.
func (s *Subscription) Take(limit int) (events []*Event, dropped int) {
	s.account.mu.Lock()
	defer s.account.mu.Unlock()
	h := &s.account.history
	if s.next < h.first {
		dropped = h.first - s.next
		s.next = h.first
	}
	for ; s.next < h.first+len(h.records) && len(events) < limit; s.next++ {
		if kept := &h.records[s.next-h.first]; s.wanted(kept) {
			events = append(events, kept.event(s.account))
		}
	}
	return events, dropped
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
