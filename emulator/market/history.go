package market

import (
	"iter"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
)

// Span is a part of history, both ends included.
type Span struct {
	From, To   time.Time
	Descending bool
	// Venue leaves only the trades of one exchange, by its code; empty: all.
	Venue string
	// Done, once it is closed, ends what is yielded early: years of bars take seconds, and whoever asked may be gone. Nil never
	// ends anything.
	Done <-chan struct{}
}

func (span *Span) abandoned() bool {
	select {
	case <-span.Done:
		return true
	default:
		return false
	}
}

// history is how far back there is data: as far as Alpaca's goes.
func history(a *asset.Asset) time.Time {
	switch a.Class {
	case asset.Crypto, asset.Perpetual:
		return time.Date(2021, time.January, 1, 0, 0, 0, 0, time.UTC)
	case asset.Option:
		first := time.Date(2024, time.February, 1, 0, 0, 0, 0, time.UTC)
		if listed := a.Contract.Expiration.AddDate(0, -8, 0); listed.After(first) {
			return listed
		}
		return first
	default:
		return time.Date(2016, time.January, 4, 0, 0, 0, 0, time.UTC)
	}
}

// within cuts the span to what there is.
func (span Span) within(a *asset.Asset) Span {
	if first := history(a); span.From.Before(first) {
		span.From = first
	}
	if last := lastMoment(); span.To.After(last) {
		span.To = last
	}
	return span
}

// Trades yields the trades of a span. Nothing is computed that is not asked for.
func (m *Market) Trades(a *asset.Asset, span Span) iter.Seq[Trade] {
	return func(yield func(Trade) bool) {
		s := m.series(a)
		if s.recording != nil {
			for trade := range s.recording.Trades(span) {
				if (span.Venue == "" || trade.Exchange == span.Venue) && !yield(trade) {
					return
				}
			}
			return
		}
		span = span.within(a)
		for trade := range s.raws(span.From.UnixNano(), span.To.UnixNano(), span.Descending) {
			if s.onVenue(trade, span.Venue) && !yield(s.trade(trade)) {
				return
			}
		}
	}
}

// Quotes yields the quotes of a span: one a Step while the asset trades. A venue makes both sides that venue's.
func (m *Market) Quotes(a *asset.Asset, span Span) iter.Seq[Quote] {
	return func(yield func(Quote) bool) {
		s := m.series(a)
		if s.recording != nil {
			for quote := range s.recording.Quotes(span) {
				if !yield(quote) {
					return
				}
			}
			return
		}
		span = span.within(a)
		every := func(session.Phase) int64 { return int64(Step) }
		for moment := range s.cells(every, span.From.UnixNano(), span.To.UnixNano(), span.Descending) {
			quote := s.quote(moment)
			if quote.Time.Before(span.From) || quote.Time.After(span.To) {
				continue
			}
			if !yield(quote.On(span.Venue)) {
				return
			}
		}
	}
}

// On returns the quote as one exchange shows it, by its code; empty: as it is.
func (q Quote) On(venue string) Quote {
	if venue != "" {
		q.BidExchange, q.AskExchange = venue, venue
	}
	return q
}

// Bars yields the bars whose stamps are in a span, built of nothing later than until. The last may be unfinished.
func (m *Market) Bars(a *asset.Asset, timeframe Timeframe, span Span, until time.Time) iter.Seq[Bar] {
	return func(yield func(Bar) bool) {
		s := m.series(a)
		if s.recording != nil {
			if bars, ok := s.recording.Bars(timeframe, span); ok {
				for bar := range bars {
					if !bar.Start.After(until) && !yield(bar) {
						return
					}
				}
				return
			}
			first, last := s.recording.Bounds()
			span.From, span.To = later(span.From, timeframe.Start(first, s.zone())), earlier(span.To, last)
		}
		span = span.within(a)
		if span.To.After(until) {
			span.To = until
		}
		for start := range s.stamps(timeframe, span) {
			built := s.bucket(timeframe, start, until, &span)
			if span.abandoned() {
				return
			}
			if built.complete() && !yield(built.bar(start, s.digits)) {
				return
			}
		}
	}
}

// zone is where the asset's days begin.
func (s *series) zone() *time.Location {
	if s.asset.Pair != nil {
		return time.UTC
	}
	return s.market.schedule.Location()
}

// stamps yields the starts of the bars that are in a span, without those in which the asset cannot have traded.
func (s *series) stamps(timeframe Timeframe, span Span) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		zone := s.zone()
		at := timeframe.Start(span.From, zone)
		if at.Before(span.From) {
			at = timeframe.End(at, zone)
		}
		if span.Descending {
			at = timeframe.Start(span.To, zone)
		}
		for !at.Before(span.From) && !at.After(span.To) {
			next := timeframe.End(at, zone)
			previous := timeframe.Start(at.Add(-1), zone)
			if timeframe.intraday() && s.recording == nil {
				if after, before, closed := s.closed(at, next); closed {
					next, previous = timeframe.Start(after, zone), timeframe.Start(before, zone)
				} else if !yield(at) {
					return
				}
			} else if !yield(at) {
				return
			}
			if at = next; span.Descending {
				at = previous
			}
		}
	}
}

// closed reports whether the asset does not trade at all from one moment to another, with the first moment after and the
// last one before that closed time.
func (s *series) closed(from, to time.Time) (after, before time.Time, closed bool) {
	stretch := s.market.stretch(s.asset, from)
	if stretch.Phase != session.Closed || stretch.End.Before(to) {
		return after, before, false
	}
	return stretch.End, stretch.Start.Add(-1), true
}

// bucket builds the bar that starts at a stamp.
func (s *series) bucket(timeframe Timeframe, start, until time.Time, span *Span) fold {
	venue := span.Venue
	end := timeframe.End(start, s.zone())
	switch {
	case timeframe.intraday():
		if limit := until.Add(1); end.After(limit) {
			end = limit
		}
		return s.still(s.fold(start, end, venue, false), start, end)
	case timeframe.Unit == Day:
		return s.day(start, until, venue)
	}
	var built fold
	for day := start; day.Before(end) && !day.After(until) && !span.abandoned(); day = (Timeframe{1, Day}).End(day, s.zone()) {
		built.join(s.day(day, until, venue))
	}
	return built
}
