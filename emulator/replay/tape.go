package replay

import (
	"iter"
	"slices"
	"sort"
	"time"

	"github.com/quagmt/udecimal"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// tape is the market.Recording of one symbol, in the order of time. It is immutable and may be used concurrently.
type tape struct {
	trades    []market.Trade
	quotes    []market.Quote
	bars      []market.Bar
	timeframe market.Timeframe // of the bars
}

// newTape sorts records and moves them in time. What was not recorded is made from what was: trades from bars or quotes,
// quotes from trades.
func newTape(found *records, a *asset.Asset, zone *time.Location, shift time.Duration) *tape {
	t := &tape{trades: slices.Clone(found.trades), quotes: slices.Clone(found.quotes), bars: slices.Clone(found.bars)}
	slices.SortStableFunc(t.trades, func(a, b market.Trade) int { return a.Time.Compare(b.Time) })
	slices.SortStableFunc(t.quotes, func(a, b market.Quote) int { return a.Time.Compare(b.Time) })
	slices.SortStableFunc(t.bars, func(a, b market.Bar) int { return a.Start.Compare(b.Start) })
	t.bars = slices.CompactFunc(t.bars, func(a, b market.Bar) bool { return a.Start.Equal(b.Start) })
	for i := range t.trades {
		t.trades[i].Time = t.trades[i].Time.Add(shift)
	}
	for i := range t.quotes {
		t.quotes[i].Time = t.quotes[i].Time.Add(shift)
	}
	t.timeframe = timeframeOf(t.bars)
	for i := range t.bars {
		t.bars[i].Start = t.timeframe.Start(t.bars[i].Start.Add(shift), zone)
	}
	if len(t.trades) == 0 {
		t.trades = tradesOfBars(t.bars, t.timeframe, zone)
	}
	if len(t.trades) == 0 {
		t.trades = tradesOfQuotes(t.quotes)
	}
	if len(t.quotes) == 0 {
		t.quotes = quotesOfTrades(t.trades, a)
	}
	return t
}

// timeframeOf guesses the length of bars from the shortest distance between two; the answers do not tell.
func timeframeOf(bars []market.Bar) market.Timeframe {
	const day = 24 * time.Hour
	shortest := time.Duration(0)
	for i := 1; i < len(bars); i++ {
		if distance := bars[i].Start.Sub(bars[i-1].Start); shortest == 0 || distance < shortest {
			shortest = distance
		}
	}
	switch {
	case shortest >= 28*day:
		return market.Timeframe{Count: 1, Unit: market.Month}
	case shortest >= 6*day:
		return market.Timeframe{Count: 1, Unit: market.Week}
	case shortest >= 23*time.Hour+time.Minute:
		return market.Timeframe{Count: 1, Unit: market.Day}
	case shortest >= time.Hour:
		return market.Timeframe{Count: int(shortest / time.Hour), Unit: market.Hour}
	default:
		return market.Timeframe{Count: max(1, int(shortest/time.Minute)), Unit: market.Minute}
	}
}

// tradesOfBars makes four trades of a bar: open, low, high and close, each with a quarter of the volume.
func tradesOfBars(bars []market.Bar, timeframe market.Timeframe, zone *time.Location) []market.Trade {
	trades := make([]market.Trade, 0, 4*len(bars))
	for _, bar := range bars {
		length := timeframe.End(bar.Start, zone).Sub(bar.Start)
		quarter, err := bar.Volume.Div64(4)
		if err != nil { // cannot happen: 4 is not 0
			continue
		}
		quarter = quarter.Trunc(9)
		prices := [...]decimal.Decimal{bar.Open, bar.Low, bar.High, bar.Close}
		for i, price := range prices {
			size := quarter
			if i == len(prices)-1 {
				size = bar.Volume.Sub(quarter.Mul64(uint64(i)))
			}
			at := bar.Start.Add(length * time.Duration(i) / time.Duration(len(prices)))
			trades = append(trades, market.Trade{Time: at, Price: price, Size: size, ID: uint64(len(trades) + 1), Exchange: "V", Conditions: "@"})
		}
	}
	return trades
}

// tradesOfQuotes makes a trade in the middle of every quote that has two sides.
func tradesOfQuotes(quotes []market.Quote) []market.Trade {
	trades := make([]market.Trade, 0, len(quotes))
	for _, quote := range quotes {
		if !quote.BidPrice.IsPos() || !quote.AskPrice.IsPos() {
			continue
		}
		middle, err := quote.BidPrice.Add(quote.AskPrice).Div64(2)
		if err != nil { // cannot happen: 2 is not 0
			continue
		}
		trades = append(trades, market.Trade{
			Time: quote.Time, Price: middle, Size: udecimal.Min(quote.BidSize, quote.AskSize), ID: uint64(len(trades) + 1),
			Exchange: quote.BidExchange, Conditions: "@",
		})
	}
	return trades
}

// quotesOfTrades makes a quote a tick around every trade.
func quotesOfTrades(trades []market.Trade, a *asset.Asset) []market.Quote {
	quotes := make([]market.Quote, 0, len(trades))
	for _, trade := range trades {
		tick := decimal.MustParse("0.01")
		if a.Pair != nil {
			tick = a.Pair.PriceIncrement
		} else if trade.Price.LessThan(decimal.FromInt(1)) {
			tick = decimal.MustParse("0.0001")
		}
		bid := trade.Price.Sub(tick)
		if !bid.IsPos() {
			bid = trade.Price
		}
		quotes = append(quotes, market.Quote{
			Time: trade.Time, BidPrice: bid, AskPrice: trade.Price.Add(tick), BidSize: trade.Size, AskSize: trade.Size,
			BidExchange: trade.Exchange, AskExchange: trade.Exchange,
		})
	}
	return quotes
}

// Quote returns the last quote at or before a time, else the first.
func (t *tape) Quote(at time.Time) market.Quote {
	return last(t.quotes, func(i int) bool { return t.quotes[i].Time.After(at) })
}

// Price returns the price of the last trade at or before a time, else of the first.
func (t *tape) Price(at time.Time) decimal.Decimal {
	return last(t.trades, func(i int) bool { return t.trades[i].Time.After(at) }).Price
}

// last returns the item before the first for which after holds; the first one when there is none before; zero when
// there are no items at all.
func last[T any](items []T, after func(i int) bool) T {
	if len(items) == 0 {
		var zero T
		return zero
	}
	return items[max(0, sort.Search(len(items), after)-1)]
}

// Bounds returns the times of the first and the last record. There is always a trade or a quote.
func (t *tape) Bounds() (first, last time.Time) {
	note := func(at time.Time) {
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	if len(t.trades) > 0 {
		note(t.trades[0].Time)
		note(t.trades[len(t.trades)-1].Time)
	}
	if len(t.quotes) > 0 {
		note(t.quotes[0].Time)
		note(t.quotes[len(t.quotes)-1].Time)
	}
	return first, last
}

// Quotes yields the quotes of a span.
func (t *tape) Quotes(span market.Span) iter.Seq[market.Quote] {
	return within(t.quotes, span, func(quote *market.Quote) time.Time { return quote.Time })
}

// Trades yields the trades of a span.
func (t *tape) Trades(span market.Span) iter.Seq[market.Trade] {
	return within(t.trades, span, func(trade *market.Trade) time.Time { return trade.Time })
}

// Bars yields the bars of a span when bars of this timeframe were recorded.
func (t *tape) Bars(timeframe market.Timeframe, span market.Span) (iter.Seq[market.Bar], bool) {
	if len(t.bars) == 0 || timeframe != t.timeframe {
		return nil, false
	}
	return within(t.bars, span, func(bar *market.Bar) time.Time { return bar.Start }), true
}

// within yields the items of a span in its direction.
func within[T any](items []T, span market.Span, stamp func(*T) time.Time) iter.Seq[T] {
	first := sort.Search(len(items), func(i int) bool { return !stamp(&items[i]).Before(span.From) })
	end := sort.Search(len(items), func(i int) bool { return stamp(&items[i]).After(span.To) })
	return func(yield func(T) bool) {
		for i := range max(0, end-first) {
			at := first + i
			if span.Descending {
				at = end - 1 - i
			}
			if !yield(items[at]) {
				return
			}
		}
	}
}
