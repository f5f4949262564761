package feed

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// depth is an order book: the best price of each side comes first.
type depth struct {
	at         time.Time
	bids, asks side
}

// side is one side of an order book.
type side []level

type level struct{ price, size decimal.Decimal }

// changes returns the levels that make next of s; a size of 0 removes a level.
func (s side) changes(next side) side {
	before := make(map[decimal.Decimal]decimal.Decimal, len(s))
	for _, l := range s {
		before[l.price] = l.size
	}
	var changed side
	for _, l := range next {
		if size, had := before[l.price]; !had || !size.Equal(l.size) {
			changed = append(changed, l)
		}
		delete(before, l.price)
	}
	for _, l := range s {
		if _, gone := before[l.price]; gone {
			changed = append(changed, level{price: l.price})
		}
	}
	return changed
}

func (s side) objects() []wire.Object {
	list := make([]wire.Object, len(s))
	for i := range s {
		list[i].Number("p", s[i].price).Number("s", s[i].size)
	}
	return list
}

// bookMessage describes a whole order book (reset) or its changes.
func bookMessage(o *wire.Object, symbol string, at time.Time, bids, asks side, reset bool) *wire.Object {
	o.Reset().String("T", "o").String("S", symbol).Time("t", at).Objects("b", bids.objects()).Objects("a", asks.objects())
	if reset {
		o.Bool("r", true)
	}
	return o
}

// ladder is how many levels each side of an order book has.
const ladder = 10

// depth returns the order book around the quote that was looked at last, as the REST API shows it: prices a spread apart,
// sizes that grow with the distance.
func (c *cryptoFeed) depth(w *watch) *depth {
	quote := &w.quote
	book := &depth{at: quote.Time}
	step := quote.AskPrice.Sub(quote.BidPrice)
	for i := range uint64(ladder) {
		book.asks = append(book.asks, level{quote.AskPrice.Add(step.Mul64(i)), quote.AskSize.Mul64(i + 1)})
		if below := quote.BidPrice.Sub(step.Mul64(i)); below.IsPos() {
			book.bids = append(book.bids, level{below, quote.BidSize.Mul64(i + 1)})
		}
	}
	return book
}
