package market

import (
	"sync"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
)

// maxCachedDays bounds the memory for days' bars, about 200 bytes each.
const maxCachedDays = 20_000

// dayKey names a day's bar.
type dayKey struct {
	symbol, venue string
	midnight      int64 // UNIX seconds
}

// dayCache keeps days' bars as far as they were built, so that a day that goes on is not built anew for every look.
type dayCache struct {
	mu   sync.Mutex
	days map[dayKey]partialDay
}

// partialDay is a day's bar of everything before a moment.
type partialDay struct {
	built  fold
	before time.Time
}

func (c *dayCache) get(key dayKey) (partialDay, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found, ok := c.days[key]
	return found, ok
}

func (c *dayCache) put(key dayKey, day partialDay) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.days == nil || len(c.days) >= maxCachedDays {
		c.days = make(map[dayKey]partialDay)
	}
	c.days[key] = day
}

// day builds the daily bar of the date that begins at midnight, of nothing later than until. Stocks and options have
// bars of trading days only; their prices are those of the regular session.
func (s *series) day(midnight, until time.Time, venue string) fold {
	from, to := midnight, Timeframe{1, Day}.End(midnight, s.zone())
	if s.asset.Pair == nil {
		day, ok := s.market.schedule.TradingDay(midnight)
		if !ok {
			return fold{}
		}
		from, to = day.SessionOpen, day.SessionClose
		if s.asset.Class == asset.Option {
			from, to = day.Open, day.Close
		}
	}
	if limit := until.Add(1); to.After(limit) {
		to = limit
	}
	if !to.After(from) {
		return fold{}
	}
	if s.pinned > 0 || s.spotPinned > 0 || s.recording != nil || s.spotRecording != nil {
		return s.still(s.foldDay(from, to, venue), from, to)
	}
	key := dayKey{s.asset.Symbol, venue, midnight.Unix()}
	known, ok := s.market.days.get(key)
	if !ok || known.before.After(to) {
		known = partialDay{before: from}
	}
	if known.before.Before(to) {
		known.built.join(s.foldDay(known.before, to, venue))
		known.before = to
		s.market.days.put(key, known)
	}
	return s.still(known.built, from, to)
}

// foldDay builds a part of a day. A stock's trades outside the calendar's regular session count as extended hours, also
// when the market never closes.
func (s *series) foldDay(from, to time.Time, venue string) fold {
	day, ok := s.market.schedule.TradingDay(from)
	if s.asset.Class != asset.Equity || !ok || s.recording != nil {
		return s.fold(from, to, venue, true)
	}
	var built fold
	for _, part := range [][2]time.Time{{from, day.Open}, {day.Open, day.Close}, {day.Close, to}} {
		begin, end := later(from, part[0]), earlier(to, part[1])
		if !end.After(begin) {
			continue
		}
		next := s.fold(begin, end, venue, true)
		if part[0] != day.Open {
			next = fold{volume: next.volume, trades: next.trades}
		}
		built.join(next)
	}
	return built
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
