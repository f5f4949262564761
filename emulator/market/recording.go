package market

import (
	"iter"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Recording is the market of one symbol as it was, instead of the walk. It may be used concurrently.
type Recording interface {
	// Quote returns the last quote at or before a time, else the first.
	Quote(at time.Time) Quote
	// Price returns the price of the last trade at or before a time, else of the first.
	Price(at time.Time) decimal.Decimal
	// Bounds returns the times of the first and the last record.
	Bounds() (first, last time.Time)
	// Quotes and Trades yield what is in a span, in its direction.
	Quotes(span Span) iter.Seq[Quote]
	Trades(span Span) iter.Seq[Trade]
	// Bars yields the recorded bars of a timeframe; false when there are none, so that they are built from trades.
	Bars(timeframe Timeframe, span Span) (iter.Seq[Bar], bool)
}
