package market

import (
	"math"
	"time"

	"github.com/quagmt/udecimal"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Bar is open, high, low and close of a span of time in USD (for crypto: the pair's quote currency), with the volume in
// shares, contracts, or units of the pair's base, and the price weighted by volume.
type Bar struct {
	Start                  time.Time
	Open, High, Low, Close decimal.Decimal
	VWAP                   decimal.Decimal
	Volume                 decimal.Decimal
	Trades                 int64
}

// IsZero reports whether nothing traded in the span.
func (b Bar) IsZero() bool { return b.Open.IsZero() }

// fold builds a bar of trades in the order of time.
type fold struct {
	open, high, low, close int64 // nanos
	volume, trades         int64
	turnover               wide // price times size of the trades that update both extremes and volume
	weight                 int64
}

func (f *fold) add(price, size int64, changes effect) {
	if changes&updatesEnds != 0 || changes&updatesEmptyEnds != 0 && f.open == 0 {
		if f.open == 0 {
			f.open = price
		}
		f.close = price
	}
	if changes&updatesExtremes != 0 {
		f.high = max(f.high, price)
		if f.low == 0 || price < f.low {
			f.low = price
		}
	}
	if changes&updatesVolume == 0 {
		return
	}
	f.volume += size
	f.trades++
	if changes&updatesExtremes != 0 {
		f.turnover.add(multiply(price, size))
		f.weight += size
	}
}

// join adds a later bar.
func (f *fold) join(later fold) {
	f.volume += later.volume
	f.trades += later.trades
	if later.open == 0 {
		return
	}
	if f.open == 0 {
		f.open, f.high, f.low = later.open, later.high, later.low
	}
	f.high, f.low, f.close = max(f.high, later.high), min(f.low, later.low), later.close
	f.turnover.add(later.turnover)
	f.weight += later.weight
}

// complete reports whether the bar is to be sent: not without all of its prices.
func (f *fold) complete() bool { return f.open > 0 && f.high > 0 && f.low > 0 && f.close > 0 }

func (f *fold) bar(start time.Time, digits uint8) Bar {
	bar := Bar{Start: start, Volume: sizeOf(f.volume, digits), Trades: f.trades}
	if !f.complete() {
		return bar
	}
	bar.Open, bar.High, bar.Low, bar.Close = priceOf(f.open), priceOf(f.high), priceOf(f.low), priceOf(f.close)
	if f.weight > 0 {
		const sixPlaces = 1000
		mean := f.turnover.divide(f.weight)
		if f.low >= dollar {
			mean = (mean + sixPlaces/2) / sixPlaces * sixPlaces
		}
		bar.VWAP = udecimal.MustFromInt64(min(f.high, max(f.low, mean)), places)
	}
	return bar
}

// Bar returns the bar from start to just before end, of the trades in between. It is zero, but for its start, when
// nothing traded.
func (m *Market) Bar(a *asset.Asset, start, end time.Time) Bar {
	s := m.series(a)
	built := s.still(s.fold(start, end, "", false), start, end)
	return built.bar(start, s.digits)
}

// fold builds the bar from start to just before end on a venue.
func (s *series) fold(start, end time.Time, venue string, daily bool) fold {
	var built fold
	if s.recording != nil {
		s.foldRecording(&built, start, end, venue, daily)
		return built
	}
	tape := s.asset.Tape()
	last := ""
	changes := updatesAll
	for trade := range s.raws(start.UnixNano(), end.UnixNano()-1, false) {
		if !s.onVenue(trade, venue) {
			continue
		}
		if s.asset.Class == asset.Equity && trade.conditions != last {
			last, changes = trade.conditions, effectOf(trade.conditions, tape, daily)
		}
		price := int64(0)
		if changes&^updatesVolume != 0 {
			price = s.price(trade)
		}
		built.add(price, trade.size, changes)
	}
	return built
}

// still gives a crypto bar without trades the middle prices of the quotes, as Alpaca does.
func (s *series) still(built fold, start, end time.Time) fold {
	if built.trades > 0 || s.asset.Pair == nil || s.recording != nil || !end.After(start) {
		return built
	}
	step := int64(Step)
	for _, at := range []int64{start.UnixNano(), (start.UnixNano() + end.UnixNano()) / 2, end.UnixNano() - step} {
		built.add(s.book(floorDivide(at, step)*step).last, 0, updatesEnds|updatesExtremes)
	}
	return built
}

func (s *series) foldRecording(built *fold, start, end time.Time, venue string, daily bool) {
	tape := s.asset.Tape()
	scale := decimal.FromInt(int64(math.Pow10(int(s.digits))))
	for trade := range s.recording.Trades(Span{From: start, To: end.Add(-1)}) {
		if venue != "" && trade.Exchange != venue {
			continue
		}
		changes := updatesAll
		if s.asset.Class == asset.Equity {
			changes = effectOf(trade.Conditions, tape, daily)
		}
		size, err := trade.Size.Mul(scale).Int64()
		if err != nil {
			size = 0
		}
		built.add(nanosOf(trade.Price), size, changes)
	}
}
