// Package cache keeps market data in three levels: in the memory of the process, in Redis for all instances, and at
// Alpaca. Readers that want the same thing at the same time share one read, in the process and over all instances, and
// different symbols that are wanted within a few milliseconds share one upstream call.
//
// Whoever learns of something newer than what Redis has, such as the feed, writes it with Shared.PutTicks; whoever needs
// a price and can't wait for Alpaca, such as the price collar of an order, reads it with Shared.Last. docs/quotes.md
// describes the form of what is in Redis.
package cache

import "github.com/opitios-ai/alpaca-knative/shared/store"

// Kind is what a Key names.
type Kind string

// KindLatest is the newest quote, trade, bars and greeks of a symbol, of a stock, an option or a crypto pair: their
// symbols never coincide. It is the one kind that consists of parts, which are written one by one; of every other kind
// a key's value is one document.
const KindLatest Kind = "latest"

// The kinds of documents.
const (
	KindBars      Kind = "bars"
	KindTrades    Kind = "trades"
	KindChain     Kind = "chain"
	KindOrderBook Kind = "orderbook"
	KindClock     Kind = "clock"
	KindCalendar  Kind = "calendar"
)

// Key names one value.
type Key struct {
	Kind Kind
	// Symbol is canonical. All keys of a symbol share a hash slot.
	Symbol string
	// Query is what else a document depends on, in a canonical form; empty for KindLatest.
	Query string
}

// Latest is the key of what is newest of a symbol.
func Latest(symbol string) Key { return Key{Kind: KindLatest, Symbol: symbol} }

// record is the Redis key of the value.
func (k Key) record() string {
	if k.Kind == KindLatest {
		return store.QuoteKey(k.Symbol)
	}
	return store.DocumentKey(string(k.Kind), k.Symbol, k.Query)
}

// lease is the Redis key of the lease on fetching the value.
func (k Key) lease() string { return store.FetchLeaseKey(string(k.Kind), k.Symbol, k.Query) }
