package feed

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// stockFeed makes the messages of stock streams.
type stockFeed struct {
	bookless
	World
	record  *record
	venue   string // empty: all exchanges
	message wire.Object
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
	w.quote, w.trade = s.Market.Quote(found, at), s.Market.Trade(found, at)
	w.entries = len(s.record.until(w.symbol, at))
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
	s.trades(f, w, to)
	s.bars(f, w, from, to)
}

// tell publishes an incident.
func (s *stockFeed) tell(f *feed, w *watch, e entry) {
	tape := w.asset.Tape()
	last := s.here(w.trade)
	switch e.what {
	case halt, resume:
		f.publish(statuses, status(&s.message, w.symbol, tape, e.what, e.at), w.symbol)
		f.publish(lulds, band(&s.message, w.symbol, tape, last.Price, e.at), w.symbol)
	case cancelTrade:
		f.publish(cancelErrors, cancellation(&s.message, w.symbol, &last, tape, e.at), w.symbol)
	case correctTrade:
		f.publish(corrections, correction(&s.message, w.symbol, &last, tape, e.at), w.symbol)
	}
}

// stand publishes the order imbalance of a halted stock once a second.
func (s *stockFeed) stand(f *feed, w *watch, from, to time.Time) {
	for at := range steps(from, to, time.Second) {
		f.publish(imbalances, imbalance(&s.message, w.symbol, w.asset.Tape(), w.trade.Price, at), w.symbol)
	}
}

func (s *stockFeed) quotes(f *feed, w *watch, to time.Time) {
	if !f.wants(quotes, w.symbol) {
		return
	}
	quote := s.Market.Quote(w.asset, to)
	if quote == w.quote {
		return
	}
	w.quote = quote
	if s.venue != "" {
		quote.BidExchange, quote.AskExchange = s.venue, s.venue
	}
	f.publish(quotes, stockQuote(&s.message, w.symbol, &quote, w.asset.Tape()), w.symbol)
}

func (s *stockFeed) trades(f *feed, w *watch, to time.Time) {
	if !f.wants(trades, w.symbol) && !f.wants(cancelErrors, w.symbol) && !f.wants(corrections, w.symbol) {
		return
	}
	trade := s.Market.Trade(w.asset, to)
	if trade == w.trade {
		return
	}
	s.revise(f, w, to)
	w.trade = trade
	trade = s.here(trade)
	f.publish(trades, stockTrade(&s.message, w.symbol, &trade, w.asset.Tape()), w.symbol)
}

// revise cancels or corrects one trade in a thousand afterwards.
func (s *stockFeed) revise(f *feed, w *watch, at time.Time) {
	const often = 1000
	switch mix(s.Seed+w.trade.ID, uint64(len(w.symbol))) % often {
	case 0:
		s.tell(f, w, entry{at, cancelTrade})
	case 1:
		s.tell(f, w, entry{at, correctTrade})
	}
}

// here returns a trade as this feed's exchange reports it.
func (s *stockFeed) here(trade market.Trade) market.Trade {
	if s.venue != "" {
		trade.Exchange = s.venue
	}
	return trade
}

// bars publishes what is due with each minute and half minute: the minute's bar, the day's bar so far and the price band;
// later the bars that late trades changed.
func (s *stockFeed) bars(f *feed, w *watch, from, to time.Time) {
	const half = 30 * time.Second
	for at := range steps(from, to, half) {
		if s.Clock.Phase(at.Add(-time.Minute)) == session.Closed {
			continue
		}
		if at.Truncate(time.Minute).Equal(at) {
			s.minute(f, w, at)
			continue
		}
		end := at.Add(-half)
		if f.wants(updatedBars, w.symbol) && late(s.Seed, w.symbol, end) {
			bar := s.Market.Bar(w.asset, end.Add(-time.Minute), end)
			f.publish(updatedBars, stockBar(&s.message, "u", w.symbol, &bar), w.symbol)
		}
	}
}

func (s *stockFeed) minute(f *feed, w *watch, end time.Time) {
	if f.wants(bars, w.symbol) {
		bar := s.Market.Bar(w.asset, end.Add(-time.Minute), end)
		f.publish(bars, stockBar(&s.message, "b", w.symbol, &bar), w.symbol)
	}
	if f.wants(dailyBars, w.symbol) {
		bar := s.day(w.asset, end)
		f.publish(dailyBars, stockBar(&s.message, "d", w.symbol, &bar), w.symbol)
	}
	if f.wants(lulds, w.symbol) {
		f.publish(lulds, band(&s.message, w.symbol, w.asset.Tape(), s.Market.Price(w.asset, end), end), w.symbol)
	}
}

// late reports whether a trade of the minute that ended came late: in one minute of four.
func late(seed uint64, symbol string, end time.Time) bool {
	const often = 4
	return mix(seed+uint64(len(symbol)), uint64(end.Unix()))%often == 0
}

// day returns the bar of the trading day so far, stamped with New York's midnight.
func (s *stockFeed) day(a *asset.Asset, now time.Time) market.Bar {
	calendar := s.Clock.Calendar
	day, ok := calendar.DayOf(now)
	if !ok || !now.After(day.Open) {
		day = calendar.Previous(now)
	}
	end := day.Close
	if now.Before(end) {
		end = now
	}
	bar := s.Market.Bar(a, day.Open, end)
	bar.Start = time.Date(day.Open.Year(), day.Open.Month(), day.Open.Day(), 0, 0, 0, 0, day.Open.Location())
	return bar
}
