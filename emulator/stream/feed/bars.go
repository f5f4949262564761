package feed

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
)

func minute() market.Timeframe { return market.Timeframe{Count: 1, Unit: market.Minute} }

func day() market.Timeframe { return market.Timeframe{Count: 1, Unit: market.Day} }

// barBefore returns the bar that holds the last moment before end, of nothing after it; false when nothing traded.
func (w *World) barBefore(a *asset.Asset, frame market.Timeframe, end time.Time, venue string) (market.Bar, bool) {
	last := end.Add(-1)
	zone := w.Clock.Calendar.Location()
	if a.Pair != nil { // the days of crypto begin at midnight UTC
		zone = time.UTC
	}
	start := frame.Start(last, zone)
	for bar := range w.Market.Bars(a, frame, market.Span{From: start, To: start, Venue: venue}, last) {
		return bar, true
	}
	return market.Bar{}, false
}

// late reports whether a trade of the minute that ended came late: in one minute of four.
func late(seed uint64, symbol string, end time.Time) bool {
	const often = 4
	return mix(seed^hashOf(symbol), uint64(end.Unix()))%often == 0
}

// since returns what lies after from, up to to: at most the last minute, when the clock jumps.
func since(from, to time.Time) market.Span {
	if oldest := to.Add(-time.Minute); from.Before(oldest) {
		from = oldest
	}
	return market.Span{From: from.Add(1), To: to}
}
