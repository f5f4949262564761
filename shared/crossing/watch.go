// Package crossing watches price levels: who wants to know when the price of a symbol reaches a level puts a watch into
// Redis; the feed evaluates all of them on every tick and emits ai.opitios.quote.crossed, each crossing once.
package crossing

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

// The directions.
const (
	Above = "above"
	Below = "below"
)

// The prices that can be watched.
const (
	Trade = "trade"
	Bid   = "bid"
	Ask   = "ask"
)

// Watch is a level that somebody watches. It does not change.
type Watch struct {
	ID        string `json:"id"`
	AccountID string `json:"account_id"`
	// RuleID is the owner's own name of what the crossing is for; it comes back in the event.
	RuleID     string `json:"rule_id,omitempty"`
	AssetClass string `json:"asset_class" enum:"us_equity,us_option,crypto"`
	Symbol     string `json:"symbol"`
	// Direction is Above or Below: the watch fires when the price is at the level or beyond it.
	Direction string         `json:"direction" enum:"above,below"`
	Level     decimal.Number `json:"level"`
	// Source is the price that counts: Trade, Bid or Ask.
	Source string `json:"source" enum:"trade,bid,ask"`
	// Repeat fires again each time that the price comes back from the other side; otherwise the watch ends when it fires.
	Repeat    bool      `json:"repeat"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Topic is what has to be streamed for the watch.
func (w *Watch) Topic() tick.Topic {
	class, _ := tick.ParseClass(w.AssetClass)
	kind := tick.Quote
	if w.Source == Trade {
		kind = tick.Trade
	}
	return tick.Topic{Class: class, Kind: kind, Symbol: w.Symbol}
}
