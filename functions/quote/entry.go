package quote

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// entry is what is known of a symbol: an encoded quote, or why there is none. It never changes.
type entry struct {
	data  []byte // an encoded StockQuote, nil with err
	stale []byte // data marked as stale, when that is what to answer
	err   error
	asOf  time.Time
	// until is when to look again.
	until time.Time
}

func newEntry(data []byte, asOf time.Time, ttl time.Duration) *entry {
	return &entry{data: data, asOf: asOf, until: asOf.Add(ttl)}
}

// unknownEntry remembers that Alpaca has nothing about symbol.
func unknownEntry(symbol string, until time.Time) *entry {
	return failedEntry(problem.SymbolNotFound.New("no stock with the symbol %s is known", symbol).With("symbol", symbol), until)
}

// failedEntry answers err until then, so that a failing Alpaca is asked about a symbol as rarely as a working one.
func failedEntry(err error, until time.Time) *entry { return &entry{err: err, until: until} }

// outdated is e as it is answered while Alpaca fails.
func (e *entry) outdated(until time.Time) *entry {
	stale := e.stale
	if stale == nil {
		stale = markStale(e.data)
	}
	return &entry{data: e.data, stale: stale, asOf: e.asOf, until: until}
}

func (e *entry) fresh(now time.Time) bool { return now.Before(e.until) }

// quotable reports whether e holds a quote that is not older than age.
func (e *entry) quotable(now time.Time, age time.Duration) bool {
	return e != nil && e.data != nil && now.Sub(e.asOf) <= age
}

// newer returns the one of two entries, nil allowed, that was read from Alpaca last.
func newer(a, b *entry) *entry {
	if a == nil || (b != nil && b.asOf.After(a.asOf)) {
		return b
	}
	return a
}

// origin is where an answer came from.
type origin uint8

const (
	fromMemory origin = iota
	fromRedis
	fromUpstream
)

// answer is what a reader gets.
type answer struct {
	*entry
	origin origin
}

// body is the JSON to answer with.
func (a answer) body() []byte {
	if a.stale != nil {
		return a.stale
	}
	return a.data
}
