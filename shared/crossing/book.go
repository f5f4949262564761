package crossing

import (
	"container/heap"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

// Entry is a watch with its state, in a Book.
type Entry struct {
	*Watch
	// Fires is how often it has fired. Armed: it fires when the price is beyond the level; otherwise the price must come
	// back first.
	Fires int64
	Armed bool

	in    *queue // nil when it is in no queue
	index int
}

// queue is a heap of entries; the one at the top is the first that a moving price meets.
type queue struct {
	entries []*Entry
	// rising: the lowest level is at the top, met by a rising price.
	rising bool
}

// Len, Less, Swap, Push and Pop are container/heap's.
func (q *queue) Len() int { return len(q.entries) }

// Less orders by level.
func (q *queue) Less(i, j int) bool {
	order := q.entries[i].Level.Cmp(q.entries[j].Level.Decimal)
	if q.rising {
		return order < 0
	}
	return order > 0
}

// Swap exchanges two entries.
func (q *queue) Swap(i, j int) {
	q.entries[i], q.entries[j] = q.entries[j], q.entries[i]
	q.entries[i].index, q.entries[j].index = i, j
}

// Push adds an *Entry.
func (q *queue) Push(x any) {
	e := x.(*Entry) //nolint:forcetypeassert // only this file pushes
	e.in, e.index = q, len(q.entries)
	q.entries = append(q.entries, e)
}

// Pop removes the last entry.
func (q *queue) Pop() any {
	last := len(q.entries) - 1
	e := q.entries[last]
	q.entries[last] = nil
	q.entries = q.entries[:last]
	e.in = nil
	return e
}

// met reports whether the price has reached the top's level or, strictly, passed it.
func (q *queue) met(price decimal.Decimal, strictly bool) bool {
	if len(q.entries) == 0 {
		return false
	}
	order := price.Cmp(q.entries[0].Level.Decimal)
	if !q.rising {
		order = -order
	}
	return order > 0 || order == 0 && !strictly
}

// levels are the watches of one price of one symbol.
type levels struct {
	// above and below wait for the level; the others have fired and wait for the price to come back.
	above, below, aboveAgain, belowAgain queue
}

func newLevels() *levels {
	return &levels{above: queue{rising: true}, belowAgain: queue{rising: true}}
}

func (l *levels) queueOf(e *Entry) *queue {
	switch {
	case e.Direction == Above && e.Armed:
		return &l.above
	case e.Direction == Above:
		return &l.aboveAgain
	case e.Armed:
		return &l.below
	default:
		return &l.belowAgain
	}
}

func (l *levels) empty() bool {
	return l.above.Len()+l.below.Len()+l.aboveAgain.Len()+l.belowAgain.Len() == 0
}

// priceOf is a price of a symbol.
type priceOf struct {
	topic  tick.Topic
	source string
}

// Book holds watches so that a tick costs a comparison, and each watch that fires O(log n). It belongs to one goroutine
// at a time.
type Book struct {
	byID    map[string]*Entry
	byPrice map[priceOf]*levels
	topics  map[tick.Topic]int
}

// NewBook returns an empty book.
func NewBook() *Book {
	return &Book{byID: make(map[string]*Entry), byPrice: make(map[priceOf]*levels), topics: make(map[tick.Topic]int)}
}

// Len returns how many watches there are.
func (b *Book) Len() int { return len(b.byID) }

// Topics returns what has to be streamed, with the number of watches of each. It must not be changed.
func (b *Book) Topics() map[tick.Topic]int { return b.topics }

// Add adds a watch, or replaces the one with its ID.
func (b *Book) Add(e *Entry) {
	b.Remove(e.ID)
	b.byID[e.ID] = e
	topic := e.Topic()
	b.topics[topic]++
	key := priceOf{topic, e.Source}
	l := b.byPrice[key]
	if l == nil {
		l = newLevels()
		b.byPrice[key] = l
	}
	heap.Push(l.queueOf(e), e)
}

// Remove removes a watch, if it is there.
func (b *Book) Remove(id string) {
	e := b.byID[id]
	if e == nil {
		return
	}
	delete(b.byID, id)
	topic := e.Topic()
	if b.topics[topic]--; b.topics[topic] == 0 {
		delete(b.topics, topic)
	}
	if e.in != nil {
		heap.Remove(e.in, e.index)
	}
	key := priceOf{topic, e.Source}
	if l := b.byPrice[key]; l != nil && l.empty() {
		delete(b.byPrice, key)
	}
}

// Get returns the entry of a watch, nil without one.
func (b *Book) Get(id string) *Entry { return b.byID[id] }

// OfShard returns the watches of the accounts of a shard.
func (b *Book) OfShard(shard int) []*Entry {
	var found []*Entry
	for _, e := range b.byID {
		if store.Shard(e.AccountID) == shard {
			found = append(found, e)
		}
	}
	return found
}

// Expired returns the watches whose time is over.
func (b *Book) Expired(now time.Time) []*Entry {
	var expired []*Entry
	for _, e := range b.byID {
		if !now.Before(e.ExpiresAt) {
			expired = append(expired, e)
		}
	}
	return expired
}

// Change is a watch whose state a tick changed: it fired, or it may fire again.
type Change struct {
	Entry *Entry
	Fired bool
	// Fires and Armed are the state before the change.
	Fires int64
	Armed bool
	Price decimal.Decimal
	At    time.Time
}

// Observe evaluates one event and returns what changed. Watches that fire once are no longer in any queue, but in the
// book until they are removed.
func (b *Book) Observe(e *tick.Event) []Change {
	switch e.Kind {
	case tick.Trade:
		return b.observe(nil, priceOf{e.Topic, Trade}, e.Price, e.At)
	case tick.Quote:
		changes := b.observe(nil, priceOf{e.Topic, Bid}, e.BidPrice, e.At)
		return b.observe(changes, priceOf{e.Topic, Ask}, e.AskPrice, e.At)
	default:
		return nil
	}
}

func (b *Book) observe(changes []Change, key priceOf, price decimal.Decimal, at time.Time) []Change {
	l := b.byPrice[key]
	if l == nil || !price.IsPos() { // a side without a quote has price 0
		return changes
	}
	// First what comes back, so that a watch never fires twice at one tick.
	for _, again := range []*queue{&l.aboveAgain, &l.belowAgain} {
		for again.met(price, true) {
			changes = append(changes, l.move(again, price, at))
		}
	}
	for _, armed := range []*queue{&l.above, &l.below} {
		for armed.met(price, false) {
			changes = append(changes, l.move(armed, price, at))
		}
	}
	return changes
}

// move changes the state of the entry at the top.
func (l *levels) move(from *queue, price decimal.Decimal, at time.Time) Change {
	e := heap.Pop(from).(*Entry) //nolint:forcetypeassert // only this file pushes
	c := Change{Entry: e, Fired: e.Armed, Fires: e.Fires, Armed: e.Armed, Price: price, At: at}
	if e.Armed {
		e.Fires++
	}
	e.Armed = !e.Armed
	if !c.Fired || e.Repeat {
		heap.Push(l.queueOf(e), e)
	}
	return c
}
