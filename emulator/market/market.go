// Package market is the emulated market: quotes, trades and bars of every symbol at any moment, drawn from a seed.
package market

import (
	"maps"
	"sync"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Step is how often a price can change.
const Step = 250 * time.Millisecond

// Schedule tells when the stock exchange is open. Crypto trades at all times, options in the regular session.
type Schedule interface {
	// Stretch returns the stretch of one phase that t lies in.
	Stretch(t time.Time) session.Stretch
	// TradingDay returns the calendar's day on t's New York date, and false for a day without a session.
	TradingDay(t time.Time) (session.Day, bool)
	// Location is New York's zone.
	Location() *time.Location
}

// Market answers for every asset of a catalogue. It may be used concurrently.
type Market struct {
	seed       uint64
	schedule   Schedule
	amplitudes amplitudes
	days       dayCache
	lasts      lastPrices

	mu       sync.RWMutex
	pinned   map[string]decimal.Decimal
	recorded map[string]Recording
}

// New returns a market whose prices depend on nothing but seed, symbol and time.
func New(seed uint64, schedule Schedule) *Market {
	return &Market{
		seed: seed, schedule: schedule, amplitudes: newAmplitudes(),
		pinned: make(map[string]decimal.Decimal), recorded: make(map[string]Recording),
	}
}

// Pin holds a symbol's price: the last trade is at price, the quote one tick around it, until Unpin. Option contracts
// follow the pinned price of their underlying.
func (m *Market) Pin(symbol string, price decimal.Decimal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pinned[symbol] = price
}

// Unpin lets the symbol walk again.
func (m *Market) Unpin(symbol string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.pinned, symbol)
}

// Pinned returns the prices that are held.
func (m *Market) Pinned() map[string]decimal.Decimal {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return maps.Clone(m.pinned)
}

// Replay makes a recording the market of a symbol.
func (m *Market) Replay(symbol string, recording Recording) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.recorded[symbol] = recording
}

// overrides returns what stands in for the walk of a symbol: a pinned price in nanos, or a recording.
func (m *Market) overrides(symbol string) (pinned int64, recording Recording) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if len(m.pinned) > 0 {
		if price, ok := m.pinned[symbol]; ok {
			return nanosOf(price), nil
		}
	}
	return 0, m.recorded[symbol]
}

// Quote returns the best bid and offer at a time: the last one that was made while the asset traded. The quote of an
// option contract that nobody bids for has a bid of 0.
func (m *Market) Quote(a *asset.Asset, at time.Time) Quote {
	s := m.series(a)
	if s.recording != nil {
		return s.recording.Quote(at)
	}
	moment := s.quoteMoment(at)
	return s.quote(moment)
}

// nightSpread is by how many ticks each side of a stock's quote is wider in the overnight session.
const nightSpread = 4

// NightQuote returns the quote of a stock at a moment of the overnight session, when no exchange trades: the walk goes on, with
// fewer people around it.
func (m *Market) NightQuote(a *asset.Asset, at time.Time) Quote {
	s := m.series(a)
	if s.recording != nil || s.pinned > 0 {
		return m.Quote(a, at)
	}
	quote := s.quote(floorDivide(at.UnixNano(), int64(Step)) * int64(Step))
	width := decimal.MustParse("0.01").Mul64(nightSpread)
	if quote.BidPrice.GreaterThan(width) {
		quote.BidPrice = quote.BidPrice.Sub(width)
	}
	quote.AskPrice = quote.AskPrice.Add(width)
	return quote
}

// Trade returns the last trade at or before a time; its price lies within the quote of that moment. It is the zero Trade
// for an option contract that did not trade in the last week.
func (m *Market) Trade(a *asset.Asset, at time.Time) Trade {
	trade, _ := m.LastTrade(a, at, "")
	return trade
}

// LastTrade is Trade on one venue, by its exchange code; empty: on any. It is false when there was none in the last week.
// Before a recording begins, its first trade is the last.
func (m *Market) LastTrade(a *asset.Asset, at time.Time, venue string) (Trade, bool) {
	const reach = 7 * 24 * time.Hour
	span := Span{From: at.Add(-reach), To: at, Descending: true, Venue: venue}
	if _, recording := m.overrides(a.Symbol); recording != nil {
		span.From, _ = recording.Bounds()
		if at.Before(span.From) {
			span.To = span.From
		}
	}
	for trade := range m.Trades(a, span) {
		return trade, true
	}
	return Trade{}, false
}

// Price returns the price of the last trade at or before a time. For option contracts, which trade rarely, it is the
// middle of the quote.
func (m *Market) Price(a *asset.Asset, at time.Time) decimal.Decimal {
	switch pinned, recording := m.overrides(a.Symbol); {
	case recording != nil:
		return recording.Price(at)
	case pinned > 0:
		return priceOf(pinned)
	}
	if price, ok := m.lasts.get(a.Symbol, at.UnixNano()); ok {
		return price
	}
	return m.walked(a, at)
}

// Deliverable returns what a contract delivers at a time, USD a share of the contract: the price of its underlying, or the
// sum of what an adjusted one is made of.
func (m *Market) Deliverable(c *asset.Contract, at time.Time) decimal.Decimal {
	if !c.Adjusted {
		return m.Price(c.Underlying, at)
	}
	var sum decimal.Decimal
	for _, part := range c.Deliverables {
		if part.Asset == nil {
			sum = sum.Add(part.Amount)
		} else {
			sum = sum.Add(part.Amount.Mul(m.Price(part.Asset, at)))
		}
	}
	share, err := sum.Div64(asset.Multiplier)
	if err != nil { // the multiplier is not zero
		return decimal.Decimal{}
	}
	return share
}

// MarketTime returns the last moment at or before t at which the asset traded.
func (m *Market) MarketTime(a *asset.Asset, t time.Time) time.Time {
	for {
		if a.Contract != nil && t.After(a.Contract.LastTrade) {
			t = a.Contract.LastTrade
		}
		stretch := m.stretch(a, t)
		if stretch.Phase != session.Closed {
			return t
		}
		before := m.stretch(a, stretch.Start.Add(-1))
		if before.Phase != session.Closed {
			return stretch.Start
		}
		t = before.Start
	}
}

// stretch is the schedule's for stocks; crypto never closes, options and indices have no extended hours.
func (m *Market) stretch(a *asset.Asset, t time.Time) session.Stretch {
	switch a.Class {
	case asset.Crypto, asset.Perpetual:
		return session.Stretch{Phase: session.Regular, Start: firstMoment(), End: lastMoment()}
	case asset.Option, asset.Index:
		stretch := m.schedule.Stretch(t)
		if stretch.Phase != session.Regular {
			stretch.Phase = session.Closed
		}
		return stretch
	default:
		return m.schedule.Stretch(t)
	}
}

func firstMoment() time.Time {
	return time.Date(session.FirstYear, time.January, 1, 0, 0, 0, 0, time.UTC)
}
func lastMoment() time.Time {
	return time.Date(session.LastYear+1, time.January, 1, 0, 0, 0, 0, time.UTC)
}
