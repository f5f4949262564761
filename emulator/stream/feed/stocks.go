package feed

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// stockFeed makes the messages of stock streams.
type stockFeed struct {
	bookless
	World
	record    *record
	venue     string // empty: all exchanges
	night     bool   // quotes of the overnight session while it runs
	roundLots bool
	message   wire.Object
}

func (s *stockFeed) symbols() []string { return symbolsOf(s.Catalogue.Underlyings(), asset.Equity) }

func (s *stockFeed) tick(f *feed, from, to time.Time) {
	for _, w := range f.watched {
		s.look(w, from)
		if w.asset != nil {
			s.follow(f, w, from, to)
		}
	}
}

// look sees a symbol for the first time: what happened before is not told.
func (s *stockFeed) look(w *watch, at time.Time) {
	if w.looked {
		return
	}
	w.looked = true
	found, ok := s.Catalogue.Find(w.symbol)
	if !ok || found.Class != asset.Equity || found.Symbol == asset.TestSymbol {
		return
	}
	w.asset = found
	w.quote = s.quoteAt(found, at)
	w.trade, _ = s.Market.LastTrade(found, at, s.venue)
	w.entries = s.record.upTo(w.symbol, at, w.mark)
}

func (s *stockFeed) follow(f *feed, w *watch, from, to time.Time) {
	entries := s.record.until(w.symbol, to)
	for ; w.entries < len(entries); w.entries++ {
		s.tell(f, w, entries[w.entries])
	}
	if halted(entries) {
		s.stand(f, w, from, to)
		return
	}
	s.quotes(f, w, to)
	s.trades(f, w, from, to)
	s.bars(f, w, from, to)
}

// tell publishes an incident.
func (s *stockFeed) tell(f *feed, w *watch, e entry) {
	tape := w.asset.Tape()
	switch e.what {
	case halt, resume:
		f.publish(statuses, status(&s.message, w.symbol, tape, e.what, e.at), w.symbol)
		f.publish(lulds, band(&s.message, w.symbol, tape, s.Market.Price(w.asset, e.at), e.at), w.symbol)
	case cancelTrade:
		f.publish(cancelErrors, cancellation(&s.message, w.symbol, &w.trade, tape, e.at), w.symbol)
	case correctTrade:
		f.publish(corrections, correction(&s.message, w.symbol, &w.trade, tape, e.at), w.symbol)
	}
}

// stand publishes the order imbalance of a halted stock once a second.
func (s *stockFeed) stand(f *feed, w *watch, from, to time.Time) {
	for at := range steps(from, to, time.Second) {
		price := s.Market.Price(w.asset, to)
		f.publish(imbalances, imbalance(&s.message, w.symbol, w.asset.Tape(), price, at), w.symbol)
	}
}

func (s *stockFeed) quoteAt(a *asset.Asset, at time.Time) market.Quote {
	if s.night && s.Clock.Overnight(at) {
		return s.Market.NightQuote(a, at)
	}
	return s.Market.Quote(a, at)
}

// quotes publishes the present quote when it is another than the last.
func (s *stockFeed) quotes(f *feed, w *watch, to time.Time) {
	if !f.wants(quotes, w.symbol) {
		return
	}
	quote := s.quoteAt(w.asset, to)
	if quote == w.quote {
		return
	}
	w.quote = quote
	quote = quote.On(s.venue)
	if s.roundLots {
		quote.BidSize, quote.AskSize = inRoundLots(quote.BidSize), inRoundLots(quote.AskSize)
	}
	f.publish(quotes, stockQuote(&s.message, w.symbol, &quote, w.asset.Tape()), w.symbol)
}

// inRoundLots returns a size in shares as round lots of a hundred.
func inRoundLots(shares decimal.Decimal) decimal.Decimal {
	const lot = 100
	lots, err := shares.Div64(lot)
	if err != nil { // cannot happen: 100 is not 0
		return shares
	}
	return lots.Trunc(0)
}

func (s *stockFeed) trades(f *feed, w *watch, from, to time.Time) {
	if !f.wants(trades, w.symbol) && !f.wants(cancelErrors, w.symbol) && !f.wants(corrections, w.symbol) {
		return
	}
	span := since(from, to)
	span.Venue = s.venue
	for trade := range s.Market.Trades(w.asset, span) {
		s.revise(f, w, trade.Time)
		w.trade = trade
		f.publish(trades, stockTrade(&s.message, w.symbol, &trade, w.asset.Tape()), w.symbol)
	}
}

// revise cancels or corrects one trade in a thousand when the next one comes.
func (s *stockFeed) revise(f *feed, w *watch, at time.Time) {
	const often = 1000
	switch mix(s.Seed+w.trade.ID, hashOf(w.symbol)) % often {
	case 0:
		s.tell(f, w, entry{at: at, what: cancelTrade})
	case 1:
		s.tell(f, w, entry{at: at, what: correctTrade})
	}
}

// bars publishes what is due with each minute: the minute's bar, the day's bar so far and the price band; and half a minute
// later the bars that late trades changed.
func (s *stockFeed) bars(f *feed, w *watch, from, to time.Time) {
	const half = 30 * time.Second
	for at := range steps(from, to, half) {
		end := at.Truncate(time.Minute)
		if !end.Equal(at) {
			if f.wants(updatedBars, w.symbol) && late(s.Seed, w.symbol, end) {
				s.publishBar(f, updatedBars, "u", w, minute(), end)
			}
			continue
		}
		if f.wants(bars, w.symbol) {
			s.publishBar(f, bars, "b", w, minute(), end)
		}
		if f.wants(dailyBars, w.symbol) && s.Clock.Phase(end.Add(-1)) == session.Regular {
			s.publishBar(f, dailyBars, "d", w, day(), end)
		}
		if f.wants(lulds, w.symbol) && s.Clock.Phase(end) == session.Regular {
			f.publish(lulds, band(&s.message, w.symbol, w.asset.Tape(), s.Market.Price(w.asset, end), end), w.symbol)
		}
	}
}

func (s *stockFeed) publishBar(f *feed, c channel, kind string, w *watch, frame market.Timeframe, end time.Time) {
	if bar, ok := s.barBefore(w.asset, frame, end, s.venue); ok {
		f.publish(c, stockBar(&s.message, kind, w.symbol, &bar), w.symbol)
	}
}
