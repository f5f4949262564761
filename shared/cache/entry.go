package cache

import "time"

// Life is how long a value may be used, each span counted from when it was read from Alpaca.
type Life struct {
	// Fresh is how long it is current; Revalidate how much longer it is answered, as stale, while it is read anew; Stale how
	// old it may be to stand in while Alpaca fails.
	Fresh, Revalidate, Stale time.Duration
	// Negative is how long a symbol that Alpaca does not know stays unknown.
	Negative time.Duration
}

// keep is how long Redis keeps a value.
func (l Life) keep(unknown bool) time.Duration {
	if unknown {
		return l.Negative
	}
	return max(l.Fresh+l.Revalidate, l.Stale)
}

// retryFailed is how long a failure is answered at the longest before Alpaca is asked again.
const retryFailed = time.Second

func (l Life) retry() time.Duration { return min(l.Fresh, retryFailed) }

// entry is what the process knows of a key: a value, or why there is none. It never changes.
type entry struct {
	value any
	err   error
	asOf  time.Time
	life  Life
	// until is when to look again; stale says that the value was old already when it was stored here.
	until time.Time
	stale bool
}

func (e *entry) fresh(now time.Time) bool { return now.Before(e.until) }

// usable reports whether the value may stand in for a newer one.
func (e *entry) usable(now time.Time) bool {
	return e != nil && e.value != nil && now.Sub(e.asOf) <= e.life.Stale
}

// revalidating reports whether the value may be answered while it is read anew: for a moment after it was fresh, and
// for as long as it stands in for what Alpaca does not give.
func (e *entry) revalidating(now time.Time) bool {
	if e.stale {
		return e.usable(now)
	}
	return e.value != nil && now.Before(e.until.Add(e.life.Revalidate))
}

// outdated is e as it is answered while Alpaca fails.
func (e *entry) outdated(until time.Time) *entry {
	return &entry{value: e.value, asOf: e.asOf, life: e.life, until: until, stale: true}
}

// Answer is what a reader gets.
type Answer struct {
	// Value is what GroupConfig.Build made.
	Value any
	// AsOf is when it was read from Alpaca.
	AsOf time.Time
	// Fresh is how long it counts as current from then on.
	Fresh time.Duration
	// Stale says that it does not any more.
	Stale bool
}

func (e *entry) answer(now time.Time) Answer {
	return Answer{Value: e.value, AsOf: e.asOf, Fresh: e.life.Fresh, Stale: e.stale || !e.fresh(now)}
}

// Outcome is one key's share of the answer to a list.
type Outcome struct {
	Answer
	Err error
}
