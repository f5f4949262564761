package feed

import (
	"hash/fnv"
	"iter"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	newsdesk "github.com/opitios-ai/alpaca-knative/emulator/news"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// source makes the messages of a class of feeds. Its methods are called with the feed locked.
type source interface {
	// symbols returns what a star stands for.
	symbols() []string
	// tick publishes what happened after from, up to to.
	tick(f *feed, from, to time.Time)
	// book returns a whole order book; false when there is none.
	book(w *watch, at time.Time) (*wire.Object, bool)
}

// watch is what a feed knows of a symbol that somebody wants.
type watch struct {
	symbol  string
	looked  bool         // the rest is set
	asset   *asset.Asset // nil when there is no such thing
	quote   market.Quote
	trade   market.Trade // the last one; stocks only
	levels  *depth
	mark    int // the last entry of the record before it was wanted
	entries int // of the record that were told
}

// missed is how many minutes, articles and the like a feed catches up with when its clock jumps.
const missed = 5

// steps returns the multiples of width after from, up to to; only the last few when there are many.
func steps(from, to time.Time, width time.Duration) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		last := to.Truncate(width)
		first := from.Truncate(width).Add(width)
		if oldest := last.Add(-(missed - 1) * width); first.Before(oldest) {
			first = oldest
		}
		for at := first; !at.After(last); at = at.Add(width) {
			if !yield(at) {
				return
			}
		}
	}
}

// sourceOf returns what makes the messages of an endpoint.
func (h *Hub) sourceOf(e *endpoint) source {
	switch e.class {
	case Test:
		return &testFeed{}
	case Crypto:
		return &cryptoFeed{World: h.World, perpetual: e.has(pricing)}
	case Options:
		return &optionFeed{World: h.World}
	case News:
		return &newsFeed{World: h.World, desk: newsdesk.NewDesk(h.Seed, h.Catalogue)}
	default:
		return &stockFeed{World: h.World, record: h.record, venue: e.venue, night: e.night, roundLots: h.settings.RoundLots}
	}
}

// bookless is a source without order books.
type bookless struct{}

func (bookless) book(*watch, time.Time) (*wire.Object, bool) { return nil, false }

// symbolsOf returns the symbols of the assets of a class.
func symbolsOf(all []*asset.Asset, class asset.Class) []string {
	symbols := make([]string, 0, len(all))
	for _, a := range all {
		if a.Class == class {
			symbols = append(symbols, a.Symbol)
		}
	}
	return symbols
}

// hashOf hashes a symbol.
func hashOf(symbol string) uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(symbol)) // never fails
	return hash.Sum64()
}

// mix hashes two words into one (SplitMix64's finalizer).
func mix(a, b uint64) uint64 {
	x := a ^ b*0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}
